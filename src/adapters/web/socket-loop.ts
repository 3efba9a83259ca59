import { shown } from '../../base/arguments.ts';
import { EventLoop } from '../../net/event-loop.ts';
import { threadLoop } from '../thread-loop.ts';
import type { SocketLoop } from './socket-streams.ts';

/** The loop that a program has given, or that of the thread. */
export function socketLoop(loop: EventLoop | undefined): SocketLoop {
  if (loop === undefined) return threadLoop();
  if (!(loop instanceof EventLoop)) {
    throw new TypeError(`loop is an EventLoop, not ${shown(loop)}`);
  }
  // It keeps the process alive by its own rules.
  return { loop, hold: nothing, release: nothing };
}

function nothing(): void {
  // Nothing is held.
}
