import type { Duplex } from 'node:stream';
import { ownedCopy } from '../../base/borrowed.ts';
import { type Bytes, bytesOf, sendableLength } from '../../base/bytes.ts';
import { checking } from '../../base/invariants.ts';
import type { Stream, StreamSink } from '../../loop/backend.ts';
import type { Loop } from '../../loop/loop.ts';
import type { Timer } from '../../loop/timers.ts';
import { forgetsPeers, ownName, peerName } from '../../socket/peer-name.ts';
import type { SocketAddress } from '../../sys/sockaddr.ts';
import { unacknowledgedBytesOf } from '../../sys/socket-queues.ts';
import type { SysError } from '../../sys/sys-error.ts';
import type {
  CloseOptions,
  Connection,
  ConnectionHandlers,
  ToDuplexOptions,
} from './connection.ts';
import { checkConnection, checkExpired, checkQueue } from './connection-checks.ts';
import { ConnectionDuplex, DuplexHandlers } from './connection-duplex.ts';
import { brokenBy, requireRoom, writeAfterEnd } from './connection-errors.ts';
import { type ConnectionGroup, checkedTimeout } from './connection-group.ts';
import { SocketFacts } from './socket-facts.ts';

/** A connection, and the sink of its stream: an idle connection is these two objects. */
export class StreamConnection<Data> extends SocketFacts implements Connection<Data>, StreamSink {
  // Undefined until the program sets it; the type is that of the value to come.
  data: Data = undefined as Data;
  /** Its place in the list of its listener. */
  place = -1;
  #group: ConnectionGroup<Data>;
  readonly #stream: Stream;
  #received = 0;
  #written = 0;
  /** This side has ended. */
  #ending = false;
  /** The program has ended it. */
  #ended = false;
  #peerEnded = false;
  /** `write` has returned false since the queue was empty. */
  #drainOwed = false;
  #closing = false;
  #closed = false;
  /** A lingering close is under way. */
  #lingering = false;
  /** The unacknowledged bytes when the connection was given up. */
  #unacknowledged: number | null = null;
  #error: SysError | null = null;
  #idleMs = 0;
  #idleTimer: Timer | null = null;
  /** The loop's time of the last activity. */
  #activeMs = 0;
  /** The queued bytes at the last look of the idle timer. */
  #queuedThen = 0;
  #remote: SocketAddress | null;
  #local: SocketAddress | null = null;

  /** Takes ownership of the connected, non-blocking `fd`. Call it in a turn of the loop. */
  constructor(group: ConnectionGroup<Data>, fd: number, remote: SocketAddress | null) {
    super();
    this.#group = group;
    this.#remote = remote;
    if (remote === null && group.tcp && forgetsPeers(group.loop.sys, fd)) {
      this.#remote = peerName(group.loop.sys, fd);
    }
    this.#stream = group.loop.backend.open(fd, this, group.tcp, group.inherited);
    if (group.idleTimeoutMs !== null) this.setTimeout(group.idleTimeoutMs);
  }

  get loop(): Loop {
    return this.#group.loop;
  }

  protected get isTcp(): boolean {
    return this.#group.tcp;
  }

  protected broken(errno: number): void {
    this.#stream.fail(errno);
  }

  get fd(): number {
    return this.#isOver ? -1 : this.#stream.fd;
  }

  get bytesReceived(): number {
    return this.#received;
  }

  get bytesSent(): number {
    return this.#written - this.#stream.unsentBytes;
  }

  get queuedBytes(): number {
    if (this.#closing) return 0;
    const queued = this.#stream.queuedBytes;
    // A ring may have taken less than `write` assumed; a caller that sees it waits for `drain`.
    if (queued > this.#group.queueBytesHigh) this.#drainOwed = true;
    return queued;
  }

  /** As {@link queuedBytes}, without a call: sends of this turn may count although taken. */
  protected get queuedAtMost(): number {
    return this.#closing ? 0 : this.#stream.queuedBytesAtMost;
  }

  get unacknowledgedBytes(): number | null {
    if (this.#closing) return this.#unacknowledged;
    if (!this.#group.tcp) return null;
    const finSent = this.#ending && this.#stream.queuedBytes === 0;
    return unacknowledgedBytesOf(this.#group.loop.sys, this.#stream.fd, finSent);
  }

  get isOpen(): boolean {
    return !this.#closing && !this.#lingering && !this.#group.loop.closed;
  }

  /** True once the descriptor is closed and its number may be reused. */
  get #isOver(): boolean {
    return this.#closed || this.#group.loop.closed;
  }

  get remoteAddress(): SocketAddress | null {
    if (this.#remote === null && !this.#isOver) {
      this.#remote = peerName(this.#group.loop.sys, this.#stream.fd);
    }
    return this.#remote;
  }

  get localAddress(): SocketAddress | null {
    if (this.#local === null && !this.#isOver) {
      this.#local = ownName(this.#group.loop.sys, this.#stream.fd);
    }
    return this.#local;
  }

  write(data: Bytes, offset = 0, byteLength?: number): boolean {
    const bytes = data instanceof Uint8Array ? data : bytesOf(data);
    const length = sendableLength(bytes, offset, byteLength, 'write');
    if (this.#ended) throw writeAfterEnd();
    if (this.#ending || this.#closing || this.#group.loop.closed) return false;
    const { queueBytesHigh, queueBytesMax } = this.#group;
    const stream = this.#stream;
    const mostBytes = stream.queuedBytesAtMost + length;
    if (mostBytes > queueBytesMax) requireRoom(stream.queuedBytes + length, queueBytesMax);
    const queued = length === 0 ? stream.queuedBytes : stream.send(bytes, offset, length);
    this.#written += length;
    if (checking) checkQueue(stream, length, queueBytesMax);
    if (this.#idleMs > 0) this.#activeMs = this.#group.loop.nowMs;
    if (queued <= queueBytesHigh) return true;
    this.#drainOwed = true;
    return false;
  }

  end(data?: Bytes): void {
    if (this.#ended) return;
    if (data !== undefined) this.write(data);
    this.#ended = true;
    this.#finish();
  }

  #finish(): void {
    if (this.#ending || this.#closing) return;
    this.#ending = true;
    // If both sides are done, the close(2) that follows sends the FIN and saves a shutdown(2).
    const over = this.#peerEnded && this.#stream.queuedBytes === 0;
    if (!over) this.#stream.finish();
    this.#closeIfOver();
  }

  /** Closes once both sides have ended and the queue is empty. */
  #closeIfOver(): void {
    if (!this.#peerEnded || !this.#ending || this.queuedBytes > 0 || this.#closing) return;
    // A send that has just failed is reported first.
    if (this.#stream.broken) this.#group.loop.defer(() => this.#closeNow());
    else this.#closeNow();
  }

  pause(): void {
    if (this.#lingering) return;
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  reset(): void {
    if (this.#closing) return;
    this.#unacknowledged = this.unacknowledgedBytes;
    this.#leave();
    this.#stream.reset();
  }

  close(options?: CloseOptions): void {
    const lingerMs = options?.lingerMs ?? 0;
    if (lingerMs === 0) {
      this.#closeNow();
      return;
    }
    checkedTimeout(lingerMs, 'the time of a lingering close');
    if (!this.#closing && !this.#lingering) this.#linger(lingerMs);
  }

  #closeNow(): void {
    if (this.#closing) return;
    if (this.#lingering) this.#unacknowledged = this.unacknowledgedBytes;
    this.#leave();
    this.#stream.close();
  }

  /** Closes it with `error`. False if it is closing already. */
  abandon(error: SysError): boolean {
    if (this.#closing) return false;
    this.#error = error;
    this.#unacknowledged = this.unacknowledgedBytes;
    // A plain end would look like the end of a complete answer.
    if (this.#stream.queuedBytes > 0) this.reset();
    else this.#closeNow();
    return true;
  }

  #linger(lingerMs: number): void {
    const { loop } = this.#group;
    this.#lingering = true;
    this.#idleTimer?.cancel();
    this.#idleTimer = null;
    if (this.#ending) this.#closeIfOver();
    else this.#finish();
    if (this.#closing) return;
    // The peer's end comes behind what it has sent.
    this.#stream.resume();
    this.#idleTimer = loop.setTimer(lingerMs, () => {
      // Timers run before deliveries: the end may be waiting in the socket.
      loop.defer(() => this.#lingered(lingerMs));
    });
  }

  /** The lingering close has timed out. */
  #lingered(lingerMs: number): void {
    if (this.#closing || this.#stream.broken) return;
    const { queuedBytes } = this.#stream;
    const left = queuedBytes + (this.unacknowledgedBytes ?? 0);
    const reason = `the peer did not take the last ${left} bytes within ${lingerMs} ms`;
    if (left === 0) this.#closeNow();
    else this.abandon(this.#brokenBy(this.#group.loop.sys.abi.errno.ETIMEDOUT, reason));
  }

  /** Stops all handlers but `close`. */
  #leave(): void {
    this.#closing = true;
    this.#idleTimer?.cancel();
    this.#idleTimer = null;
  }

  setTimeout(idleMs: number | null): void {
    checkedTimeout(idleMs, 'an idle timeout');
    if (this.#lingering) return;
    this.#idleTimer?.cancel();
    this.#idleTimer = null;
    this.#idleMs = idleMs ?? 0;
    if (idleMs === null || !this.isOpen) return;
    this.#queuedThen = this.#stream.queuedBytesAtMost;
    this.#idleTimer = this.#group.loop.setTimer(idleMs, () => this.#checkIdle());
    this.#activeMs = this.#group.loop.nowMs;
  }

  /** The timer is set again only here: activity in between only stores a time stamp. */
  #checkIdle(): void {
    const { loop } = this.#group;
    const timer = this.#idleTimer;
    if (checking) checkExpired(timer);
    if (timer === null || this.#rearmed()) return;
    // Timers run before deliveries: after a long turn, bytes that arrived in time may still be in
    // the socket.
    loop.defer(() => {
      if (this.#idleTimer !== timer || this.#rearmed()) return;
      const { ETIMEDOUT } = loop.sys.abi.errno;
      const reason = `nothing moved within ${this.#idleMs} ms`;
      if (this.abandon(this.#brokenBy(ETIMEDOUT, reason))) this.#group.onIdle?.();
    });
  }

  /** True if time is left; the timer is then set again for it. */
  #rearmed(): boolean {
    const { loop } = this.#group;
    const queued = this.#stream.queuedBytesAtMost;
    if (queued !== this.#queuedThen) this.#activeMs = loop.nowMs;
    this.#queuedThen = queued;
    const leftMs = this.#activeMs + this.#idleMs - loop.nowMs;
    if (leftMs <= 0) return false;
    this.#idleTimer = loop.setTimer(leftMs, () => this.#checkIdle());
    return true;
  }

  toDuplex(options: ToDuplexOptions = {}): Duplex {
    this.#requireOwn('make a stream of the connection', this.#ended);
    const sides = { readable: !this.#peerEnded, writable: !this.#ending };
    const duplex = new ConnectionDuplex(this.#group.loop, this, options, sides);
    this.enter(this.#group.forOther(new DuplexHandlers(duplex), 'owned'));
    return duplex;
  }

  /** Has TLS get what the handlers got: `startTls`. Throws where that cannot be. */
  handOver(handlers: ConnectionHandlers<Data>): ConnectionGroup<Data> {
    const group = this.#group;
    this.#requireOwn('start TLS on the connection', this.#ending || this.#peerEnded);
    this.#group = group.forOther(handlers, 'borrowed');
    return group;
  }

  #requireOwn(attempt: string, isOver: boolean): void {
    const { isOther } = this.#group;
    if (!isOther && !isOver && this.isOpen) return;
    throw new Error(`cannot ${attempt}: ${isOther ? 'a stream or TLS has it' : 'it is over'}`);
  }

  /** Its handlers and settings are those of `group` from now on. */
  enter(group: ConnectionGroup<Data>): void {
    this.#group = group;
  }

  /** The connection is established, and everything about it is in place. */
  opened(): void {
    this.#call('open');
  }

  #call(handler: 'open' | 'drain' | 'end'): void {
    const group = this.#group;
    try {
      group.returned(group.handlers[handler]?.(this), this);
    } catch (error) {
      group.failed(error, this);
    }
  }

  // The sink, called by the backend.

  get copies(): boolean {
    return this.#group.copies;
  }

  received(chunk: Uint8Array): void {
    if (this.#lingering) return;
    const group = this.#group;
    if (this.#idleMs > 0) this.#activeMs = group.loop.nowMs;
    this.#received += chunk.length;
    try {
      // Without a handler nothing is copied.
      const { handlers, copies } = group;
      group.returned(handlers.data?.(this, copies ? ownedCopy(chunk) : chunk), this);
    } catch (error) {
      group.failed(error, this);
    }
  }

  ended(): void {
    const { handlers } = this.#group;
    this.#peerEnded = true;
    if (!this.#lingering) {
      if (handlers.end === undefined) this.#finish();
      else this.#call('end');
    }
    if (this.#ending) this.#closeIfOver();
  }

  drained(): void {
    if (this.#idleMs > 0) this.#activeMs = this.#group.loop.nowMs;
    if (this.#drainOwed && !this.#lingering) {
      this.#drainOwed = false;
      this.#call('drain');
    }
    this.#closeIfOver();
  }

  check(): void {
    const isTimed = !this.#closing && (this.#idleMs > 0 || this.#lingering);
    checkConnection(this.#stream, this.#written, isTimed, this.#idleTimer);
  }

  failed(errno: number): void {
    this.#error = this.#brokenBy(errno);
    this.#unacknowledged = this.unacknowledgedBytes;
    this.#leave();
  }

  closed(): void {
    this.#closed = true;
    if (checking) this.check();
    this.#group.closed(this, this.#error);
    try {
      this.#group.returned(this.#group.handlers.close?.(this, this.#error), this);
    } catch (error) {
      this.#group.failed(error, this);
    }
  }

  #brokenBy(errno: number, reason?: string): SysError {
    return brokenBy(this.#group.loop.sys, errno, this.remoteAddress, reason);
  }
}
