import { encodeSockaddr, type SocketAddress } from '#src/sys/sockaddr.js';
import { readUnsigned, writeInteger } from '#src/sys/struct.js';
import type { Sys } from '#src/sys/sys.js';

/** A bug that can be planted, for the simulation to find. */
export type PlantedBug =
  | 'none'
  | 'drops the rest of a partial send'
  | 'takes EAGAIN for the end'
  | 'forgets to close'
  | 'takes EINTR for a failure'
  | 'retries an interrupted close'
  | 'never accepts again';

const CHUNK_BYTES = 1024;
const EVENTS_MAX = 4;
/** The pause of accepting after the descriptors ran out. */
const REST_MS = 10;

interface Connection {
  readonly fd: number;
  /** Received bytes that are not sent yet. */
  outbox: Uint8Array;
  /** True once the client has sent its end of stream. */
  ended: boolean;
}

/**
 * The shortest correct echo server: one thread, epoll, a bounded outbox for each connection. It
 * runs against the simulated kernel.
 */
export class EchoServer {
  /** The errors of abandoned connections, by errno. */
  shed = 0;
  readonly #sys: Sys;
  readonly #bug: PlantedBug;
  readonly #connections = new Map<number, Connection>();
  readonly #chunk = new Uint8Array(CHUNK_BYTES);
  readonly #address = new Uint8Array(128);
  readonly #events: Uint8Array;
  readonly #count = new Uint8Array(8);
  #waker = -1;
  #listener = -1;
  #epoll = -1;
  #listening = false;
  #restUntilMs = 0;

  constructor(sys: Sys, bug: PlantedBug) {
    this.#sys = sys;
    this.#bug = bug;
    this.#events = new Uint8Array(EVENTS_MAX * this.#layout.size);
  }

  get connections(): number {
    return this.#connections.size;
  }

  get #layout() {
    const layout = this.#sys.abi.structs.epoll_event;
    if (layout === undefined) throw new Error('the echo server needs epoll');
    return layout;
  }

  /** Opens the listener. Descriptors may be short, so it tries again. */
  start(address: SocketAddress): void {
    const { AF_INET, SOCK_STREAM, SOCK_NONBLOCK = 0 } = this.#sys.abi.constants;
    this.#epoll = this.#insist(() => this.#sys.epoll_create1(0));
    const { EFD_NONBLOCK = 0 } = this.#sys.abi.constants;
    this.#waker = this.#insist(() => this.#sys.eventfd(0, EFD_NONBLOCK));
    this.#insist(() => this.#control('EPOLL_CTL_ADD', this.#waker, true, false));
    this.#listener = this.#insist(() => this.#sys.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    const length = encodeSockaddr(this.#sys.abi, address, this.#address);
    this.#insist(() => this.#sys.bind(this.#listener, this.#address, length));
    this.#insist(() => this.#sys.listen(this.#listener, 16));
    this.#insist(() => this.#control('EPOLL_CTL_ADD', this.#listener, true, false));
    this.#listening = true;
  }

  #insist(call: () => number): number {
    for (let tries = 0; tries < 1000; tries += 1) {
      const result = call();
      if (result >= 0) return result;
    }
    throw new Error('the server cannot start');
  }

  #control(
    operation: 'EPOLL_CTL_ADD' | 'EPOLL_CTL_MOD',
    fd: number,
    reads: boolean,
    writes: boolean,
  ): number {
    const { EPOLLIN = 0, EPOLLOUT = 0 } = this.#sys.abi.constants;
    const { fields, size } = this.#layout;
    const event = new Uint8Array(size);
    const view = new DataView(event.buffer);
    writeInteger(view, 0, fields.events, (reads ? EPOLLIN : 0) | (writes ? EPOLLOUT : 0));
    writeInteger(view, 0, fields.data, fd);
    return this.#sys.epoll_ctl(this.#epoll, this.#sys.abi.constants[operation] ?? 0, fd, event);
  }

  /** Ends the wait of a turn, from another thread. */
  wake(): void {
    this.#sys.write(this.#waker, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]), 0, 8);
  }

  /** One turn: waits, then serves what is ready. Returns false once the server has given up. */
  turn(): boolean {
    const sys = this.#sys;
    const over = !this.#listening && sys.monotonicMs() >= this.#restUntilMs;
    if (over && this.#bug !== 'never accepts again') this.#rest(false);
    const timeoutMs = this.#listening ? -1 : REST_MS;
    const count = sys.epoll_wait(this.#epoll, this.#events, EVENTS_MAX, timeoutMs);
    if (count < 0) {
      if (count !== -sys.abi.errno.EINTR) throw new Error(`epoll_wait: ${count}`);
      return this.#bug !== 'takes EINTR for a failure';
    }
    const view = new DataView(this.#events.buffer);
    const { size, fields } = this.#layout;
    const fds = Array.from({ length: count }, (_, index) =>
      readUnsigned(view, index * size, fields.data),
    );
    for (const fd of fds) {
      if (fd === this.#waker) this.#sys.read(fd, this.#count, 0, 8);
      else if (fd === this.#listener) this.#accept();
      else this.#serve(fd);
    }
    return true;
  }

  #rest(resting: boolean): void {
    if (this.#control('EPOLL_CTL_MOD', this.#listener, !resting, false) < 0) return;
    this.#listening = !resting;
    this.#restUntilMs = this.#sys.monotonicMs() + REST_MS;
  }

  #accept(): void {
    const sys = this.#sys;
    const { EMFILE, ENFILE } = sys.abi.errno;
    const length = new Int32Array([this.#address.length]);
    const flags = sys.abi.constants.SOCK_NONBLOCK ?? 0;
    const fd = sys.accept4(this.#listener, this.#address, length, flags);
    if (fd === -EMFILE || fd === -ENFILE) this.#rest(true);
    if (fd < 0) return;
    const connection = { fd, outbox: new Uint8Array(0), ended: false };
    this.#connections.set(fd, connection);
    if (this.#control('EPOLL_CTL_ADD', fd, true, false) < 0) this.#reset(connection);
  }

  #serve(fd: number): void {
    const connection = this.#connections.get(fd);
    if (connection === undefined) return;
    if (connection.outbox.length === 0 && !connection.ended) this.#receive(connection);
    if (this.#connections.get(fd) !== connection) return;
    if (connection.outbox.length > 0) this.#send(connection);
    if (this.#connections.get(fd) !== connection) return;
    const sent = connection.outbox.length === 0;
    if (connection.ended && sent) this.#close(connection);
    else this.#control('EPOLL_CTL_MOD', fd, sent, !sent);
  }

  #receive(connection: Connection): void {
    const { EAGAIN, EINTR } = this.#sys.abi.errno;
    const count = this.#sys.recv(connection.fd, this.#chunk, 0, CHUNK_BYTES, 0);
    if (count > 0) connection.outbox = this.#chunk.slice(0, count);
    else if (count === 0) connection.ended = true;
    else if (count === -EAGAIN && this.#bug === 'takes EAGAIN for the end') connection.ended = true;
    else if (count !== -EAGAIN && count !== -EINTR) this.#reset(connection);
  }

  #send(connection: Connection): void {
    const { EAGAIN, EINTR } = this.#sys.abi.errno;
    const { outbox, fd } = connection;
    const flags = this.#sys.abi.constants.MSG_NOSIGNAL ?? 0;
    const count = this.#sys.send(fd, outbox, 0, outbox.length, flags);
    if (count >= 0) {
      const drops = this.#bug === 'drops the rest of a partial send';
      connection.outbox = outbox.subarray(drops ? outbox.length : count);
    } else if (count !== -EAGAIN && count !== -EINTR) {
      this.#reset(connection);
    }
  }

  /** Abandons a connection with a reset, which its client sees. */
  #reset(connection: Connection): void {
    const { linger } = this.#sys.abi.structs;
    const { SOL_SOCKET, SO_LINGER } = this.#sys.abi.constants;
    const value = new Uint8Array(linger.size);
    writeInteger(new DataView(value.buffer), 0, linger.fields.l_onoff, 1);
    this.#sys.setsockopt(connection.fd, SOL_SOCKET, SO_LINGER, value, value.length);
    this.shed += 1;
    this.#close(connection);
  }

  #close(connection: Connection): void {
    this.#connections.delete(connection.fd);
    if (this.#bug === 'forgets to close') return;
    let result = this.#sys.close(connection.fd);
    // The descriptor is closed, whatever close(2) returns.
    while (this.#bug === 'retries an interrupted close' && result === -this.#sys.abi.errno.EINTR) {
      result = this.#sys.close(connection.fd);
      if (result < 0) throw new Error('close failed');
    }
  }

  stop(): void {
    for (const connection of [...this.#connections.values()]) this.#close(connection);
    for (const fd of [this.#listener, this.#waker, this.#epoll]) this.#sys.close(fd);
  }
}
