import { type Command, type Scope, start } from '#test/harness/command.js';
import { type Cell, straceFlags } from './cells.ts';

/** strace on one thread of a process, or on all of them, while it injects the fault of a cell. */
export class Injection {
  readonly #strace: Command;

  private constructor(strace: Command) {
    this.#strace = strace;
  }

  /** Attaches to the thread `tid`; `follow` takes all threads of its process. */
  static async attach(scope: Scope, cell: Cell, tid: number, follow: boolean): Promise<Injection> {
    const threads = follow ? ['-f'] : [];
    const flags = ['-e', 'signal=none', ...threads, ...straceFlags(cell), '-p', String(tid)];
    const strace = start(scope, ['strace', ...flags]);
    await strace.until('err', /attached/);
    return new Injection(strace);
  }

  /** How many calls have met the fault so far. */
  get count(): number {
    return this.#strace.err.match(/\((?:INJECTED|DELAYED)\)/g)?.length ?? 0;
  }

  /** Whether a call with these arguments has met the fault. */
  hasMet(call: RegExp): boolean {
    const lines = this.#strace.err.split('\n');
    return lines.some((line) => line.includes('(INJECTED)') && call.test(line));
  }

  /** Ends the fault: from now on the kernel itself answers. */
  async end(): Promise<void> {
    this.#strace.child.kill('SIGINT');
    await this.#strace.end();
  }
}
