import type { SimSys } from '#sim/sim-sys.js';
import { Random } from '#src/base/random.js';
import type { Timer } from '#src/loop/timers.js';
import type { EventLoop } from '#src/net/event-loop.js';
import type { Oracle } from './oracle.ts';

const TIMERS_MAX = 12;
const DELAY_MS_MAX = 150;

interface Played {
  readonly timer: Timer;
  ran: boolean;
  cancelled: boolean;
}

/** Timers that set and cancel others, inside of callbacks and outside of them. */
export class TimerGames {
  readonly #loop: EventLoop;
  readonly #oracle: Oracle;
  readonly #random: Random;
  readonly #played: Played[] = [];
  #left: number;

  constructor(sys: SimSys, loop: EventLoop, oracle: Oracle) {
    this.#loop = loop;
    this.#oracle = oracle;
    this.#random = new Random(sys.kernel.seed, 'timer games');
    this.#left = this.#random.below(TIMERS_MAX);
    for (let first = this.#random.below(4); first > 0; first -= 1) this.#set();
  }

  #set(): void {
    if (this.#left === 0) return;
    this.#left -= 1;
    const delayMs = this.#random.chance(0.3) ? 0 : this.#random.fraction() * DELAY_MS_MAX;
    const timer = this.#loop.setTimer(delayMs, () => this.#ran(played));
    const played: Played = { timer, ran: false, cancelled: false };
    this.#played.push(played);
  }

  #ran(played: Played): void {
    this.#oracle.expect(!played.cancelled, 'a cancelled timer ran');
    this.#oracle.expect(!played.ran, 'a timer ran twice');
    played.ran = true;
    for (let more = this.#random.below(3); more > 0; more -= 1) this.#set();
    const other = this.#played[this.#random.below(this.#played.length)];
    if (other === undefined || !this.#random.chance(0.4)) return;
    other.timer.cancel();
    other.cancelled = !other.ran;
  }

  /** Checks the timers at the end. */
  judge(): void {
    const lost = this.#played.filter(({ ran, cancelled }) => !ran && !cancelled);
    this.#oracle.expect(lost.length === 0, `${lost.length} timers never ran`);
  }
}
