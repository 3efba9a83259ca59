import { shown } from '../../base/arguments.ts';
import type { Loop } from '../../loop/loop.ts';
import { type LoopSink, register, unregister } from './loop-end.ts';

/** Throws unless `signal` is an AbortSignal or undefined. */
export function requireSignal(signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new TypeError(`signal is an AbortSignal, not ${shown(signal)}`);
}

/** Waits for an AbortSignal, until {@link end} or the end of the loop: a signal may live longer. */
export class AbortWatch implements LoopSink {
  place = -1;
  readonly #loop: Loop;
  readonly #signal: AbortSignal;
  readonly #aborted: () => void;

  /** Calls `aborted` when `signal`, which is not aborted yet, is. */
  constructor(loop: Loop, signal: AbortSignal, aborted: () => void) {
    this.#loop = loop;
    this.#signal = signal;
    this.#aborted = aborted;
    signal.addEventListener('abort', this.#heard);
    register(loop, this);
  }

  /** Stops waiting. Idempotent. */
  end(): void {
    this.#signal.removeEventListener('abort', this.#heard);
    unregister(this.#loop, this);
  }

  loopClosed(): void {
    this.end();
  }

  readonly #heard = (): void => {
    this.end();
    this.#aborted();
  };
}

/**
 * Runs `loop` by `run`, and stops it when `signal` aborts.
 *
 * @throws the reason of the signal, once the loop has stopped.
 */
export async function runUntilAborted(
  loop: Loop,
  signal: AbortSignal,
  run: () => Promise<void>,
): Promise<void> {
  requireSignal(signal);
  signal.throwIfAborted();
  let stopped = false;
  const watch = new AbortWatch(loop, signal, () => {
    stopped = true;
    loop.stop();
  });
  try {
    await run();
  } finally {
    watch.end();
  }
  if (stopped) throw signal.reason;
}
