import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '#src/base/random.js';
import type { Backend } from '#src/loop/backend.js';
import type { EventLoop, EventLoopOptions } from '#src/net/event-loop.js';
import type {
  Connection,
  ConnectionHandlers,
  ConnectionSettings,
} from '#src/net/stream/connection.js';
import type { Listener } from '#src/net/stream/listener.js';

// An environment is a loop over a kernel, real or simulated. Each case opens a new one, runs server
// and client on its loop, and turns that until a condition holds.

export interface Environment {
  readonly loop: EventLoop;
  readonly backend: Backend;
  /** One turn: with a real kernel it waits a little, with a simulated one virtual time passes. */
  turn(): void;
  /** The most turns of a case: one that needs more hangs. */
  readonly turnsMax: number;
  /** The time on the clock of the loop. */
  nowMs(): number;
  /** The number of open descriptors, without those of the loop. */
  openDescriptors(): number;
  /** Ends everything. */
  close(): void;
}

/** A backend on a real or simulated kernel. */
export interface LoopTarget {
  readonly name: string;
  /** Whether this machine has it, and if not, why. */
  readonly available: true | { readonly reason: string };
  readonly simulated: boolean;
  /** Whether the calls are made one by one where another target makes them together. */
  readonly callByCall: boolean;
  create(options?: EnvironmentOptions): Environment;
}

export interface EnvironmentOptions extends Pick<EventLoopOptions, 'onHandlerError'> {
  /** The most descriptors that may be open. Simulated kernels only. */
  readonly descriptorsMax?: number;
  /** The longest datagram that the kernel cuts off a message. Simulated kernels only. */
  readonly segmentBytesMax?: number;
}

/** Turns until `done` returns true. Throws with `what` if it never does. */
export function until(environment: Environment, done: () => boolean, what: string): void {
  for (let turns = 0; turns < environment.turnsMax; turns++) {
    if (done()) return;
    environment.turn();
  }
  if (!done()) throw new Error(`waited in vain until ${what}`);
}

/** Takes a few more turns, in which nothing is expected. */
export function turnOn(environment: Environment, turns = 5): void {
  for (let i = 0; i < turns; i++) environment.turn();
}

/** The events of a connection, by the names of its handlers. */
class Log {
  readonly events: string[] = [];
  error: string | null = null;
  #bytes = Buffer.alloc(256);
  #length = 0;

  get received(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Forgets what was received. */
  clear(): void {
    this.#length = 0;
  }

  append(chunk: Uint8Array): void {
    const length = this.#length + chunk.length;
    if (length > this.#bytes.length) {
      const longer = Buffer.alloc(2 * length);
      longer.set(this.received);
      this.#bytes = longer;
    }
    this.#bytes.set(chunk, this.#length);
    this.#length = length;
  }
}

/** Handlers that keep a log, each of which `also` may add to. */
function logging(log: Log, also: ConnectionHandlers = {}): ConnectionHandlers {
  return {
    open: (connection) => {
      log.events.push('open');
      return also.open?.(connection);
    },
    data: (connection, chunk) => {
      if (log.events.at(-1) !== 'data') log.events.push('data');
      log.append(chunk);
      return also.data?.(connection, chunk);
    },
    drain: (connection) => {
      log.events.push('drain');
      return also.drain?.(connection);
    },
    end: (connection) => {
      log.events.push('end');
      return also.end?.(connection);
    },
    close: (connection, error) => {
      log.events.push('close');
      log.error = error?.code ?? null;
      return also.close?.(connection, error);
    },
  };
}

/** Both ends of one connection, with their logs. */
export interface Pair {
  readonly listener: Listener;
  readonly server: Connection;
  readonly client: Connection;
  readonly serverLog: Log;
  readonly clientLog: Log;
}

/** Where {@link connectedPair} listens: a free port of 127.0.0.1, or the name of a UNIX socket. */
type Place = { readonly host: string; readonly port: number } | { readonly path: string };

const ANY_PORT: Place = { host: '127.0.0.1', port: 0 };

/**
 * Connects a client to a server with `settings` on one loop. Without an `end` handler both sides
 * stay open.
 */
export function connectedPair(
  environment: Environment,
  serverHandlers: ConnectionHandlers = {},
  clientHandlers: ConnectionHandlers = {},
  place = ANY_PORT,
  settings: Partial<ConnectionSettings> = {},
): Pair {
  const serverLog = new Log();
  const clientLog = new Log();
  let server: Connection | null = null;
  let client: Connection | null = null;
  const listener = environment.loop.listen({
    ...place,
    ...settings,
    handlers: logging(serverLog, {
      end: () => undefined,
      ...serverHandlers,
      open: (connection) => {
        server = connection;
        return serverHandlers.open?.(connection);
      },
    }),
  });
  environment.loop.connect({
    ...('path' in place ? place : { ...place, port: portOf(listener) }),
    handlers: logging(clientLog, {
      end: () => undefined,
      ...clientHandlers,
      open: (connection) => {
        client = connection;
        return clientHandlers.open?.(connection);
      },
    }),
  });
  until(environment, () => server !== null && client !== null, 'both ends are open');
  if (server === null || client === null) throw new Error('unreachable');
  return { listener, server, client, serverLog, clientLog };
}

let unixPaths = 0;

/** A path for a UNIX socket, not in use. */
export function unixPath(): string {
  unixPaths += 1;
  return join(tmpdir(), `sockloop-conformance-${process.pid}-${unixPaths}.sock`);
}

export function portOf(listener: Listener): number {
  const { address } = listener;
  if (address.family === 'UNIX') throw new Error('a UNIX socket has no port');
  return address.port;
}

/** Closes what a pair has open and turns until both ends know. */
export function closePair(environment: Environment, pair: Pair): void {
  pair.client.close();
  pair.server.close();
  pair.listener.close();
  const closed = (log: Log): boolean => log.events.includes('close');
  until(
    environment,
    () => closed(pair.serverLog) && closed(pair.clientLog),
    'both ends are closed',
  );
}

const patterns = new Map<string, Buffer>();

/** `length` pseudorandom bytes, so that a loss or a swap shows: read only. */
export function pattern(length: number, seed = 1): Buffer {
  const key = `${length} ${seed}`;
  let bytes = patterns.get(key);
  if (bytes === undefined) {
    const random = new Random(seed);
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let index = 0; index < words.length; index += 1) words[index] = random.word();
    bytes = Buffer.from(words.buffer, 0, length);
    patterns.set(key, bytes);
  }
  return bytes;
}
