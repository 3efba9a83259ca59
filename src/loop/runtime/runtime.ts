/** The loops that a thread drives, together. */
export interface LoopsOfThread {
  /** How much the kernel has reported to them. */
  readonly reports: number;
  /** The longest time in milliseconds that delays nothing of them. */
  waitMsNow(): number;
}

/**
 * The event loop of the JavaScript runtime in this thread, beside which loops take their turns:
 * libuv's in Node, another one in Bun and Deno.
 */
export interface Runtime {
  /** A descriptor that is readable while the runtime has something to do; -1 without one. */
  readonly fd: number;
  /**
   * Has `take` called once, where the runtime can tell whether it has something to do. Called again
   * before that, only `held` is new.
   *
   * @param held true if that keeps the process alive.
   * @param loops the loops that take turns.
   */
  enter(take: () => void, held: boolean, loops: LoopsOfThread): void;
  /** A loop has something new to do: what {@link enter} asked for must not be late. */
  hurry?(): void;
  /** Tells the runtime that turns begin, in the callback that {@link enter} asked for. */
  begin(): void;
  /** The longest wait in milliseconds that delays nothing of the runtime: 0 if it has work now. */
  waitMs(): number;
  /**
   * Runs `process.nextTick` callbacks and promise jobs, as the runtime does after each callback.
   *
   * @returns false if that needs another callback of the runtime.
   */
  drain(): boolean;
  /** No turn is wanted for now: nothing of it keeps the process alive. */
  rest(): void;
  /** Closes what it has open; {@link enter} opens it again. */
  close(): void;
}
