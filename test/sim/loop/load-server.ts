import { Peer } from '#sim/peers.js';
import type { SimSys } from '#sim/sim-sys.js';
import { NEWLINE } from '#src/base/bytes.js';
import { Random } from '#src/base/random.js';
import type { SocketAddress } from '#src/sys/sockaddr.js';
import type { EchoMode } from '#tools/echo/session.js';

/**
 * What a server does with a connection, behind some bytes that it has answered: answers `late`,
 * with `wrong` bytes, with `more` than it was sent; ends `short`, `resets`, `closes`; falls
 * `silent`; in mode once it `lingers` instead of closing.
 */
const misdeeds = [
  'late',
  'wrong',
  'more',
  'short',
  'resets',
  'closes',
  'silent',
  'lingers',
] as const;
export type Misdeed = (typeof misdeeds)[number];

export interface LoadServerOptions {
  readonly address: SocketAddress;
  readonly mode: EchoMode;
  readonly messageBytes: number;
  /** A late answer comes up to so much later. */
  readonly lateMsMax: number;
  /** Whether it may do that. */
  readonly has: (part: string) => boolean;
}

const NOTHING = new Uint8Array(0);
const BACKLOG_MAX = 128;
/** The server is away, or busy, for so long. */
const ABSENCE_MS_MAX = 300;

/** An echo server outside of the process, which misbehaves by seed. */
export class LoadServer {
  /** The bytes of all connections. */
  received = 0;
  sent = 0;
  readonly EAGAIN: number;
  accepted = 0;
  /** What it has done, with the number of times. */
  readonly did = new Map<Misdeed | 'absent' | 'busy' | 'full', number>();
  readonly #sys: SimSys;
  readonly #options: LoadServerOptions;
  readonly #random: Random;
  readonly #allowed: readonly Misdeed[];
  readonly #chance: number;
  #listener: Peer;
  #listeners = 0;
  #busyUntilMs = 0;

  constructor(sys: SimSys, options: LoadServerOptions) {
    this.EAGAIN = sys.abi.errno.EAGAIN;
    this.#sys = sys;
    this.#options = options;
    const random = new Random(sys.kernel.seed, 'load server');
    this.#random = random;
    const drawn = misdeeds.filter(() => random.chance(0.4));
    this.#chance = random.chance(0.4) ? 0 : random.fraction();
    const some = this.#chance > 0 ? drawn : [];
    this.#allowed = some.filter((one) => options.has(one));
    const backlog = random.chance(0.15) ? random.between(0, 2) : BACKLOG_MAX;
    if (backlog < BACKLOG_MAX) this.note('full');
    this.#listener = this.#listen(backlog);
    if (random.chance(0.15)) this.#leaveFor(random, backlog);
    if (random.chance(0.15)) this.#beBusy(random);
  }

  note(what: Misdeed | 'absent' | 'busy' | 'full'): void {
    this.did.set(what, (this.did.get(what) ?? 0) + 1);
  }

  #listen(backlog: number): Peer {
    this.#listeners += 1;
    const peer = new Peer(this.#sys, `load server ${this.#listeners}`, () => this.#accept());
    peer.listen(this.#options.address, backlog);
    return peer;
  }

  #leaveFor(random: Random, backlog: number): void {
    const fromMs = random.below(ABSENCE_MS_MAX);
    const forMs = random.between(1, ABSENCE_MS_MAX);
    if (!this.#options.has('absence')) return;
    const { kernel } = this.#sys;
    kernel.after(fromMs, () => {
      this.note('absent');
      this.#listener.close();
    });
    kernel.after(fromMs + forMs, () => {
      this.#listener = this.#listen(backlog);
    });
  }

  #beBusy(random: Random): void {
    const fromMs = random.below(ABSENCE_MS_MAX);
    const forMs = random.between(1, 2 * ABSENCE_MS_MAX);
    if (!this.#options.has('busy')) return;
    const { kernel } = this.#sys;
    this.#busyUntilMs = kernel.clock.nowMs + fromMs + forMs;
    kernel.after(fromMs, () => this.note('busy'));
    kernel.after(fromMs + forMs, () => this.#accept());
  }

  #accept(): void {
    if (this.#sys.kernel.clock.nowMs < this.#busyUntilMs && this.did.has('busy')) return;
    for (;;) {
      const visit: Visit = new Visit(this, this.#options, this.accepted + 1, this.#misdeed());
      const peer = new Peer(this.#sys, `visit ${this.accepted + 1}`, () => visit.serve(peer));
      if (this.#listener.accept(peer) < 0) return;
      this.accepted += 1;
    }
  }

  /** What the next connection meets. */
  #misdeed(): Misdeed | null {
    if (this.#chance === 0 || !this.#random.chance(this.#chance)) return null;
    return this.#allowed[this.#random.below(this.#allowed.length)] ?? null;
  }

  /** So many bytes are answered before that. */
  trigger(): number {
    return this.#random.below(this.#options.messageBytes * (this.#random.chance(0.5) ? 2 : 12));
  }
}

/** One connection of the server. */
class Visit {
  readonly #server: LoadServer;
  readonly #options: LoadServerOptions;
  readonly #misdeed: Misdeed | null;
  /** So many bytes are answered before its misdeed; Infinity without one. */
  #trigger: number;
  readonly #buffer: Uint8Array;
  /** Bytes received and not yet sent back. */
  #pending: Uint8Array = NOTHING;
  #answered = 0;
  #ended = false;
  #done = false;
  #silent = false;
  #napUntilMs = 0;

  constructor(
    server: LoadServer,
    options: LoadServerOptions,
    number: number,
    misdeed: Misdeed | null,
  ) {
    this.#server = server;
    this.#options = options;
    this.#misdeed = misdeed;
    this.#trigger = misdeed === null ? Number.POSITIVE_INFINITY : server.trigger();
    this.#buffer = new Uint8Array(64 + ((number * 577) % 2000));
  }

  serve(peer: Peer): void {
    this.#receive(peer);
    if (this.#silent && this.#ended) peer.close();
    while (!peer.closed && !this.#silent && peer.nowMs >= this.#napUntilMs) {
      const ready = this.#done ? 0 : this.#ready();
      if (ready === 0) {
        if (this.#ended || (this.#done && !this.#lingers)) peer.close();
        return;
      }
      if (this.#answered >= this.#trigger) {
        this.#misbehave(peer);
        continue;
      }
      if (!this.#answer(peer, Math.min(ready, this.#trigger - this.#answered))) return;
    }
  }

  get #lingers(): boolean {
    return this.#misdeed === 'lingers';
  }

  #receive(peer: Peer): void {
    while (!peer.closed && !this.#ended) {
      const count = peer.receive(this.#buffer);
      if (count === -this.#server.EAGAIN) return;
      if (count < 0) peer.close();
      else if (count === 0) this.#ended = true;
      else this.#take(count);
    }
  }

  #take(count: number): void {
    this.#server.received += count;
    const joined = new Uint8Array(this.#pending.length + count);
    joined.set(this.#pending);
    joined.set(this.#buffer.subarray(0, count), this.#pending.length);
    this.#pending = joined;
  }

  /** How many of the pending bytes may be answered. */
  #ready(): number {
    const { mode } = this.#options;
    if (mode === 'echo') return this.#pending.length;
    const end =
      mode === 'line' ? this.#pending.lastIndexOf(NEWLINE) : this.#pending.indexOf(NEWLINE);
    return end + 1;
  }

  /** Does what it does instead of an answer. */
  #misbehave(peer: Peer): void {
    const misdeed = this.#misdeed;
    const again = misdeed === 'late' && peer.random.chance(0.5);
    this.#trigger = again ? this.#answered + this.#server.trigger() : Number.POSITIVE_INFINITY;
    if (misdeed === null || misdeed === 'lingers') return;
    this.#server.note(misdeed);
    if (misdeed === 'late') this.#nap(peer);
    else if (misdeed === 'wrong') this.#change(peer.random.below(this.#pending.length));
    else if (misdeed === 'more') this.#sendExtra(peer);
    else if (misdeed === 'resets') peer.reset();
    else if (misdeed === 'closes') peer.close();
    else this.#silent = true;
    if (misdeed === 'short') peer.end();
  }

  #nap(peer: Peer): void {
    const napMs = peer.random.fraction() * this.#options.lateMsMax;
    this.#napUntilMs = peer.nowMs + napMs;
    peer.sleep(napMs + 0.001);
  }

  #change(at: number): void {
    this.#pending[at] = (this.#pending[at] ?? 0) ^ 1;
  }

  #sendExtra(peer: Peer): void {
    const extra = peer.random.between(1, 2 * this.#options.messageBytes);
    this.#send(peer, this.#pending.slice(0, extra));
  }

  /** Sends the next bytes back. False if it has to wait for room. */
  #answer(peer: Peer, count: number): boolean {
    const sent = this.#send(peer, this.#pending.subarray(0, count));
    if (sent === -this.#server.EAGAIN) return false;
    if (sent < 0) {
      peer.close();
      return false;
    }
    const once = this.#options.mode === 'once';
    this.#done ||= once && this.#pending[sent - 1] === NEWLINE;
    if (this.#done && this.#lingers) this.#server.note('lingers');
    this.#pending = this.#pending.subarray(sent);
    this.#answered += sent;
    return true;
  }

  #send(peer: Peer, bytes: Uint8Array): number {
    const sent = peer.send(bytes);
    if (sent > 0) this.#server.sent += sent;
    return sent;
  }
}
