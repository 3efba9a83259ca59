import { type DatagramSocket, type EventLoop, Interest } from 'sockloop';
import type { Socket } from 'sockloop/socket';
import { type SocketAddress, SysError } from 'sockloop/sys';
import { SocketFile } from '#src/socket/socket-file.js';
import { acceptErrorKind } from '#src/sys/error-kinds.js';
import { ACCEPT_PAUSE_MS } from '../limits.ts';
import { listeningSocket } from './listening.ts';
import type { DatagramObserver, DatagramPlan, DatagramServer } from './plan.ts';
import { type DatagramTotals, newDatagramTotals } from './totals.ts';

/** Connections that are accepted in one turn. */
const ACCEPTS_PER_TURN = 32;

/**
 * An echo server of records (SOCK_SEQPACKET of UNIX sockets) on an event loop: each comes back
 * whole, over the connection that it came by. The loop is the server's from now on.
 */
export class RecordServer implements DatagramServer {
  readonly totals: DatagramTotals = newDatagramTotals({ port: 0, rate: 0, rateInAll: 0 });
  readonly address: SocketAddress;
  readonly #loop: EventLoop;
  readonly #received: DatagramObserver['received'];
  readonly #listener: Socket;
  readonly #file: SocketFile | null;
  readonly #connections = new Set<DatagramSocket>();
  #watch: { unwatch(): void } | null = null;
  #failure: Error | null = null;
  #stopping = false;

  /** Listens at once. Throws a SysError if that fails. */
  constructor(loop: EventLoop, plan: DatagramPlan, observer: DatagramObserver) {
    this.#loop = loop;
    this.#received = observer.received?.bind(observer);
    this.#listener = listeningSocket(plan, loop.sys);
    this.#listener.setBlocking(false);
    this.address = this.#listener.getSockName();
    this.#file = SocketFile.of(this.address, loop.sys);
    this.#accept();
  }

  #accept(): void {
    if (this.#stopping) return;
    this.#watch = this.#loop.watch(this.#listener.fileno(), Interest.read, () => {
      try {
        for (let count = 0; count < ACCEPTS_PER_TURN; count++)
          this.#serve(this.#listener.accept()[0]);
      } catch (error) {
        this.#acceptFailed(error);
      }
    });
  }

  #acceptFailed(error: unknown): void {
    if (!(error instanceof SysError)) throw error;
    if (error.code === 'EAGAIN') return;
    const kind = acceptErrorKind(error.code);
    if (kind === 'passing') return;
    this.#watch?.unwatch();
    this.#watch = null;
    if (kind === 'final') {
      this.#failure = error;
      this.stop();
    } else {
      // Out of descriptors: they become free as clients leave.
      this.#loop.setTimer(ACCEPT_PAUSE_MS, () => this.#accept());
    }
  }

  #serve(connection: Socket): void {
    // Answers that were refused: a client that does not read is not read from.
    let waiting: Uint8Array[] = [];
    const socket = this.#loop.datagram({
      fd: connection.detach(),
      chunks: 'borrowed',
      handlers: {
        datagrams: (own, batch) => {
          this.totals.received += batch.length;
          for (let index = 0; index < batch.length; index++) {
            const bytes = batch.bytes(index);
            this.totals.receivedBytes += bytes.length;
            this.#received?.('a client', bytes.length);
            if (waiting.length > 0 || !own.send(bytes)) waiting.push(bytes.slice());
          }
          if (waiting.length > 0) own.pause();
        },
        drain: (own) => {
          waiting = waiting.slice(own.sendMany(waiting));
          if (waiting.length === 0) own.resume();
        },
        end: (own) => own.close(),
        close: (own) => {
          this.#count(own);
          this.totals.unsent += waiting.length;
          this.#connections.delete(own);
        },
      },
    });
    this.#connections.add(socket);
  }

  #count(socket: DatagramSocket): void {
    const { sent, sentBytes } = socket.stats();
    this.totals.sent += sent;
    this.totals.sentBytes += sentBytes;
  }

  async run(): Promise<DatagramTotals> {
    await this.#loop.run();
    if (this.#failure !== null) throw this.#failure;
    return this.totals;
  }

  stop(): void {
    this.#stopping = true;
    this.#watch?.unwatch();
    for (const connection of this.#connections) connection.close();
  }

  removeFile(): SysError | null {
    return this.#file?.remove() ?? null;
  }

  [Symbol.dispose](): void {
    this.#loop.close();
    this.#listener.close();
  }
}
