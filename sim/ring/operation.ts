import { PENDING } from '../kernel.ts';
import type { OpenFile } from '../open-file.ts';
import type { Entry } from './queues.ts';

/** Of {@link Operation.run}: the operation goes on. No result of an operation is that small. */
export const WAITS = PENDING;

/** What an operation asks of its ring. */
export interface OperationHost {
  /**
   * Posts a completion of an operation that goes on: IORING_CQE_F_MORE. False, without effect, if
   * there is no room: the operation has to end then.
   */
  postMore(operation: Operation, result: number, flags: number): boolean;
}

/** A submitted operation: it holds its file until it ends. */
export abstract class Operation {
  readonly entry: Entry;
  readonly file: OpenFile | null;
  protected readonly host: OperationHost;
  /** The flags of the last completion. */
  flags = 0;
  cancelled = false;
  /** A fault: it is done, and its completion comes at this moment. */
  lateUntilNs = 0;
  lateResult = 0;

  constructor(host: OperationHost, entry: Entry, file: OpenFile | null) {
    this.host = host;
    this.entry = entry;
    this.file = file;
  }

  /** The bits of `Ready` that it waits for; 0 if it has to be tried each time. */
  abstract get wanted(): number;

  /** True if a thread of the kernel may do it, so that its completion can come late. */
  get mayBeLate(): boolean {
    return false;
  }

  /** True if it can do something: of those without bits to wait for. */
  get due(): boolean {
    return true;
  }

  /** Does what it can; `ready` are the bits seen. Returns its result, or {@link WAITS}. */
  abstract run(ready: number): number;
}
