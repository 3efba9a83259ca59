import type { LoopName } from '../loop/backends.ts';
import type { ShutdownCounts } from '../net/async/shutdown.ts';
import type { SocketAddress } from '../sys/sockaddr.ts';

/** The worker data of a thread. */
export interface ThreadTask {
  readonly index: number;
  readonly threads: number;
  /** The module that serves, as a URL. */
  readonly module: string;
  readonly backend: LoopName;
  readonly batch: boolean;
  /** Where the service listens. */
  readonly address: SocketAddress;
  /** The listening socket, which the owner keeps; null where the owner hands connections over. */
  readonly fd: number | null;
  readonly options: unknown;
  readonly counters: readonly string[];
  readonly state: SharedArrayBuffer;
  readonly ledger: SharedArrayBuffer;
}

/** What the owner tells a thread. */
export type OwnerMessage =
  | { readonly kind: 'connections'; readonly fds: readonly number[] }
  | { readonly kind: 'posted'; readonly message: unknown; readonly from: number | null }
  /** Another process accepts: serve what is open, and end when that has ended. */
  | { readonly kind: 'handOver' }
  | { readonly kind: 'shutdown'; readonly deadlineMs: number };

/** What a thread tells its owner. */
export type ThreadMessage =
  | { readonly kind: 'ready'; readonly backend: string }
  /** It takes connections again. */
  | { readonly kind: 'hungry' }
  | {
      readonly kind: 'posted';
      readonly message: unknown;
      readonly to: number | 'owner' | 'others';
    }
  | { readonly kind: 'ended'; readonly counts: ShutdownCounts };
