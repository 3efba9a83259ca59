import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import type { Cleanup } from './cleanup.ts';

/** Until a tool has attached itself, and again until it has said what it counted. */
const TOOL_MS = 10_000;

export interface CallCounter {
  /** How it counts, for the report. */
  readonly words: string;
  /** How many system calls all threads of `pid` make while `during` runs. */
  count(pid: number, during: () => Promise<void>): Promise<number>;
}

/** perf counts in the kernel and the process hardly notices; `-D -1` waits to be told to begin. */
function perf(cleanup: Cleanup): CallCounter {
  return {
    words: 'perf stat -e raw_syscalls:sys_enter',
    async count(pid, during) {
      const flags = ['-x,', '-D', '-1', '-e', 'raw_syscalls:sys_enter', '--control', 'fd:3,4'];
      const tool = new Tool('perf', ['stat', ...flags, '-p', String(pid)], cleanup);
      tool.control('enable\n');
      const said = await tool.around(/ack/, during);
      if (said.includes('<not counted>')) return 0; // The process did not run at all.
      return Number(/^(\d+),/m.exec(said)?.[1] ?? tool.refuse(said));
    },
  };
}

/** strace stops the process at each call: more is ready by each wait, so it sees fewer of them. */
function strace(cleanup: Cleanup): CallCounter {
  return {
    words: 'strace -c -f',
    async count(pid, during) {
      const tool = new Tool('strace', ['-c', '-f', '-p', String(pid)], cleanup);
      const said = await tool.around(/attached/, during);
      // Percent, seconds, usecs per call, calls, and the errors if there are any. Nothing where
      // there was no call.
      if (!said.includes('calls')) return 0;
      return Number(/^100\.00 +\S+ +\S+ +(\d+).* total$/m.exec(said)?.[1] ?? tool.refuse(said));
    },
  };
}

/** The better one of those that work here, on the process `pid`; or why none does. */
export async function findCallCounter(
  pid: number,
  cleanup: Cleanup,
): Promise<CallCounter | { reason: string }> {
  const reasons: string[] = [];
  for (const counter of [perf(cleanup), strace(cleanup)]) {
    try {
      await counter.count(pid, async () => undefined);
      return counter;
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  return { reason: reasons.join('; ') };
}

/** perf or strace, attached to another process until it is told to stop. */
class Tool {
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;
  #said = '';
  #isEnded = false;
  #heard: () => void = () => undefined;

  constructor(name: string, flags: readonly string[], cleanup: Cleanup) {
    this.#name = name;
    const pipes = { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] } as const;
    this.#process = spawn(name, flags, { ...pipes, stdio: [...pipes.stdio] });
    const release = cleanup.add(() => this.#process.kill('SIGKILL'));
    for (const from of [this.#process.stderr, this.#process.stdio[4]]) {
      from?.on('data', (bytes: Buffer) => {
        this.#said += bytes.toString().replaceAll('\0', '');
        this.#heard();
      });
      // Where the program does not exist the pipes fail too, and the end says why.
      from?.on('error', () => undefined);
    }
    this.#process.stdio[3]?.on('error', () => undefined);
    this.#ended = new Promise((resolve) => {
      const finish = (): void => {
        this.#isEnded = true;
        release();
        this.#heard();
        resolve();
      };
      this.#process.on('error', (error: NodeJS.ErrnoException) => {
        this.#said += error.code === 'ENOENT' ? 'it is not installed' : error.message;
        finish();
      });
      this.#process.on('close', finish);
    });
  }

  control(words: string): void {
    (this.#process.stdio[3] as Writable).write(words);
  }

  /** Runs `during` once the tool has said `ready`, ends it, and returns all that it said. */
  async around(ready: RegExp, during: () => Promise<void>): Promise<string> {
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), TOOL_MS);
    try {
      while (!ready.test(this.#said) && !this.#isEnded) await this.#more();
      clearTimeout(timer);
      if (!ready.test(this.#said)) this.refuse(this.#said);
      await during();
    } finally {
      clearTimeout(timer);
      this.#process.kill('SIGINT');
      const patience = setTimeout(() => this.#process.kill('SIGKILL'), TOOL_MS);
      await this.#ended;
      clearTimeout(patience);
    }
    return this.#said;
  }

  refuse(said: string): never {
    const why = said.split('\n').find((line) => line.trim() !== '') ?? 'it said nothing';
    throw new Error(`${this.#name} cannot count: ${why}`);
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#heard = resolve;
    });
  }
}
