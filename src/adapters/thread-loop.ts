import type { LoopName } from '../loop/backends.ts';
import { EventLoop, type EventLoopOptions } from '../net/event-loop.ts';

/** The loop of the sockets and servers of this thread, attached to Node's. */
export class ThreadLoop {
  readonly loop: EventLoop;
  #holds = 0;

  constructor(options: EventLoopOptions = {}) {
    this.loop = new EventLoop(options);
    this.loop.unref();
    this.loop.attach();
  }

  /** One more socket or server keeps the process alive. */
  hold(): void {
    this.#holds += 1;
    if (this.#holds === 1) this.loop.ref();
  }

  /** One fewer. */
  release(): void {
    this.#holds -= 1;
    if (this.#holds === 0) this.loop.unref();
  }
}

// Each thread has its own copy of this module.
let current: ThreadLoop | null = null;

/** The loop of this thread, opened at first use: the one that `SOCKLOOP_BACKEND` names, if any. */
export function threadLoop(): ThreadLoop {
  if (current === null || current.loop.closed) current = named(process.env['SOCKLOOP_BACKEND']);
  return current;
}

function named(name: string | undefined): ThreadLoop {
  if (!name) return new ThreadLoop();
  try {
    // The loop refuses what is no name of one.
    return new ThreadLoop({ backend: name as LoopName });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`SOCKLOOP_BACKEND=${name}: ${reason}`, { cause });
  }
}

/** Makes `loop` the one that is used from now on, for a choice of the backend; null: a new one. */
export function useThreadLoop(loop: ThreadLoop | null): void {
  current = loop;
}
