/** What sockets and servers emit, in order, in words that two runs share. */

import type { EventEmitter } from 'node:events';

/** The documented events of sockets, servers and streams. */
const EVENTS: ReadonlySet<string> = new Set([
  ...['lookup', 'connect', 'ready', 'data', 'end', 'finish', 'close', 'timeout', 'error'],
  ...['listening', 'connection', 'drop', 'connectionAttempt', 'connectionAttemptFailed'],
  'connectionAttemptTimeout',
]);

/** Writes down what happens to each of several emitters. */
export class Recorder {
  readonly #lines = new Map<string, string[]>();

  /** Records the events of `emitter` without adding a listener, which might change what it does. */
  watch<Kind extends EventEmitter>(name: string, emitter: Kind): Kind {
    const emit = emitter.emit;
    const record = (event: string | symbol, args: unknown[]): void => {
      if (typeof event !== 'string' || !EVENTS.has(event)) return;
      if (event === 'data') this.#received(name, (args[0] as Buffer).length);
      else this.note(name, [event, ...args.map(inWords)].join(' '));
    };
    emitter.emit = function recorded(this: Kind, event: string | symbol, ...args: unknown[]) {
      record(event, args);
      return Reflect.apply(emit, this, [event, ...args]);
    };
    return emitter;
  }

  /** Writes down a result. */
  note(name: string, words: string): void {
    const lines = this.#lines.get(name) ?? [];
    this.#lines.set(name, [...lines, withoutChance(words)]);
  }

  /** How the kernel cuts a stream into chunks is no part of its behaviour. */
  #received(name: string, length: number): void {
    const lines = this.#lines.get(name) ?? [];
    const [, before] = /^data of (\d+)$/.exec(lines.at(-1) ?? '') ?? [];
    const whole = before === undefined ? lines : lines.slice(0, -1);
    this.#lines.set(name, [...whole, `data of ${Number(before ?? 0) + length}`]);
  }

  /** Takes what was received out of the record: where it meets other events at random. */
  forgetData(): void {
    for (const [name, lines] of this.#lines) {
      const others = lines.filter((line) => !line.startsWith('data of '));
      this.#lines.set(name, others);
    }
  }

  /** Takes the sockets of all pairs, which share their names, out of the record. */
  forgetPairs(): void {
    for (const name of ['client', 'server']) this.#lines.delete(name);
  }

  /** What was recorded, by name. */
  get record(): Record<string, string[]> {
    return Object.fromEntries([...this.#lines].sort(([one], [other]) => (one < other ? -1 : 1)));
  }
}

function withoutChance(words: string): string {
  return words.replace(/\b\d{4,5}\b/g, 'PORT').replace(/sockloop-\w{6}/g, 'DIRECTORY');
}

/** A value, without what differs from run to run. */
export function inWords(value: unknown): string {
  if (value instanceof Error) return errorInWords(value);
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  if ('readyState' in value) return 'a socket';
  return JSON.stringify(value);
}

function errorInWords(error: NodeJS.ErrnoException & { port?: number }): string {
  const { code, errno, syscall, message, name } = error;
  const where = `${'address' in error} ${'port' in error}`;
  return `[${name} ${code} ${errno} ${syscall} ${where}: ${message}]`;
}
