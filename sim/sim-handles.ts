import { deliverCopy } from '#src/base/borrowed.js';
import type { Random } from '#src/base/random.js';
import type {
  Acceptance,
  AcceptSink,
  BackendStats,
  ConnectSink,
  Stream,
  StreamSink,
  Subscription,
  Watch,
  WatchSink,
} from '#src/loop/backend.js';
import type { Interest } from '#src/poller/poller.js';
import type { Sys } from '#src/sys/sys.js';
import { ByteQueue } from './byte-queue.ts';

/** The result of an operation, with the token of its handle. */
export interface Completion {
  readonly token: number;
  readonly operation: 'accept' | 'receive' | 'send' | 'finish' | 'connect' | 'watch';
  /** `>= 0` or `-errno`. */
  readonly result: number;
  /** The bytes of a `receive`. */
  readonly bytes: Uint8Array;
}

/** What a handle asks of its backend. */
export interface SimHandleOwner {
  readonly sys: Sys;
  readonly random: Random;
  readonly stats: BackendStats;
  /** An operation has ended: `completed` is called for it after the round. */
  complete(completion: Completion): void;
  /** Frees a result that has no handle any more. */
  discard(completion: Completion): void;
  remove(handle: SimHandle): void;
  release(handle: SimHandle): void;
}

/** An operation or subscription on the simulated backend. */
export abstract class SimHandle implements Subscription {
  readonly fd: number;
  readonly ownsFd: boolean = true;
  token = -1;
  gone = false;
  paused = false;
  /** The operations in flight: one of a kind, or their results could overtake each other. */
  readonly inFlight = new Set<Completion['operation']>();
  protected readonly owner: SimHandleOwner;

  constructor(owner: SimHandleOwner, fd: number) {
    this.owner = owner;
    this.fd = fd;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  close(): void {
    this.owner.remove(this);
  }

  /** Makes its system calls, and completes those that have a result. */
  abstract operate(): void;
  /** Takes the result of an operation. */
  abstract completed(completion: Completion): void;
  abstract closed(): void;

  /** Frees what it holds besides its descriptor. */
  dispose(): void {
    // Most hold nothing.
  }

  /** Whether a result only says that the operation continues. */
  protected isTransient(result: number): boolean {
    const { EAGAIN, EINTR, ENOBUFS } = this.owner.sys.abi.errno;
    return result === -EAGAIN || result === -EINTR || result === -ENOBUFS;
  }

  /** Completes an operation, unless its result is only that it continues. */
  protected over(operation: Completion['operation'], result: number, bytes = NOTHING): void {
    if (this.isTransient(result)) return;
    this.complete({ token: this.token, operation, result, bytes });
  }

  protected complete(completion: Completion): void {
    this.inFlight.add(completion.operation);
    this.owner.complete(completion);
  }
}

const NOTHING = new Uint8Array(0);
const address = new Uint8Array(128);
const length = new Int32Array(1);

export class SimAcceptor extends SimHandle implements Acceptance {
  readonly #sink: AcceptSink;
  /** A connection accepted while it was being paused. */
  #held: Completion | null = null;
  #retiring = false;

  constructor(owner: SimHandleOwner, fd: number, sink: AcceptSink) {
    super(owner, fd);
    this.#sink = sink;
  }

  operate(): void {
    if ((this.paused && !this.#retiring) || this.inFlight.size > 0) return;
    const held = this.#held;
    if (held !== null) {
      this.#held = null;
      this.complete(held);
      return;
    }
    if (this.#retiring) {
      this.owner.remove(this);
      return;
    }
    const { sys } = this.owner;
    const { SOCK_NONBLOCK = 0, SOCK_CLOEXEC = 0 } = sys.abi.constants;
    length[0] = address.length;
    const fd = sys.accept4(this.fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd !== -sys.abi.errno.ECONNABORTED) this.over('accept', fd);
  }

  completed(completion: Completion): void {
    const { result } = completion;
    const { sys, stats } = this.owner;
    const { EMFILE, ENFILE } = sys.abi.errno;
    if (this.paused && !this.#retiring) {
      this.#held = completion;
    } else if (result >= 0) {
      stats.accepted += 1;
      this.#sink.accepted(result);
    } else if (this.#retiring) {
      return;
    } else if (result === -EMFILE || result === -ENFILE) {
      this.paused = true;
      this.#sink.exhausted(-result, 0);
    } else {
      this.owner.remove(this);
      this.#sink.failed(-result);
    }
  }

  retire(): void {
    this.#retiring = true;
  }

  override dispose(): void {
    if (this.#held !== null) this.owner.discard(this.#held);
    this.#held = null;
  }

  closed(): void {
    this.#sink.closed();
  }
}

/** The largest piece of one receive or send. */
const PIECE_BYTES_MAX = 4096;
const piece = new Uint8Array(PIECE_BYTES_MAX);

export class SimStream extends SimHandle implements Stream {
  readonly #sink: StreamSink;
  readonly #queue = new ByteQueue(Number.POSITIVE_INFINITY);
  /** Bytes received while it was being paused. */
  #held: Completion | null = null;
  #peerEnded = false;
  #finishing = false;
  #finished = false;
  /** The errno of a send, which the sink may not have been told yet; 0 for none. */
  #errno = 0;
  /** Bytes of the queue that the kernel has taken, whose completion is due. */
  #taken = 0;
  #lost = 0;

  constructor(owner: SimHandleOwner, fd: number, sink: StreamSink) {
    super(owner, fd);
    this.#sink = sink;
  }

  get queuedBytes(): number {
    return this.#queue.length;
  }

  get unsentBytes(): number {
    return this.#queue.length - this.#taken + this.#lost;
  }

  /** A failure may be among the results that were not delivered. */
  get broken(): boolean {
    return this.inFlight.size > 0;
  }

  get queuedBytesAtMost(): number {
    return this.#queue.length;
  }

  /** Nothing is sent at once: a ring sends when it is entered. */
  send(bytes: Uint8Array, offset: number, count: number): number {
    if (this.#finishing || this.gone) return 0;
    if (this.#errno !== 0) {
      this.#lost += count;
      return 0;
    }
    this.#queue.push(bytes, offset, count);
    this.#sink.queued?.(this.#queue.length);
    return this.#queue.length;
  }

  finish(): void {
    this.#finishing = true;
  }

  reset(): void {
    if (this.gone) return;
    const { sys } = this.owner;
    const { SOL_SOCKET, SO_LINGER } = sys.abi.constants;
    sys.setsockopt(this.fd, SOL_SOCKET, SO_LINGER, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]), 8);
    this.owner.remove(this);
  }

  operate(): void {
    if (!this.inFlight.has('send') && this.#errno === 0) this.#send();
    if (!this.inFlight.has('receive')) this.#receive();
  }

  /** A send has ended. A failed one has consumed the socket's error, and no end follows: law 4. */
  #sendOver(operation: 'send' | 'finish', result: number): void {
    if (result < 0 && !this.isTransient(result)) this.#errno = -result;
    this.over(operation, result);
  }

  fail(errno: number): void {
    if (!this.gone && this.#errno === 0) this.#sendOver('send', -errno);
  }

  #send(): void {
    const { sys, random } = this.owner;
    if (this.#queue.length > 0) {
      const count = this.#queue.peek(piece, 0, 1 + random.below(PIECE_BYTES_MAX));
      const flags = sys.abi.constants.MSG_NOSIGNAL ?? 0;
      const sent = sys.send(this.fd, piece, 0, count, flags);
      this.#taken = Math.max(0, sent);
      this.#sendOver('send', sent);
    } else if (this.#finishing && !this.#finished) {
      this.#finished = true;
      const result = sys.shutdown(this.fd, sys.abi.constants.SHUT_WR);
      // ENOTCONN: the peer has reset the connection; the next receive reports it.
      this.#sendOver('finish', result === -sys.abi.errno.ENOTCONN ? 0 : result);
    }
  }

  #receive(): void {
    if (this.paused || this.#peerEnded) return;
    const held = this.#held;
    if (held !== null) {
      this.#held = null;
      this.complete(held);
      return;
    }
    if (this.#errno !== 0) return;
    const { sys, random } = this.owner;
    const count = sys.recv(this.fd, piece, 0, 1 + random.below(PIECE_BYTES_MAX), 0);
    this.over('receive', count, piece.slice(0, Math.max(0, count)));
  }

  completed(completion: Completion): void {
    const { operation, result, bytes } = completion;
    if (operation === 'receive' && this.paused) this.#held = completion;
    else if (result < 0) this.#broken(-result);
    else if (operation === 'send') this.#sent(result);
    else if (operation === 'receive') this.#received(bytes);
  }

  #sent(count: number): void {
    this.#queue.pull(piece, 0, count);
    this.#taken = 0;
    if (this.#queue.length === 0) this.#sink.drained();
  }

  #received(bytes: Uint8Array): void {
    if (bytes.length === 0) {
      this.#peerEnded = true;
      this.#sink.ended();
      return;
    }
    // The bytes are poisoned after the call, for sinks that keep them.
    deliverCopy(this.#sink, bytes);
  }

  #broken(errno: number): void {
    this.owner.remove(this);
    this.#sink.failed(errno);
  }

  closed(): void {
    this.#sink.closed();
  }
}

export class SimConnectOperation extends SimHandle {
  readonly #sink: ConnectSink;
  readonly #address: Uint8Array;
  #started = false;

  constructor(owner: SimHandleOwner, fd: number, target: Uint8Array, sink: ConnectSink) {
    super(owner, fd);
    this.#sink = sink;
    this.#address = target;
  }

  operate(): void {
    if (this.inFlight.size > 0) return;
    const { sys } = this.owner;
    const { EINPROGRESS, EALREADY, EISCONN, EINTR } = sys.abi.errno;
    const result = sys.connect(this.fd, this.#address, this.#address.length);
    if (result === -EINPROGRESS || result === -EALREADY || result === -EINTR) this.#started = true;
    else if (this.#started && result === -EISCONN) this.#over(0);
    else this.#over(result);
  }

  #over(result: number): void {
    // Not by `over`: on a UNIX socket EAGAIN is the result of a connect.
    this.complete({ token: this.token, operation: 'connect', result, bytes: NOTHING });
  }

  completed({ result }: Completion): void {
    if (result === 0) {
      this.owner.release(this);
      this.#sink.connected(this.fd);
    } else {
      this.owner.remove(this);
      this.#sink.failed(-result);
    }
  }

  closed(): void {
    this.#sink.closed();
  }
}

export class SimWatch extends SimHandle implements Watch {
  override readonly ownsFd = false;
  readonly #sink: WatchSink;
  #interest: Interest;

  constructor(owner: SimHandleOwner, fd: number, interest: Interest, sink: WatchSink) {
    super(owner, fd);
    this.#sink = sink;
    this.#interest = interest;
  }

  modify(interest: Interest): void {
    this.#interest = interest;
  }

  unwatch(): void {
    if (!this.gone) this.owner.release(this);
  }

  operate(): void {
    const { sys } = this.owner;
    const { size, fields } = sys.abi.structs.pollfd;
    const { POLLIN, POLLOUT } = sys.abi.constants;
    const pollfd = new Uint8Array(size);
    const view = new DataView(pollfd.buffer);
    view.setInt32(fields.fd.offset, this.fd, true);
    const events = (this.#interest & 1 ? POLLIN : 0) | (this.#interest & 2 ? POLLOUT : 0);
    view.setInt16(fields.events.offset, events, true);
    if (this.inFlight.size > 0 || sys.poll(pollfd, 1, 0) <= 0) return;
    const found = view.getInt16(fields.revents.offset, true);
    const other = (found & ~(POLLIN | POLLOUT)) !== 0;
    const read = (found & POLLIN) !== 0 || other ? 1 : 0;
    const write = (found & POLLOUT) !== 0 || other ? 2 : 0;
    this.over('watch', read | write);
  }

  completed({ result }: Completion): void {
    const ready = (result & this.#interest) as Interest;
    if (ready !== 0) this.#sink.ready(ready, 0);
  }

  closed(): void {
    // The descriptor stays its owner's.
  }
}
