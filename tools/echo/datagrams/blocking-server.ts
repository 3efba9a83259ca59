import type { Socket } from 'sockloop/socket';
import { formatAddress, type SocketAddress, type Sys, SysError } from 'sockloop/sys';
import { SocketFile } from '#src/socket/socket-file.js';
import { restIfHurried } from '#src/socket/wait.js';
import { isPassing } from '../accept-failure.ts';
import { ACCEPT_PAUSE_MS, STEPS_PER_TURN, WAIT_MS } from '../limits.ts';
import { turnOfNode } from '../node-turn.ts';
import { listeningSocket } from './listening.ts';
import type { DatagramKind, DatagramObserver, DatagramPlan, DatagramServer } from './plan.ts';
import { ReplyGuard } from './reply-guard.ts';
import { type DatagramTotals, newDatagramTotals } from './totals.ts';

/** The longest datagram there is, and a byte to see that one is longer. */
const BYTES_MAX = 262_144;

/**
 * The textbook's echo server of datagrams: recvfrom(2), sendto(2), one after the other. A server of
 * records has one client at a time.
 *
 * Every wait ends after a second or with a signal, and Node's own loop turns in between, so that
 * {@link stop} can be called from a signal handler.
 */
export class BlockingDatagramServer implements DatagramServer {
  readonly totals: DatagramTotals;
  readonly address: SocketAddress;
  readonly #socket: Socket;
  readonly #kind: DatagramKind;
  readonly #guard: ReplyGuard;
  readonly #sys: Sys;
  readonly #observer: DatagramObserver;
  readonly #file: SocketFile | null;
  readonly #buffer = new Uint8Array(BYTES_MAX);
  #stopping = false;

  /** Binds at once. Throws a SysError or ResolveError if that fails. */
  constructor(plan: DatagramPlan, sys: Sys, observer: DatagramObserver) {
    this.#sys = sys;
    this.#kind = plan.kind;
    this.#observer = observer;
    this.#guard = new ReplyGuard(plan.limits);
    this.totals = newDatagramTotals(this.#guard.counts);
    this.#socket = listeningSocket(plan, sys);
    this.#socket.setTimeout(WAIT_MS);
    this.#socket.interruptible = true;
    this.address = this.#socket.getSockName();
    this.#file = SocketFile.of(this.address, sys);
  }

  async run(): Promise<DatagramTotals> {
    for (let step = 0; !this.#stopping; step++) {
      const waited = this.#kind === 'seqpacket' ? await this.#serveClient() : this.#answerOne();
      if (waited || step % STEPS_PER_TURN === 0) await turnOfNode();
    }
    return this.totals;
  }

  /** Returns true if it has waited in vain. */
  #answerOne(): boolean {
    let from: SocketAddress;
    let length: number;
    try {
      [length, from] = this.#socket.recvFrom(this.#buffer);
    } catch (error) {
      const waited = this.#passed(error);
      restIfHurried(this.#sys);
      return waited;
    }
    const { totals } = this;
    totals.received += 1;
    totals.receivedBytes += length;
    this.#observer.received?.(formatAddress(from), length);
    if (from.family === 'UNIX') {
      if (from.path === '') {
        totals.nameless += 1;
        return false;
      }
    } else if (!this.#guard.allows(from.address, from.port, this.#sys.monotonicMs())) {
      return false;
    }
    try {
      throughSignals(this.#sys, () => this.#socket.sendTo(this.#buffer, from, 0, length));
    } catch (error) {
      // A client that has left, or that does not read, is no reason to stop.
      totals.unsent += 1;
      return this.#passed(error);
    }
    totals.sent += 1;
    totals.sentBytes += length;
    return false;
  }

  /** Whether a wait has ended in vain. Throws what ends the server. */
  #passed(error: unknown): boolean {
    if (!(error instanceof SysError) || error.code === 'EBADF') throw error;
    return hasWaited(error);
  }

  async #serveClient(): Promise<boolean> {
    let client: Socket;
    try {
      [client] = this.#socket.accept();
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      if (hasWaited(error)) {
        restIfHurried(this.#sys);
        return true;
      }
      if (isPassing(error)) return false;
      this.#sys.poll(new Uint8Array(0), 0, ACCEPT_PAUSE_MS);
      return true;
    }
    using connection = client;
    connection.setTimeout(WAIT_MS);
    for (let step = 0; !this.#stopping; step++) {
      const outcome = this.#answerRecord(connection);
      if (outcome === 'end') break;
      if (outcome === 'waited' || step % STEPS_PER_TURN === 0) await turnOfNode();
    }
    return false;
  }

  #answerRecord(connection: Socket): 'answered' | 'waited' | 'end' {
    try {
      const length = connection.recv(this.#buffer);
      // An empty record looks the same as the end, on Linux as well: unix(7).
      if (length === 0) return 'end';
      this.totals.received += 1;
      this.totals.receivedBytes += length;
      this.#observer.received?.('a client', length);
      throughSignals(this.#sys, () => connection.send(this.#buffer, 0, length));
      this.totals.sent += 1;
      this.totals.sentBytes += length;
      return 'answered';
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      if (!hasWaited(error)) return 'end';
      restIfHurried(this.#sys);
      return 'waited';
    }
  }

  stop(): void {
    this.#stopping = true;
  }

  removeFile(): SysError | null {
    return this.#file?.remove() ?? null;
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

/** Whether a wait has ended in vain: by its timeout, or by a signal. */
function hasWaited({ code }: SysError): boolean {
  return code === 'ETIMEDOUT' || code === 'EAGAIN' || code === 'EINTR';
}

/** Sends although signals come: an answer is not to be lost by one. */
function throughSignals(sys: Sys, send: () => void): void {
  for (;;) {
    try {
      send();
      return;
    } catch (error) {
      if (!(error instanceof SysError) || error.code !== 'EINTR') throw error;
      restIfHurried(sys);
    }
  }
}
