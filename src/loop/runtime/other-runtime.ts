import {
  BLIND_REST_MS,
  BLIND_TURNS_BEFORE_REST,
  BLIND_WAIT_MS,
  TURNS_PER_MACROTASK,
} from '../limits.ts';
import type { LoopsOfThread, Runtime } from './runtime.ts';

/** Deno looks at sockets and signals only while it waits, which an immediate makes it not do. */
const inDeno = 'Deno' in globalThis;

/** In Node the kernel is simulated, with a clock that runs faster. */
export const inNode = !inDeno && !('Bun' in globalThis);

/** Busy turns before the runtime has its own. Node has it after each. */
const TURNS_MAX = inNode ? 1 : TURNS_PER_MACROTASK;

/**
 * The loop of Bun, of Deno, or of Node beside a simulated kernel, of which nothing can be known:
 * waits are short, and the runtime gets its turn after each one that brought nothing. After some of
 * these in a row it keeps the thread, but for a turn without a wait now and then.
 */
export class OtherRuntime implements Runtime {
  readonly fd = -1;
  readonly #mayRest: boolean;
  /** Turns since the runtime last had its own. */
  #turns = 0;
  /** Turns in a row that brought nothing. */
  #quietTurns = 0;
  #reports = 0;
  #take: (() => void) | null = null;
  /** Whether a callback was asked for that has not come. */
  #asked = false;
  /** What calls, unless a promise job does. */
  #callback: NodeJS.Timeout | NodeJS.Immediate | null = null;
  /** It calls after a rest. */
  #resting: NodeJS.Timeout | null = null;
  /** The last one did. */
  #rested = false;
  #held = false;
  readonly #called = () => {
    this.#asked = false;
    this.#rested = this.#resting !== null;
    this.#resting = null;
    this.#callback = null;
    this.#take?.();
  };

  /** `mayRest` is false beside a simulated kernel. */
  constructor(mayRest: boolean) {
    this.#mayRest = mayRest;
  }

  enter(take: () => void, held: boolean, loops: LoopsOfThread): void {
    this.#take = take;
    if (this.#asked) {
      if (held) this.#hold();
      return;
    }
    this.#asked = true;
    const { reports } = loops;
    const quiet = reports === this.#reports;
    this.#reports = reports;
    this.#quietTurns = quiet ? this.#quietTurns + 1 : 0;
    if (this.#turns > 0 && this.#turns < TURNS_MAX && held && !quiet) {
      // Behind the promise jobs of the handlers.
      queueMicrotask(this.#called);
      return;
    }
    this.#turns = 0;
    this.#held = held;
    const rests = this.#mayRest && this.#quietTurns >= BLIND_TURNS_BEFORE_REST;
    // A timer takes up to a millisecond more.
    const restMs = rests ? Math.floor(Math.min(BLIND_REST_MS, loops.waitMsNow() - 1)) : 0;
    if (restMs > 0) this.#resting = this.#timer(restMs);
    else this.#turnOfRuntime();
  }

  #turnOfRuntime(): void {
    if (inDeno) this.#timer(0);
    else this.#keep(setImmediate(this.#called));
  }

  #timer(delayMs: number): NodeJS.Timeout {
    return this.#keep(setTimeout(this.#called, delayMs));
  }

  #keep<Callback extends NodeJS.Timeout | NodeJS.Immediate>(callback: Callback): Callback {
    this.#callback = callback;
    if (!this.#held) callback.unref();
    return callback;
  }

  #hold(): void {
    this.#held = true;
    this.#callback?.ref();
  }

  hurry(): void {
    this.#quietTurns = 0;
    if (this.#resting === null) return;
    clearTimeout(this.#resting);
    this.#resting = null;
    this.#turnOfRuntime();
  }

  begin(): void {
    this.#turns += 1;
  }

  waitMs(): number {
    return this.#rested ? 0 : BLIND_WAIT_MS;
  }

  drain(): boolean {
    return false;
  }

  rest(): void {
    this.#turns = 0;
  }

  close(): void {
    this.#turns = 0;
    this.#quietTurns = 0;
    this.#take = null;
    // What it would call keeps the process alive until then.
    this.hurry();
  }
}
