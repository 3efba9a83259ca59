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

/** The loop of this thread, opened at first use. */
export function threadLoop(): ThreadLoop {
  if (current === null || current.loop.closed) current = new ThreadLoop();
  return current;
}

/** Makes `loop` the one that is used from now on, for a choice of the backend; null: a new one. */
export function useThreadLoop(loop: ThreadLoop | null): void {
  current = loop;
}
