import type { Sys } from '../../sys/sys.ts';
import { BLIND_WAIT_MS, TURNS_PER_MACROTASK } from '../limits.ts';
import type { Runtime } from './runtime.ts';

/**
 * Deno runs signal handlers only while it waits, which setImmediate does not make it do.
 */
const inDeno = 'Deno' in globalThis;

/** Busy turns before the runtime has its own. Node has it after each, beside a simulated kernel. */
const TURNS_MAX = inDeno || 'Bun' in globalThis ? TURNS_PER_MACROTASK : 1;

/**
 * The loop of Bun, of Deno, or of Node beside a simulated kernel, of which nothing can be known:
 * waits are short, and the runtime gets its turn after each one that brought nothing.
 */
export class OtherRuntime implements Runtime {
  readonly fd = -1;
  readonly #sys: Sys;
  /** Turns since the runtime last had its own. */
  #turns = 0;
  #beganMs = 0;
  #take: (() => void) | null = null;
  /** Whether a callback was asked for that has not come. */
  #asked = false;
  readonly #called = () => {
    this.#asked = false;
    this.#take?.();
  };

  constructor(sys: Sys) {
    this.#sys = sys;
  }

  enter(take: () => void, held: boolean): void {
    this.#take = take;
    if (this.#asked) return;
    this.#asked = true;
    if (this.#turns > 0 && this.#turns < TURNS_MAX && held && !this.#waited()) {
      // Behind the promise jobs of the handlers.
      queueMicrotask(this.#called);
      return;
    }
    this.#turns = 0;
    const timer = inDeno ? setTimeout(this.#called, 0) : setImmediate(this.#called);
    if (!held) timer.unref();
  }

  /** Whether the last turn waited: nothing came at once. */
  #waited(): boolean {
    return this.#sys.monotonicMs() - this.#beganMs >= BLIND_WAIT_MS / 2;
  }

  begin(): void {
    this.#turns += 1;
    this.#beganMs = this.#sys.monotonicMs();
  }

  waitMs(): number {
    return BLIND_WAIT_MS;
  }

  drain(): boolean {
    return false;
  }

  rest(): void {
    this.#turns = 0;
  }

  close(): void {
    this.#turns = 0;
    this.#take = null;
  }
}
