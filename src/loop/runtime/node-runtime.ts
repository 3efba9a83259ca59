import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Sys, UvLoop } from '../../sys/sys.ts';
import { WAIT_MS_MAX } from '../limits.ts';
import type { Runtime } from './runtime.ts';

/**
 * What Node runs after each callback: tick callbacks, promise jobs, unhandled rejections. Bun and
 * Deno have no such function.
 */
export const runNextTicks = (process as { _tickCallback?: () => void })._tickCallback;

/**
 * Node's loop: libuv's. Turns are made in the check phase, by an immediate: there all events that
 * libuv has fetched are handled, and uv_backend_timeout() tells how long it would wait. In the poll
 * phase it may have fetched further events; while a timer is handled the others do not count.
 *
 * An immediate with a reference has the poll phase before it not wait, and keeps the process alive.
 * Where it may not do that it has none, and a message to a port ends the wait, for 5 us more. A
 * uv_poll_t would do so, too, but that of koffi 3.3 aborts the process when a worker is terminated.
 */
export class NodeRuntime implements Runtime {
  readonly #sys: Sys;
  readonly #uv: UvLoop;
  #ports: Ports | null = null;
  #held = false;
  #immediate: NodeJS.Immediate | null = null;
  #take: (() => void) | null = null;
  readonly #called = () => {
    this.#immediate = null;
    this.#take?.();
  };
  /** When the turns began. libuv's clock stands since then. */
  #beganMs = 0;

  constructor(sys: Sys, uv: UvLoop) {
    this.#sys = sys;
    this.#uv = uv;
  }

  get fd(): number {
    return this.#uv.fd;
  }

  enter(take: () => void, held: boolean): void {
    if (this.#ports === null) this.#ports = this.#open();
    this.#hold(this.#ports, held);
    if (this.#immediate !== null) return;
    this.#take = take;
    this.#immediate = setImmediate(this.#called);
    if (held) return;
    this.#immediate.unref();
    this.#ports.out.postMessage(null);
  }

  #open(): Ports {
    const { port1, port2 } = new MessageChannel();
    port2.on('message', nothing);
    this.#held = true;
    return { out: port1, in: port2 };
  }

  #hold(ports: Ports, held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    if (held) ports.in.ref();
    else ports.in.unref();
  }

  begin(): void {
    // libuv does not wait beside an immediate, and hears that there is none after the last one has
    // returned, or when the last one is cleared.
    clearImmediate(setImmediate(nothing));
    this.#beganMs = this.#sys.monotonicMs();
  }

  waitMs(): number {
    const timeoutMs = this.#uv.timeoutMs();
    if (timeoutMs <= 0) return timeoutMs === 0 ? 0 : WAIT_MS_MAX;
    const leftMs = timeoutMs - (this.#sys.monotonicMs() - this.#beganMs);
    return Math.min(Math.max(leftMs, 0), WAIT_MS_MAX);
  }

  drain(): boolean {
    if (runNextTicks === undefined) return false;
    runNextTicks();
    return true;
  }

  rest(): void {
    if (this.#ports !== null) this.#hold(this.#ports, false);
  }

  close(): void {
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#immediate = null;
    this.#take = null;
    this.#ports?.in.close();
    this.#ports = null;
  }
}

function nothing(): void {
  // Nothing.
}

interface Ports {
  readonly out: MessagePort;
  readonly in: MessagePort;
}
