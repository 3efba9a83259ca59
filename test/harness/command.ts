/** A command under test. Every wait is bounded. */

import assert from 'node:assert/strict';
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

/** Far more than any step takes on a busy machine: a longer wait is a hang. */
export const WAIT_MS = 45_000;

/** Registers clean-up: the context of a test. */
export interface Scope {
  after(step: () => Promise<void> | void): void;
}

/** The exit of a command, and its output. */
export interface Outcome {
  /** Null where a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly outBytes: Buffer;
  readonly err: string;
}

/** Options of {@link start}. */
export type StartOptions = Pick<SpawnOptions, 'cwd' | 'env' | 'stdio'>;

/** The output of one stream of a command so far. */
class Printed {
  readonly #pieces: Buffer[] = [];

  constructor(stream: Readable | null, changed: () => void) {
    stream?.on('data', (piece: Buffer) => {
      this.#pieces.push(piece);
      changed();
    });
  }

  get bytes(): Buffer {
    // Joined once per change: a test may poll.
    if (this.#pieces.length > 1) {
      this.#pieces.splice(0, this.#pieces.length, Buffer.concat(this.#pieces));
    }
    return this.#pieces[0] ?? Buffer.alloc(0);
  }
}

/** A running command, killed at the end of its scope. */
export class Command {
  readonly child: ChildProcess;
  readonly #out: Printed;
  readonly #err: Printed;
  readonly #closed: Promise<void>;
  #changed: () => void = () => undefined;
  #failure: Error | null = null;
  #over = false;

  constructor(scope: Scope, words: readonly string[], options: StartOptions = {}) {
    const [file = '', ...rest] = words;
    this.child = spawn(file, rest, { stdio: 'pipe', ...options });
    const changed = (): void => this.#changed();
    this.#out = new Printed(this.child.stdout, changed);
    this.#err = new Printed(this.child.stderr, changed);
    // A command may end before it has read its input.
    this.child.stdin?.on('error', () => undefined);
    this.#closed = new Promise((resolve) => {
      this.child.once('error', (error) => {
        this.#failure = error;
        this.#over = true;
        changed();
        resolve();
      });
      this.child.once('close', () => {
        this.#over = true;
        changed();
        resolve();
      });
    });
    scope.after(() => this.#kill());
  }

  get pid(): number {
    assert.ok(this.child.pid !== undefined, `not started: ${this.#failure}`);
    return this.child.pid;
  }

  /** Standard output so far. */
  get out(): string {
    return this.#out.bytes.toString();
  }

  /** Standard error so far. */
  get err(): string {
    return this.#err.bytes.toString();
  }

  /** Waits until `stream` matches `pattern`. */
  async until(stream: 'out' | 'err', pattern: RegExp): Promise<RegExpExecArray> {
    const deadlineMs = performance.now() + WAIT_MS;
    for (;;) {
      const match = pattern.exec(this[stream]);
      if (match !== null) return match;
      const leftMs = deadlineMs - performance.now();
      if (this.#over || leftMs <= 0) {
        const state = this.#over ? `ended (${this.#how()})` : `waited ${WAIT_MS} ms`;
        assert.fail(`no ${pattern} on std${stream}: ${state}\n${this.out}\n${this.err}`);
      }
      await this.#nextChange(leftMs);
    }
  }

  async #nextChange(leftMs: number): Promise<void> {
    const waiting = new AbortController();
    const change = new Promise<void>((resolve) => {
      this.#changed = resolve;
    });
    const late = delay(leftMs, undefined, { signal: waiting.signal }).catch(() => undefined);
    await Promise.race([change, late]);
    waiting.abort();
  }

  /** Waits for its end. */
  async end(boundMs: number = WAIT_MS): Promise<Outcome> {
    const waiting = new AbortController();
    const late = delay(boundMs, 'late', { signal: waiting.signal }).catch(() => 'over');
    const first = await Promise.race([this.#closed, late]);
    waiting.abort();
    if (first === 'late') {
      assert.fail(`still running after ${boundMs} ms: ${this.child.spawnargs.join(' ')}
${this.out.slice(0, 2000)}\n${this.err.slice(0, 2000)}`);
    }
    if (this.#failure !== null) throw this.#failure;
    const { exitCode: status, signalCode: signal } = this.child;
    return { status, signal, out: this.out, outBytes: this.#out.bytes, err: this.err };
  }

  /** Sends `signal` and waits for its end. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Outcome> {
    this.child.kill(signal);
    return this.end();
  }

  #how(): string {
    return this.#failure?.message ?? `${this.child.exitCode ?? this.child.signalCode}`;
  }

  async #kill(): Promise<void> {
    if (!this.#over && this.#failure === null) this.child.kill('SIGKILL');
    for (const stream of [this.child.stdin, this.child.stdout, this.child.stderr]) {
      stream?.destroy();
    }
    await this.end();
  }
}

export function start(scope: Scope, words: readonly string[], options?: StartOptions): Command {
  return new Command(scope, words, options);
}

/** Runs a command to its end, with `input` on its standard input. */
export function run(
  scope: Scope,
  words: readonly string[],
  input: string | Uint8Array = '',
  options?: StartOptions,
): Promise<Outcome> {
  const command = new Command(scope, words, options);
  command.child.stdin?.end(input);
  return command.end();
}

/** Closes the reading end of standard output. */
export async function closeReader({ child: { stdout } }: Command): Promise<void> {
  assert.ok(stdout !== null);
  const gone = once(stdout, 'close');
  stdout.destroy();
  await gone;
}

/** Repeats `check` until it passes. */
export async function eventually(check: () => void, boundMs: number = WAIT_MS): Promise<void> {
  const deadlineMs = performance.now() + boundMs;
  for (;;) {
    try {
      return check();
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
    }
    await delay(5);
  }
}
