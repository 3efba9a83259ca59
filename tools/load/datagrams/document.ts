import type { SocketAddress } from 'sockloop/sys';
import type { Distribution } from '../document.ts';
import type { ArrivalCounts } from './arrivals.ts';

/** How datagrams are sent. */
type DatagramModel =
  | { readonly kind: 'closed'; readonly window: number }
  | { readonly kind: 'open'; readonly ratePerSecond: number };

/** What a run does. */
export interface DatagramLoadPlan {
  readonly target: SocketAddress;
  readonly kind: 'udp' | 'dgram' | 'seqpacket';
  readonly loop: string;
  readonly sockets: number;
  readonly model: DatagramModel;
  readonly bytes: number;
  readonly seed: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  /** What has not come back by then is lost. */
  readonly timeoutMs: number;
  readonly gso: boolean;
  readonly gro: boolean;
}

/** Counts of the measured time; what was sent in it may come back up to a timeout later. */
export interface DatagramCounts extends ArrivalCounts {
  /** Of an open loop: were due, and not sent: the queue to the kernel was full, or it was late. */
  readonly unsent: number;
  /** Answers of the network that nobody receives there: ECONNREFUSED. */
  readonly refused: number;
  /** Dropped here because this client was too slow to take them, as far as the kernel has told. */
  readonly droppedHere: number;
}

/** The result of a run, as `--json` prints it. */
export interface DatagramLoadDocument {
  readonly kind: 'sockloop datagram load';
  readonly version: 1;
  readonly plan: DatagramLoadPlan;
  readonly startedAt: string;
  /** The time in which was sent what is counted. */
  readonly measuredMs: number;
  readonly counts: DatagramCounts;
  /** Per second. */
  readonly rates: { readonly sent: number; readonly answered: number };
  /** From when a datagram was due until it came back; of those that came in time. */
  readonly latency: Distribution;
  /** CPU time of this client, in microseconds for each datagram that was sent. */
  readonly clientCpuUs: number;
}
