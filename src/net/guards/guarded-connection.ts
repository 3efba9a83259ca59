import type { ProxyHeader } from '../../framing/proxy-header.ts';
import type { Timer } from '../../loop/timers.ts';
import type { SocketAddress } from '../../sys/sockaddr.ts';
import type { ConnectionGroup } from '../stream/connection-group.ts';
import { StreamConnection } from '../stream/stream-connection.ts';
import type { AddressKey } from './address-table.ts';
import type { Backlog, Backlogged } from './backlog.ts';
import type { GuardPlan } from './guards.ts';
import { type RefusalKind, refusalError } from './refusals.ts';

/** What the connections of a guarded listener share. */
export interface ConnectionGuard {
  readonly plan: GuardPlan;
  readonly backlog: Backlog;
  /** Counts a connection that is given up. */
  count(kind: RefusalKind): void;
  /** The connection that counted for `key` is closed. */
  forget(key: AddressKey): void;
}

/**
 * A connection of a listener with guards. A message costs what it costs without them: deadlines are
 * timers that look at its counters, and it hears of its queue only while that is not empty.
 */
export class GuardedConnection<Data> extends StreamConnection<Data> implements Backlogged {
  backlogIndex = -1;
  countedBytes = 0;
  progressMs = 0;
  readonly serial: number;
  readonly #guard: ConnectionGuard;
  readonly #group: ConnectionGroup<Data>;
  /** What it counts for in the table of addresses. */
  #key: AddressKey | null;
  #proxy: ProxyHeader | null = null;
  /** Bytes that were received before the program's own. */
  #headerBytes = 0;
  /** What came behind the header while the program had paused the connection. */
  #rest: Uint8Array | null = null;
  #firstByte: Timer | null = null;
  #lifetime: Timer | null = null;
  #look: Timer | null = null;
  #sentThen = 0;
  #isHeld = false;
  #isPaused = false;

  /** Takes ownership of `fd`. `key` is counted already. */
  constructor(
    group: ConnectionGroup<Data>,
    fd: number,
    remote: SocketAddress | null,
    guard: ConnectionGuard,
    serial: number,
    key: AddressKey | null,
  ) {
    super(group, fd, remote);
    this.#group = group;
    this.#guard = guard;
    this.serial = serial;
    this.#key = key;
  }

  override get proxy(): ProxyHeader | null {
    return this.#proxy;
  }

  override get remoteAddress(): SocketAddress | null {
    return this.#proxy?.source ?? super.remoteAddress;
  }

  override get localAddress(): SocketAddress | null {
    return this.#proxy?.destination ?? super.localAddress;
  }

  override get bytesReceived(): number {
    return super.bytesReceived - this.#headerBytes;
  }

  /** Its header has come, or there is none: what was received so far is not the program's. */
  identify(header: ProxyHeader | null, key: AddressKey | null): void {
    this.#proxy = header;
    this.#key = key;
    this.#headerBytes = super.bytesReceived;
  }

  override opened(): void {
    const { firstByteMs, lifetimeMs } = this.#guard.plan;
    if (firstByteMs !== null) {
      this.#firstByte = this.#after(firstByteMs, () => {
        if (!this.isOpen || this.bytesReceived > 0 || this.#rest !== null) return;
        this.#giveUp('firstByte', `nothing came within ${firstByteMs} ms`);
      });
    }
    if (lifetimeMs !== null) {
      this.#lifetime = this.#after(lifetimeMs, () => {
        if (this.isOpen) this.#giveUp('lifetime', `it was open for ${lifetimeMs} ms`);
      });
    }
    super.opened();
  }

  /** Timers run before deliveries: what has come in time may still be in the socket. */
  #after(delayMs: number, act: () => void): Timer {
    const { loop } = this.#group;
    return loop.setTimer(delayMs, () => loop.defer(act));
  }

  #giveUp(kind: RefusalKind, reason: string): void {
    const { sys } = this.#group.loop;
    const error = refusalError(sys, kind, this.remoteAddress, true, reason);
    if (this.abandon(error)) this.#guard.count(kind);
  }

  /** Delivers what has come behind its header, once the program reads. */
  deliverRest(bytes: Uint8Array): void {
    if (bytes.length === 0 || !this.isOpen) return;
    if (this.#isPaused) this.#rest = bytes.slice();
    else this.received(bytes);
  }

  override pause(): void {
    this.#isPaused = true;
    super.pause();
  }

  override resume(): void {
    this.#isPaused = false;
    if (this.#rest !== null) this.#group.loop.defer(() => this.#deliverKept());
    else if (!this.#isHeld) super.resume();
  }

  #deliverKept(): void {
    const rest = this.#rest;
    if (rest === null || this.#isPaused || !this.isOpen) return;
    this.#rest = null;
    this.received(rest);
    if (!this.#isPaused && !this.#isHeld) super.resume();
  }

  hold(): void {
    if (this.#isHeld) return;
    this.#isHeld = true;
    super.pause();
  }

  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    if (!this.#isPaused) super.resume();
  }

  // The sink, called by the backend.

  queued(bytes: number): void {
    this.#guard.backlog.grew(this, bytes);
  }

  override drained(): void {
    this.#leaveBacklog();
    this.release();
    super.drained();
  }

  override closed(): void {
    this.#leaveBacklog();
    this.#firstByte?.cancel();
    this.#lifetime?.cancel();
    if (this.#key !== null) this.#guard.forget(this.#key);
    super.closed();
  }

  #leaveBacklog(): void {
    this.#guard.backlog.left(this);
    this.#look?.cancel();
    this.#look = null;
  }

  // Its queue, for the backlog.

  get queuedNow(): number {
    return this.queuedAtMost;
  }

  queueBegan(): void {
    if (!this.isOpen) return;
    this.#sentThen = this.bytesSent;
    this.progressMs = this.#group.loop.nowMs;
    const { lookMs } = this.#guard.plan;
    if (lookMs !== null) this.#lookIn(lookMs, lookMs);
  }

  look(): void {
    const sent = this.bytesSent;
    if (sent === this.#sentThen) return;
    this.#sentThen = sent;
    this.progressMs = this.#group.loop.nowMs;
  }

  #lookIn(delayMs: number, lookMs: number): void {
    this.#look?.cancel();
    this.#look = this.#after(delayMs, () => this.#lookAgain(lookMs));
  }

  #lookAgain(lookMs: number): void {
    if (this.backlogIndex < 0 || !this.isOpen) return;
    this.look();
    const { writeStallMs: stallMs } = this.#guard.plan;
    if (stallMs === null) {
      this.#lookIn(lookMs, lookMs);
      return;
    }
    const leftMs = this.progressMs + stallMs - this.#group.loop.nowMs;
    if (leftMs > 0) this.#lookIn(Math.min(leftMs, lookMs), lookMs);
    else this.#giveUp('writeStall', `the peer took nothing of its queue within ${stallMs} ms`);
  }

  shed(): void {
    this.#giveUp('queuedBytes', 'too many bytes are queued for all connections');
  }
}
