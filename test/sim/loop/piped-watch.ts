import { Draws } from '#sim/random.js';
import type { SimSys } from '#sim/sim-sys.js';
import type { Watch } from '#src/loop/backend.js';
import type { EventLoop } from '#src/net/event-loop.js';
import { Interest } from '#src/poller/poller.js';
import { openPipe } from '#src/sys/descriptors.js';
import type { Oracle } from './oracle.ts';

const BYTES_MAX = 40;

/** A pipe of the program's own, watched by the loop and written to from timers. */
export class PipedWatch {
  readonly readFd: number;
  over = false;
  readonly #sys: SimSys;
  readonly #loop: EventLoop;
  readonly #oracle: Oracle;
  readonly #random: Draws;
  readonly #writeFd: number;
  readonly #watch: Watch | null = null;
  #toWrite: number;
  #written = 0;
  #read = 0;

  constructor(sys: SimSys, loop: EventLoop, oracle: Oracle) {
    this.#sys = sys;
    this.#loop = loop;
    this.#oracle = oracle;
    this.#random = new Draws(sys.kernel.seed, 'piped watch');
    this.#toWrite = this.#random.between(1, BYTES_MAX);
    const pair = new Int32Array(2);
    const opened = openPipe(sys, pair, true);
    const [readFd = -1, writeFd = -1] = opened < 0 ? [] : pair;
    this.readFd = readFd;
    this.#writeFd = writeFd;
    this.over = opened < 0;
    if (this.over) return;
    this.#watch = loop.watch(readFd, Interest.read, () => this.#ready());
    this.#writeLater();
  }

  #writeLater(): void {
    this.#loop.setTimer(this.#random.between(0, 20), () => {
      if (this.over) return;
      const count = this.#random.between(1, this.#toWrite);
      const bytes = Uint8Array.from({ length: count }, (_, index) => this.#written + index);
      const result = this.#sys.write(this.#writeFd, bytes, 0, count);
      this.#written += Math.max(0, result);
      this.#toWrite -= Math.max(0, result);
      if (this.#toWrite > 0) this.#writeLater();
      if (this.#random.chance(0.3)) this.#lookAway();
    });
  }

  #lookAway(): void {
    this.#watch?.modify(Interest.none);
    this.#loop.setTimer(this.#random.between(0, 20), () => this.#watch?.modify(Interest.read));
  }

  #ready(): void {
    this.#oracle.expect(!this.over, 'a watch reported after its end');
    const bytes = new Uint8Array(this.#random.between(1, BYTES_MAX));
    const count = this.#sys.read(this.readFd, bytes, 0, bytes.length);
    if (count < 0) return;
    for (const [index, byte] of bytes.subarray(0, count).entries()) {
      this.#oracle.expect(byte === this.#read + index, 'a pipe gave other bytes');
    }
    this.#read += count;
    if (this.#toWrite === 0 && this.#read === this.#written) this.stop();
  }

  stop(): void {
    if (this.over) return;
    this.over = true;
    this.#watch?.unwatch();
    this.#sys.close(this.readFd);
    this.#sys.close(this.#writeFd);
  }
}
