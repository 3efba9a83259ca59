import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Sys, UvLoop } from '../../sys/sys.ts';
import { WAIT_MS_MAX } from '../limits.ts';
import type { Runtime } from './runtime.ts';

/** What Node runs after each callback: tick callbacks, promise jobs, unhandled rejections. */
const runNextTicks = (process as { _tickCallback?: () => void })._tickCallback;

/**
 * Node's loop. Turns are made in the check phase, by an immediate that is not held: there all events
 * that libuv has fetched are handled, and uv_backend_timeout() tells how long it would wait. While
 * an immediate is held libuv does not wait, in the poll phase further events may be in hand, and
 * while a timer is handled the others do not count.
 *
 * A message to ourselves makes libuv pass through its poll phase without a wait. A uv_poll_t would
 * do so, too, but koffi's aborts the process when a worker is terminated (3.3).
 */
export class NodeRuntime implements Runtime {
  readonly #sys: Sys;
  readonly #uv: UvLoop;
  #ports: Ports | null = null;
  #held = false;
  #immediate: NodeJS.Immediate | undefined;
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
    this.#immediate = setImmediate(take).unref();
    this.#ports.out.postMessage(null);
  }

  #open(): Ports {
    const { port1, port2 } = new MessageChannel();
    port2.on('message', () => undefined);
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
    clearImmediate(this.#immediate);
    this.#ports?.in.close();
    this.#ports = null;
  }
}

interface Ports {
  readonly out: MessagePort;
  readonly in: MessagePort;
}
