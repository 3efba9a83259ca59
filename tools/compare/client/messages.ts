import type { ErrorKind } from '../../load/document.ts';

/** A command to the client. The client executes one at a time. */
export type CompareCommand =
  | { readonly kind: 'connect'; readonly group: number; readonly to: CompareTarget }
  | { readonly kind: 'slice'; readonly group: number; readonly durationMs: number }
  | { readonly kind: 'close'; readonly group: number }
  | { readonly kind: 'end' };

/** A group of connections to one server. */
export interface CompareTarget {
  readonly port: number;
  /** Connections that carry messages, and further ones that carry none. */
  readonly connections: number;
  readonly idleConnections: number;
  readonly messageBytes: number;
  readonly seed: number;
  /** The longest wait for a connection, and for a reply. */
  readonly timeoutMs: number;
}

/** The worker data of the client's thread. */
export interface CompareTask {
  /** One 32-bit word, not 0 once everything is to stop. */
  readonly memory: SharedArrayBuffer;
}

export type CompareErrors = Readonly<Partial<Record<ErrorKind, number>>>;

/** The answer to a command. */
export interface CompareAnswer {
  readonly group: number;
  /** Connections that stand. */
  readonly open: number;
  /** What went wrong, by kind; empty where nothing did. */
  readonly errors: CompareErrors;
  /** Whether it was stopped early. */
  readonly stopped: boolean;
  /** Of a slice: what came back, each byte as it was sent. */
  readonly messages: number;
  readonly elapsedMs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Time of the slice in which the client could run and had no CPU; 0 where that is unknown. */
  readonly clientWaitedMs: number;
  /** Time by which its waits lasted longer than they were to: it was stopped, or not woken. */
  readonly clientOversleptMs: number;
}
