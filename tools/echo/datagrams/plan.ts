import type { SocketAddress, SysError } from 'sockloop/sys';
import type { ReplyLimits } from './reply-guard.ts';
import type { DatagramTotals } from './totals.ts';

/** Datagrams over UDP or between UNIX sockets, or records over a connection of UNIX sockets. */
export type DatagramKind = 'udp' | 'dgram' | 'seqpacket';

/** How a server of datagrams serves. */
export interface DatagramPlan {
  readonly kind: DatagramKind;
  readonly endpoint: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly limits: ReplyLimits;
}

/** Hears of each datagram. */
export interface DatagramObserver {
  received?(from: string, bytes: number): void;
}

/** An echo server that listens. Disposing of it closes its sockets. */
export interface DatagramServer extends Disposable {
  readonly address: SocketAddress;
  readonly totals: DatagramTotals;
  /** Serves until {@link stop}. Throws or rejects where the socket is broken. */
  run(): Promise<DatagramTotals>;
  stop(): void;
  /** Removes the file of its UNIX socket. Returns the error. Call before disposing. */
  removeFile(): SysError | null;
}
