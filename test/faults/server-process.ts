import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Scope } from '#test/harness/command.js';
import { openFdsOf } from '#test/harness/process-state.js';
import { sockloop } from '#test/harness/programs.js';
import type { ServeLoop } from './calls.ts';
import type { Cell } from './cells.ts';
import { Program } from './program.ts';

/** What kind of server a cell has. */
type Served = Pick<Cell, 'loop' | 'mode' | 'variant'>;

/** The first line of a server. */
const LISTENING = /^listening on .*:(\d+) \(/m;

/** So long may a server take to listen, or to end, on a busy machine. */
const STEP_MS = 20_000;

/** What `--loop` takes. */
export function backendOf(loop: ServeLoop): string {
  return loop.replace(/,.*/, '');
}

/** The environment in which a loop makes its calls together, or one by one. */
export function environmentOf(loop: ServeLoop): NodeJS.ProcessEnv {
  return { ...process.env, SOCKLOOP_BATCH: loop.includes('call by call') ? '0' : '1' };
}

/** The words of `serve`, which tells of each connection how it ended. */
export function serveWords({ loop, mode, variant }: Served): string[] {
  const where = ['serve', '--port', '0', '--loop', backendOf(loop)];
  const threads = variant === '--threads' ? ['--threads', '2'] : [];
  return [...where, ...threads, '--mode', mode, '--log-format', 'text'];
}

/** The port of a server, once it listens; null if it does not. */
export async function portOf(program: Program): Promise<number | null> {
  await program.until(() => LISTENING.test(program.out), STEP_MS);
  const [, port] = LISTENING.exec(program.out) ?? [];
  return port === undefined ? null : Number(port);
}

/** A share of a core that is too small to tell a spin by. */
const SHARE_MIN = 0.02;

interface CoreTime {
  readonly ranMs: number;
  readonly waitedMs: number;
}

/** How long the outputs of a server were at some time. */
export interface SaidLengths {
  readonly out: number;
  readonly err: number;
}

/** A server that listens. */
export class ServerProcess {
  readonly program: Program;
  readonly port: number;

  private constructor(program: Program, port: number) {
    this.program = program;
    this.port = port;
  }

  static async start(scope: Scope, served: Served): Promise<ServerProcess> {
    const words = sockloop(...serveWords(served));
    const program = new Program(scope, words, { env: environmentOf(served.loop) });
    const port = await portOf(program);
    if (port === null) throw new Error(`the server does not listen: ${program.err}`);
    return new ServerProcess(program, port);
  }

  /** Ends it in order; null if it does not end. */
  async stop() {
    this.program.command.child.kill('SIGTERM');
    return await this.program.end(STEP_MS);
  }

  /** How much it has said so far. */
  get saidLengths(): SaidLengths {
    return { out: this.program.out.length, err: this.program.err.length };
  }

  /** What it has said since then of errors, and of connections that have failed. */
  saidSince({ out, err }: SaidLengths): string {
    const ends = this.program.out
      .slice(out)
      .split('\n')
      .filter((line) => line.includes('failure='));
    return [this.program.err.slice(err).trim(), ...ends].join('\n').trim();
  }

  /** How many sockets it has open. A pool of threads has other files open, more as it grows. */
  get sockets(): number {
    try {
      return openFdsOf(this.program.pid).filter((line) => line.includes('socket:')).length;
    } catch {
      // The process has ended, or a descriptor was closed while they were read.
      return Number.NaN;
    }
  }

  /** Waits until it has no more sockets than `count`. Returns how many more it has at the end. */
  async closesDownTo(count: number, boundMs: number): Promise<number> {
    const endMs = performance.now() + boundMs;
    while (!(this.sockets <= count) && performance.now() < endMs) await delay(20);
    return this.sockets - count;
  }

  /** How long each of its threads had a core so far, and how long it waited for one. */
  get coreTimes(): ReadonlyMap<string, CoreTime> {
    const times = new Map<string, CoreTime>();
    const tasks = `/proc/${this.program.pid}/task`;
    try {
      for (const task of readdirSync(tasks)) {
        const text = readFileSync(`${tasks}/${task}/schedstat`, 'utf8');
        const [ranNs = 0, waitedNs = 0] = text.split(' ').map(Number);
        times.set(task, { ranMs: ranNs / 1e6, waitedMs: waitedNs / 1e6 });
      }
    } catch {
      // The process or a thread has ended meanwhile.
    }
    return times;
  }

  /**
   * How much of the time in which it could have had a core the busiest of the threads has had one
   * since `before`, `elapsedMs` ago. On a busy machine one that rests waits for a core as well.
   */
  busiest(before: ReadonlyMap<string, CoreTime>, elapsedMs: number): number {
    const shares = [0];
    for (const [task, now] of this.coreTimes) {
      const { ranMs, waitedMs } = before.get(task) ?? now;
      const couldMs = elapsedMs - (now.waitedMs - waitedMs);
      if (couldMs > elapsedMs * SHARE_MIN) shares.push((now.ranMs - ranMs) / couldMs);
    }
    return Math.max(...shares);
  }
}
