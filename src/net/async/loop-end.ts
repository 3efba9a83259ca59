import { ArrivalList } from '../../base/arrival-list.ts';
import type { Loop } from '../../loop/loop.ts';

/** What waits for something of a loop, and has to hear that the loop is closed. */
export interface LoopSink {
  /** Its place in the list of the loop. */
  place: number;
  /** The loop is closed: no handler runs any more. Must not throw. */
  loopClosed(): void;
}

// A loop that closes calls no handler. Whatever gave out a promise therefore registers here.
const sinks = new WeakMap<Loop, ArrivalList<LoopSink>>();

/** `sink` hears of the loop's end, until {@link unregister}. */
export function register(loop: Loop, sink: LoopSink): void {
  let list = sinks.get(loop);
  if (list === undefined) {
    list = new ArrivalList();
    sinks.set(loop, list);
  }
  list.add(sink);
}

/** `sink` has ended by itself. */
export function unregister(loop: Loop, sink: LoopSink): void {
  sinks.get(loop)?.delete(sink);
}

/** Tells all that are registered that `loop` is closed. */
export function loopClosed(loop: Loop): void {
  const list = sinks.get(loop);
  if (list === undefined) return;
  sinks.delete(loop);
  for (const sink of list.values()) sink.loopClosed();
}

/** The error of what was under way: "cannot write: the loop was closed". */
export function closedLoopError(attempt: string): Error {
  return new Error(`cannot ${attempt}: the loop was closed`);
}
