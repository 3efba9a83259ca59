import { formatAddress, type SocketAddress } from 'sockloop/sys';
import { type EndReason, endReasonOf } from '../../echo/figures.ts';
import type { ConnectionTotals } from '../../echo/iterative-server.ts';

/** How a connection went. */
export interface ConnectionEnd extends ConnectionTotals {
  /** Null if the client had left before it was asked for. */
  readonly address: SocketAddress | null;
  readonly durationMs: number;
  readonly reason: EndReason;
}

interface Start {
  readonly address: SocketAddress | null;
  readonly ms: number;
}

/** Remembers when connections began, on every loop alike, to tell how long they lasted. */
export class ConnectionEnds {
  readonly #nowMs: () => number;
  readonly #starts = new Map<number, Start>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  accepted(address: SocketAddress | null, connection: number): void {
    this.#starts.set(connection, { address, ms: this.#nowMs() });
  }

  /** A connection that was accepted has ended. */
  ended(
    address: SocketAddress | null,
    totals: ConnectionTotals,
    failure: Error | null,
  ): ConnectionEnd {
    const nowMs = this.#nowMs();
    const start = this.#starts.get(totals.connection);
    this.#starts.delete(totals.connection);
    const durationMs = Math.round((nowMs - (start?.ms ?? nowMs)) * 1000) / 1000;
    const reason = endReasonOf(failure);
    return { ...totals, address: address ?? start?.address ?? null, durationMs, reason };
  }
}

/** One line of fields: `closed connection=1 address=127.0.0.1:40000 receivedBytes=6 ...`. */
export function fieldLine(end: ConnectionEnd, failure: Error | null): string {
  const { connection, address, receivedBytes, sentBytes, durationMs, reason } = end;
  const from = address === null ? '' : formatAddress(address);
  const fields = {
    connection,
    address: /^[^\s"=]*$/.test(from) ? from : JSON.stringify(from),
    receivedBytes,
    sentBytes,
    durationMs,
    reason,
    ...(failure === null ? {} : { failure: JSON.stringify(failure.message) }),
  };
  const words = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  return `closed ${words.join(' ')}`;
}
