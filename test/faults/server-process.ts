import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Scope } from '#test/harness/command.js';
import { openFdsOf } from '#test/harness/process-state.js';
import { sockloop } from '#test/harness/programs.js';
import type { ServeLoop } from './calls.ts';
import { Program } from './program.ts';

/** The modes of `serve` that are run. */
export type Mode = 'echo' | 'once';

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
export function serveWords(loop: ServeLoop, mode: Mode): string[] {
  const where = ['serve', '--port', '0', '--loop', backendOf(loop)];
  return [...where, '--mode', mode, '--log-format', 'text'];
}

/** The port of a server, once it listens; null if it does not. */
export async function portOf(program: Program): Promise<number | null> {
  await program.until(() => LISTENING.test(program.out), STEP_MS);
  const [, port] = LISTENING.exec(program.out) ?? [];
  return port === undefined ? null : Number(port);
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

  static async start(scope: Scope, loop: ServeLoop, mode: Mode): Promise<ServerProcess> {
    const words = sockloop(...serveWords(loop, mode));
    const program = new Program(scope, words, { env: environmentOf(loop) });
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

  /** How long each of its threads had a core so far, or waited for one. */
  get busyMs(): ReadonlyMap<string, number> {
    const busy = new Map<string, number>();
    const tasks = `/proc/${this.program.pid}/task`;
    try {
      for (const task of readdirSync(tasks)) {
        const text = readFileSync(`${tasks}/${task}/schedstat`, 'utf8');
        const [ranNs = 0, waitedNs = 0] = text.split(' ').map(Number);
        busy.set(task, (ranNs + waitedNs) / 1e6);
      }
    } catch {
      // The process or a thread has ended meanwhile.
    }
    return busy;
  }

  /** How long the busiest of the threads that were there then was busy since `before`. */
  busiestMs(before: ReadonlyMap<string, number>): number {
    const now = this.busyMs;
    return Math.max(0, ...[...before].map(([task, ms]) => (now.get(task) ?? ms) - ms));
  }
}
