import { requireFunction } from '../base/arguments.ts';
import type { EventLoop } from '../net/event-loop.ts';
import { WATCHDOG_PID, WATCHDOG_USEC, wholeNumber } from './environment.ts';
import { notify } from './notify.ts';

/** A watchdog of the supervisor that hears of this process, until it is disposed of. */
export interface Watchdog extends Disposable {
  /** How long it waits for a sign of life, in milliseconds; it gets two in that time. */
  readonly intervalMs: number;
}

/** How {@link startWatchdog} beats. */
export interface WatchdogOptions {
  /** The loop whose timers beat. Default: those of Node, which keep no process alive. */
  readonly loop?: Pick<EventLoop, 'setTimer'>;
  /**
   * A sign of life was not delivered; the next one follows. Without this handler such errors are
   * ignored: the supervisor will act on their absence.
   *
   * @param error a SysError.
   */
  onError?(error: Error): void;
}

/**
 * sd_watchdog_enabled(3): gives the supervisor the signs of life that it waits for (`WatchdogSec=`
 * of a systemd unit), from a timer of the loop: they end where the loop is stuck.
 *
 * @param options the loop, and who hears of errors.
 * @returns the watchdog, which keeps its loop running until it is disposed of; null where nobody
 *   waits for signs of life of this process.
 * @throws RangeError for a `WATCHDOG_USEC` that is no time.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { EventLoop } from 'sockloop';
 * import { startWatchdog } from 'sockloop/service';
 *
 * using loop = new EventLoop();
 * using watchdog = startWatchdog({ loop });
 * assert.equal(watchdog === null, process.env['WATCHDOG_USEC'] === undefined);
 * ```
 */
export function startWatchdog({ loop, onError }: WatchdogOptions = {}): Watchdog | null {
  requireFunction('onError', onError);
  const words = process.env[WATCHDOG_USEC];
  const meant = process.env[WATCHDOG_PID];
  if (words === undefined || words === '') return null;
  if (meant !== undefined && meant !== String(process.pid)) return null;
  const usec = wholeNumber(words);
  if (usec === null || usec === 0) throw new RangeError(`${WATCHDOG_USEC}=${words} is no time`);
  const intervalMs = usec / 1000;
  const beat = (): void => {
    try {
      notify({ watchdog: true });
    } catch (error) {
      onError?.(error as Error);
    }
  };
  beat();
  const stop =
    loop === undefined ? everyOfNode(intervalMs / 2, beat) : every(loop, intervalMs / 2, beat);
  return { intervalMs, [Symbol.dispose]: stop };
}

function everyOfNode(pauseMs: number, beat: () => void): () => void {
  const timer = setInterval(beat, pauseMs);
  timer.unref();
  return () => clearInterval(timer);
}

function every(loop: Pick<EventLoop, 'setTimer'>, pauseMs: number, beat: () => void): () => void {
  const next = (): void => {
    timer = loop.setTimer(pauseMs, next);
    beat();
  };
  let timer = loop.setTimer(pauseMs, next);
  return () => timer.cancel();
}
