import type { Backend, BackendName } from '../loop/backend.ts';
import { chooseBackend, type LoopName, type MissingLoop } from '../loop/backends.ts';
import { Loop } from '../loop/loop.ts';
import { nativeSys } from '../sys/native.ts';
import type { Sys } from '../sys/sys.ts';
import { type ConnectOptions, Connector } from './stream/connector.ts';
import { Listener, type ListenOptions } from './stream/listener.ts';

/** What an {@link EventLoop} is made of. */
export interface EventLoopOptions {
  /**
   * The way of waiting, by name, or one that is made already (a simulated one, say; the loop
   * closes it). `auto`, the best that this machine has, if left out.
   */
  readonly backend?: LoopName | Backend;
  /** The system calls to use; those of this machine if left out. */
  readonly sys?: Sys;
}

/**
 * An event loop with connections: one thread, one wait, any number of sockets.
 *
 * {@link listen} and {@link connect} return at once; their handlers run in the turns that
 * {@link run} makes, never inside a call. `run` ends when nothing is left to wait for, or with
 * {@link stop}; {@link close} then closes what is still open. A handler that throws ends `run`
 * with its error. Use a loop from one thread; any thread can wake it.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { EventLoop } from 'sockloop';
 *
 * using loop = new EventLoop();
 * const server = loop.listen({
 *   host: '127.0.0.1',
 *   port: 0,
 *   handlers: {
 *     data: (connection, chunk) => {
 *       // What the kernel does not take is queued; a client that does not read is not read from.
 *       if (!connection.write(chunk)) connection.pause();
 *     },
 *     drain: (connection) => connection.resume(),
 *   },
 * });
 * assert(server.address.family === 'IPv4');
 *
 * let echo = '';
 * loop.connect({
 *   host: 'localhost',
 *   port: server.address.port,
 *   timeoutMs: 1000,
 *   handlers: {
 *     open: (connection) => connection.end(new TextEncoder().encode('hello\n')),
 *     data: (_, chunk) => {
 *       echo += new TextDecoder().decode(chunk);
 *     },
 *     close: () => server.close(),
 *   },
 * });
 * await loop.run();
 * assert.equal(echo, 'hello\n');
 * ```
 */
export class EventLoop extends Loop {
  /**
   * The loops that are better than this one and that `auto` could not have, each with the reason:
   * io_uring where the kernel forbids it, say, or where this user may lock no more memory for it
   * (`ulimit -l`). Empty where a loop was asked for by name.
   */
  readonly missing: readonly MissingLoop[];

  /**
   * Throws an Error that says why where this machine does not have that way of waiting, a
   * RangeError for a name that is none.
   */
  constructor(options: EventLoopOptions = {}) {
    const { backend = 'auto', sys = nativeSys() } = options;
    const choice =
      typeof backend === 'object' ? { backend, missing: [] } : chooseBackend(backend, sys);
    super(sys, choice.backend);
    this.missing = choice.missing;
  }

  /** The way of waiting that it has: what `auto` came to. */
  get backendName(): BackendName {
    return this.backend.name;
  }

  /**
   * Listens: socket(2), SO_REUSEADDR, TCP_NODELAY, bind(2), listen(2), and every connection goes
   * to the handlers. A host with several addresses listens on the first that can be bound; null is
   * all interfaces of both families, as for `createServer`. Blocks while a name is resolved. Throws
   * a SysError (`EADDRINUSE`, `EACCES`, ...) or a ResolveError; a TypeError or RangeError for an
   * option of a wrong type or value.
   */
  listen<Data = undefined>(options: ListenOptions<Data>): Listener<Data> {
    this.requireOpen('listen');
    return new Listener(this, options);
  }

  /**
   * Connects, without blocking, to the first address of the host that answers (RFC 8305). null is
   * the loopback address. Throws a RangeError for an address that there cannot be (a port above
   * 65535, a path too long) and for a time that is none, an Error on a closed loop; all other
   * failures go to `onError`.
   */
  connect<Data = undefined>(options: ConnectOptions<Data>): Connector<Data> {
    this.requireOpen('connect');
    return new Connector(this, options);
  }
}
