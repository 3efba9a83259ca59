import { setTimeout as delay } from 'node:timers/promises';
import { Child } from '../measure/child.ts';
import type { Cleanup } from '../measure/cleanup.ts';
import { childEnvironment } from '../terminal/parent.ts';
import { MAIN } from '../terminal/program.ts';
import type { ComparedName } from './plan.ts';

/** Until it listens, on a machine that has a tenth of a core for it. */
const START_MS_MAX = 60_000;

/** A server that has just died is known to have done so by then. */
const DEATH_MS = 200;

/** An echo server in a process of its own. */
export class CompareServer {
  readonly #child: Child;

  /** `more` are further flags of `sockloop serve`. */
  constructor(name: ComparedName, more: readonly string[], cleanup: Cleanup) {
    const words = [MAIN, 'serve', '--loop', name, '--port', '0', ...more];
    // Ctrl-C is for this process: it ends the servers when it has done with them.
    const options = { cleanup, env: childEnvironment('SIGKILL'), detached: true };
    this.#child = new Child([process.execPath, ...words], options);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** How it ended and its last words, null as long as it runs. */
  get end(): string | null {
    return this.#child.end;
  }

  /** Waits until it listens, and returns its port. Rejects with what it said where it does not. */
  port(): Promise<number> {
    return this.#child.port(START_MS_MAX);
  }

  /** How it ended, if it has: waits a moment for it, where connections have just been lost. */
  async deathWords(): Promise<string | null> {
    if (this.end === null) await Promise.race([this.#child.closed, delay(DEATH_MS)]);
    return this.end;
  }

  /** Ends it as Ctrl-C does, or at once where that takes too long. */
  stop(): Promise<void> {
    return this.#child.stop();
  }
}
