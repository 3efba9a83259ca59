/** Hears of the errors of callbacks: the part of `EventLoopOptions` that concerns them. */
export interface CallbackErrors {
  onHandlerError?(error: unknown, connection: object | null): void;
}

/**
 * The callbacks of the program, and where their errors go: to `onHandlerError` of the loop, without
 * it out of the turn. None is swallowed.
 */
export class Callbacks {
  readonly #onError: CallbackErrors['onHandlerError'];
  readonly #isRunning: () => boolean;
  /** Errors that came between two turns. */
  #raised: unknown[] = [];

  /** `isRunning` says whether `run()` is under way, which throws what is raised. */
  constructor(errors: CallbackErrors, isRunning: () => boolean) {
    this.#onError = errors.onHandlerError?.bind(errors);
    this.#isRunning = isRunning;
  }

  /** Calls a callback that belongs to no connection. */
  call(callback: () => unknown): void {
    try {
      this.#returned(callback());
    } catch (error) {
      this.failed(error, null);
    }
  }

  /** `callback` of a watch, whose errors go the same way. */
  guarded<Rest extends readonly unknown[]>(
    callback: (...rest: Rest) => unknown,
  ): (...rest: Rest) => void {
    return (...rest) => {
      try {
        this.#returned(callback(...rest));
      } catch (error) {
        this.failed(error, null);
      }
    };
  }

  #returned(result: unknown): void {
    if (mayBePromise(result)) this.watch(result, (error) => this.failed(error, null));
  }

  /** Calls `failed` if `result` is a promise and rejects. What that throws is raised. */
  watch(result: unknown, failed: (error: unknown) => void): void {
    if (!isThenable(result)) return;
    // A promise is resolved to itself; of another thenable, `then` is called once and may throw.
    Promise.resolve(result).then(undefined, (error: unknown) => {
      try {
        failed(error);
      } catch (uncaught) {
        this.#raise(uncaught);
      }
    });
  }

  /** A callback has failed. Throws where nobody is to hear of it. */
  failed(error: unknown, connection: object | null): void {
    if (this.#onError === undefined) throw error;
    this.#onError(error, connection);
  }

  /** Throws `error` out of the next turn of `run()`, or to Node if none is under way. */
  #raise(error: unknown): void {
    if (this.#isRunning()) {
      this.#raised.push(error);
      return;
    }
    queueMicrotask(() => {
      throw error;
    });
  }

  /** Throws what was raised since the last turn. */
  throwRaised(): void {
    const raised = this.#raised;
    if (raised.length === 0) return;
    this.#raised = [];
    if (raised.length === 1) throw raised[0];
    const reasons = raised.map((error) => (error instanceof Error ? error.message : String(error)));
    throw new AggregateError(raised, `${raised.length} handlers failed: ${reasons.join('; ')}`);
  }
}

/** False for what most callbacks return: nothing, or whether the connection takes more. */
export function mayBePromise(result: unknown): boolean {
  return result !== undefined && typeof result !== 'boolean';
}

function isThenable(result: unknown): result is PromiseLike<unknown> {
  if (result === null || (typeof result !== 'object' && typeof result !== 'function')) return false;
  return 'then' in result && typeof result.then === 'function';
}
