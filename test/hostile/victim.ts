import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Program } from '#test/faults/program.js';
import type { Scope } from '#test/harness/command.js';
import { quoted, sockloop } from '#test/harness/programs.js';
import { type Conditions, DEADLINE_MS, type LoopName, THREADS } from './conditions.ts';

const at = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** The first line of a server. */
const LISTENING = /^listening on .*:(\d+) \(/m;
/** So long may a server take to listen, or to end, on a busy machine. */
const STEP_MS = 30_000;

/** The server under attack. */
export class Victim {
  readonly loop: LoopName;
  readonly conditions: Conditions;
  readonly program: Program;
  readonly port: number;

  private constructor(loop: LoopName, conditions: Conditions, program: Program, port: number) {
    this.loop = loop;
    this.conditions = conditions;
    this.program = program;
    this.port = port;
  }

  static async start(scope: Scope, loop: LoopName, conditions: Conditions): Promise<Victim> {
    const program = new Program(scope, wordsOf(loop, conditions), { env: process.env });
    await program.until(() => LISTENING.test(program.out), STEP_MS);
    const [, port] = LISTENING.exec(program.out) ?? [];
    if (port === undefined) throw new Error(`${loop} does not listen: ${program.err}`);
    const { files } = conditions;
    if (files !== undefined && loop === 'program') limitFiles(program.pid, files);
    return new Victim(loop, conditions, program, Number(port));
  }

  get pid(): number {
    return this.program.pid;
  }

  /** How many sockets it has open. A pool of threads has other files open, more as it grows. */
  get sockets(): number {
    const directory = `/proc/${this.pid}/fd`;
    let count = 0;
    for (const fd of readdirSync(directory)) {
      try {
        if (readlinkSync(`${directory}/${fd}`).startsWith('socket:')) count += 1;
      } catch {
        // It was closed meanwhile.
      }
    }
    return count;
  }

  /** Waits until it has no more sockets than `count`. Returns how many more it has at the end. */
  async closesDownTo(count: number, boundMs: number): Promise<number> {
    const endMs = performance.now() + boundMs;
    while (this.sockets > count && performance.now() < endMs) await delay(20);
    return this.sockets - count;
  }

  /** The memory that it has in RAM, in bytes. */
  get residentBytes(): number {
    return this.#statusBytes('VmRSS');
  }

  /** The most that it had since {@link forgetPeak}. */
  get residentPeakBytes(): number {
    return this.#statusBytes('VmHWM');
  }

  forgetPeak(): void {
    writeFileSync(`/proc/${this.pid}/clear_refs`, '5');
  }

  #statusBytes(name: string): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) * 1024;
  }

  /** The CPU time of all of its threads so far. */
  get cpuMs(): number {
    const tasks = `/proc/${this.pid}/task`;
    let ms = 0;
    for (const task of readdirSync(tasks)) {
      try {
        ms += Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
      } catch {
        // The thread has ended meanwhile.
      }
    }
    return ms;
  }

  /** The share of a core that it takes in the next `ms`. */
  async cpuShare(ms: number): Promise<number> {
    const [beganMs, before] = [performance.now(), this.cpuMs];
    await delay(ms);
    return (this.cpuMs - before) / (performance.now() - beganMs);
  }

  /** Ends it in order. Returns what is wrong with that; null if nothing is. */
  async stop(): Promise<string | null> {
    this.program.command.child.kill('SIGTERM');
    const end = await this.program.end(STEP_MS);
    if (end === null) return 'it does not end';
    if (end.status !== 0) return `it ends with ${end.signal ?? end.status}: ${end.err.slice(-500)}`;
    return null;
  }
}

function wordsOf(loop: LoopName, conditions: Conditions): string[] {
  const [node = '', ...rest] =
    loop === 'program' ? programWords(conditions) : serveWords(loop, conditions);
  const { heapMb, files } = conditions;
  const heap = heapMb === undefined ? [] : [`--max-old-space-size=${heapMb}`];
  const words = [node, ...heap, '--import', at('preload.js'), ...rest];
  if (files === undefined || loop === 'program') return words;
  return ['sh', '-c', `ulimit -n ${files}; exec ${quoted(words)}`];
}

/** Node.js opens all modules of a program at once, which may be more: `serve` is a few files. */
function limitFiles(pid: number, files: number): void {
  const { status, stderr } = spawnSync('prlimit', ['--pid', `${pid}`, `--nofile=${files}`]);
  if (status !== 0) throw new Error(`cannot limit the descriptors of ${pid}: ${stderr}`);
}

function programWords({ speech, words }: Conditions): string[] {
  const waitBeyond = words.includes('--max-connections') ? ['16'] : [];
  return [process.execPath, at('program.js'), speech, ...waitBeyond];
}

function serveWords(loop: LoopName, conditions: Conditions): string[] {
  let { words } = conditions;
  if (loop === 'threads') words = [...words, '--threads', `${THREADS}`];
  if (loop === 'blocking') words = blockingWords(conditions);
  return sockloop('serve', '--port', '0', '--loop', loop, ...words);
}

/** One client at a time, and deadlines. */
function blockingWords({ words, speech }: Conditions): readonly string[] {
  if (speech === 'datagrams') return words;
  const own = ['--max-connections', '--idle-timeout'];
  const kept = words.filter(
    (word, at) => !own.includes(word) && !own.includes(words[at - 1] ?? ''),
  );
  const deadline = `${DEADLINE_MS}ms`;
  const names = ['--first-byte-timeout', '--idle-timeout', '--write-timeout'];
  return [...kept, ...names.flatMap((name) => [name, deadline])];
}
