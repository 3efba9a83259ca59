import { DatagramAddress } from '#src/net/datagram/datagram-address.js';
import type { DatagramSocket } from '#src/net/datagram/datagram-socket.js';
import type { DatagramOptions } from '#src/net/datagram/options.js';
import { type Environment, until } from './environment.ts';

// Sockets of datagrams for cases: each writes down what comes.

/** A socket, and what came on it. */
export interface Recorded {
  readonly socket: DatagramSocket;
  /** The first bytes of each datagram, as text. */
  readonly texts: string[];
  readonly lengths: number[];
  readonly truncated: boolean[];
  /** The other handlers that were called. */
  readonly events: string[];
  /** Where it can be sent to. */
  readonly to: DatagramAddress;
}

const TEXT_BYTES = 24;

/** Opens a socket, on a free port of 127.0.0.1 unless `options` say otherwise. */
export function open(environment: Environment, options: Partial<DatagramOptions> = {}): Recorded {
  const { handlers = {}, ...others } = options;
  const isElsewhere = [options.path, options.fd, options.connect].some((one) => one !== undefined);
  const recorded = { texts: [], lengths: [], truncated: [], events: [] } as Omit<
    Recorded,
    'socket' | 'to'
  >;
  const socket = environment.loop.datagram({
    ...(isElsewhere ? {} : { host: '127.0.0.1', port: 0 }),
    ...others,
    handlers: {
      datagrams: (own, batch) => {
        for (let index = 0; index < batch.length; index++) {
          const bytes = batch.bytes(index);
          recorded.texts.push(Buffer.from(bytes.subarray(0, TEXT_BYTES)).toString('latin1'));
          recorded.lengths.push(bytes.length);
          recorded.truncated.push(batch.truncated(index));
        }
        return handlers.datagrams?.(own, batch);
      },
      drain: (own) => {
        recorded.events.push('drain');
        return handlers.drain?.(own);
      },
      unreachable: (own, report) => {
        recorded.events.push(`unreachable ${report.code} ${report.to}`);
        return handlers.unreachable?.(own, report);
      },
      end: (own) => {
        recorded.events.push('end');
        return handlers.end?.(own);
      },
      close: (own, error) => {
        recorded.events.push(`close ${error?.code ?? null}`);
        return handlers.close?.(own, error);
      },
    },
  });
  return { socket, to: socket.address, ...recorded };
}

/** Whether the handler `close` of a socket was called. */
export function isClosed({ events }: Recorded): boolean {
  return events.some((event) => event.startsWith('close'));
}

/** Closes sockets, and turns until all know. */
export function closeAll(environment: Environment, ...all: readonly Recorded[]): void {
  for (const { socket } of all) socket.close();
  until(environment, () => all.every(isClosed), 'all sockets are closed');
}

/** An address of this machine where nobody receives: its socket was closed. */
export function nobody(environment: Environment): DatagramAddress {
  const recorded = open(environment);
  const { host, port } = recorded.to;
  closeAll(environment, recorded);
  return DatagramAddress.of(host, port);
}
