import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { requireObject, requireTimeout, requireWhole, shown } from '../base/arguments.ts';
import { TIMEOUT_MS_MAX } from '../net/limits.ts';
import {
  FIRST_FD,
  LISTEN_FDNAMES,
  LISTEN_FDS,
  LISTEN_PID,
  PREDECESSOR,
  READY_FD,
  WATCHDOG_PID,
} from './environment.ts';
import { descriptorName } from './notify.ts';
import { takenSockets } from './predecessor.ts';

/** The default of `readyTimeoutMs`. */
const READY_TIMEOUT_MS = 30_000;

/** How long a successor that is told to end may take before it is killed. */
const END_GRACE_MS = 1000;

/** A listening socket that a successor gets. */
export interface PassedSocket {
  /** Its descriptor, which stays the caller's as well. */
  readonly fd: number;
  /** Its name in `listenFds` of the successor. Default: `unknown`. */
  readonly name?: string;
}

/** How {@link startSuccessor} starts a process. */
export interface SuccessorOptions {
  /** The listening sockets that it takes over, at least one. */
  readonly sockets: readonly PassedSocket[];
  /** How long it may take until it is ready, above 0. Default: 30 s. */
  readonly readyTimeoutMs?: number;
  /** The program and its arguments. Default: this Node with the arguments of this process. */
  readonly command?: readonly [file: string, ...words: string[]];
  /** What to change in the environment of this process; undefined removes a variable. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Ends it when it aborts, unless it is ready by then. */
  readonly signal?: AbortSignal;
}

/** A process that serves in place of this one. */
export interface Successor {
  readonly pid: number;
}

/**
 * Starts a process that takes over listening sockets, and waits until it serves: it takes them by
 * {@link listenFds} and says so by `notify({ ready: true })`. Both processes accept connections
 * then; this one stops by `handOver` of its listeners, ends its connections in its own time, and
 * ends. Connections that wait in the queues of the sockets are served by either: none is lost.
 *
 * @param options the sockets, and what to start.
 * @returns the process, once it serves. Standard input and output are those of this process.
 * @throws Error where it does not: it cannot be started, ends before it is ready, is not ready in
 *   time, or has not taken all sockets. It has ended then, and this process goes on as before.
 * @throws TypeError, RangeError for an option of a wrong type or value.
 *
 * @example
 * ```ts
 * import { EventLoop } from 'sockloop';
 * import { startSuccessor } from 'sockloop/service';
 *
 * using loop = new EventLoop();
 * const listener = loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
 * const restart = async (): Promise<void> => {
 *   await startSuccessor({ sockets: [{ fd: listener.fd }] });
 *   await listener.handOver();
 *   // Those that are still open have another minute.
 *   loop.setTimer(60_000, () => void listener.shutdown());
 * };
 * process.once('SIGUSR2', () => void restart());
 * ```
 */
export async function startSuccessor(options: SuccessorOptions): Promise<Successor> {
  const { sockets, readyTimeoutMs = READY_TIMEOUT_MS, signal } = checked(options);
  signal?.throwIfAborted();
  const child = start(options);
  const attempt = new Attempt(child, sockets.length, readyTimeoutMs);
  const aborted = (): void => attempt.fail(signal?.reason);
  signal?.addEventListener('abort', aborted);
  try {
    return await attempt.done;
  } finally {
    signal?.removeEventListener('abort', aborted);
  }
}

function checked(options: SuccessorOptions): SuccessorOptions {
  requireObject('options', options);
  const { sockets, readyTimeoutMs, command } = options;
  if (!Array.isArray(sockets) || sockets.length === 0) {
    throw new TypeError(`sockets are an array of at least one, not ${shown(sockets)}`);
  }
  for (const { fd, name } of sockets) {
    requireWhole('a descriptor', fd, 0, 2 ** 31 - 1);
    if (name !== undefined) descriptorName(name);
  }
  if (readyTimeoutMs !== undefined) requireTimeout('a time', readyTimeoutMs, TIMEOUT_MS_MAX);
  if (command !== undefined && !(Array.isArray(command) && command.length > 0)) {
    throw new TypeError(`a command is an array of words, not ${shown(command)}`);
  }
  return options;
}

/** Starts the process: its sockets are descriptors 3 and up, and the last one tells of it. */
function start({ sockets, command, environment }: SuccessorOptions): ChildProcess {
  const [file, ...words] = command ?? [
    process.execPath,
    ...process.execArgv,
    ...process.argv.slice(1),
  ];
  const stdio: StdioOptions = ['inherit', 'inherit', 'inherit'];
  for (const { fd } of sockets) stdio.push(fd);
  stdio.push('pipe');
  const env = {
    ...process.env,
    ...environment,
    [LISTEN_FDS]: String(sockets.length),
    [LISTEN_FDNAMES]: sockets.map(({ name = 'unknown' }) => name).join(':'),
    [PREDECESSOR]: String(process.pid),
    [READY_FD]: String(FIRST_FD + sockets.length),
    // Those of this process: it has another number.
    [LISTEN_PID]: undefined,
    [WATCHDOG_PID]: undefined,
  };
  return spawn(file, words, { stdio, env });
}

/** A process that was started, until it is ready or has ended. */
class Attempt {
  readonly done: Promise<Successor>;
  readonly #child: ChildProcess;
  readonly #sockets: number;
  readonly #late: NodeJS.Timeout;
  readonly #ready: NodeJS.ReadableStream;
  #kill: NodeJS.Timeout | null = null;
  #text = '';
  /** Why it is to end, before it has. */
  #failure: unknown = null;
  #resolve: (successor: Successor) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(child: ChildProcess, sockets: number, readyTimeoutMs: number) {
    this.#child = child;
    this.#sockets = sockets;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#late = setTimeout(() => {
      this.fail(this.#error(`was not ready within ${readyTimeoutMs} ms`));
    }, readyTimeoutMs);
    this.#ready = child.stdio[FIRST_FD + sockets] as NodeJS.ReadableStream;
    this.#ready.on('data', (piece: Buffer) => this.#told(piece));
    // The end of the process says more.
    this.#ready.on('error', () => undefined);
    child.once('error', (error) =>
      this.#over(new Error(`cannot start a successor: ${error.message}`)),
    );
    child.once('exit', (status, signal) => {
      const how = signal === null ? `with status ${status}` : `by ${signal}`;
      this.#over(this.#failure ?? this.#error(`ended ${how} before it was ready`));
    });
  }

  #error(words: string): Error {
    return new Error(`the successor (process ${this.#child.pid}) ${words}`);
  }

  #told(piece: Buffer): void {
    this.#text += piece.toString('latin1');
    const taken = takenSockets(this.#text);
    if (taken === null || this.#failure !== null) return;
    if (taken !== this.#sockets) {
      this.fail(
        this.#error(`has taken ${taken} of ${this.#sockets} sockets: it listens elsewhere`),
      );
      return;
    }
    this.#release();
    // It outlives this process.
    this.#child.unref();
    this.#resolve({ pid: this.#child.pid ?? 0 });
  }

  /** Ends the process. The first reason counts. */
  fail(reason: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = reason;
    clearTimeout(this.#late);
    this.#child.kill('SIGTERM');
    this.#kill = setTimeout(() => this.#child.kill('SIGKILL'), END_GRACE_MS);
  }

  #over(error: unknown): void {
    this.#release();
    this.#reject(error);
  }

  #release(): void {
    clearTimeout(this.#late);
    if (this.#kill !== null) clearTimeout(this.#kill);
    this.#child.removeAllListeners().on('error', () => undefined);
    (this.#ready as NodeJS.ReadableStream & { destroy(): void }).destroy();
  }
}
