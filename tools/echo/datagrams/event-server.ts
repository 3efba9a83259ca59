import type { DatagramBatch, DatagramSocket, EventLoop } from 'sockloop';
import { decodeSockaddr, type SocketAddress, type SysError } from 'sockloop/sys';
import { SocketFile } from '#src/socket/socket-file.js';
import type { DatagramObserver, DatagramPlan, DatagramServer } from './plan.ts';
import { ReplyGuard } from './reply-guard.ts';
import { type DatagramTotals, newDatagramTotals } from './totals.ts';

/** What waits while others have the core: the kernel takes as much of it as it allows. */
const QUEUE_BYTES = 4 * 1024 * 1024;

/** An echo server of datagrams on an event loop. The loop is its caller's. */
export class EventDatagramServer implements DatagramServer {
  readonly totals: DatagramTotals;
  readonly address: SocketAddress;
  readonly #loop: EventLoop;
  readonly #guard: ReplyGuard;
  readonly #received: DatagramObserver['received'];
  readonly #socket: DatagramSocket;
  readonly #file: SocketFile | null;
  #failure: Error | null = null;
  /** Answers that found the queue full. */
  #refused = 0;

  /** Receives at once. Throws a SysError or ResolveError if that fails. */
  constructor(loop: EventLoop, { endpoint, limits }: DatagramPlan, observer: DatagramObserver) {
    this.#loop = loop;
    this.#received = observer.received?.bind(observer);
    this.#guard = new ReplyGuard(limits);
    this.totals = newDatagramTotals(this.#guard.counts);
    this.#socket = loop.datagram({
      ...endpoint,
      chunks: 'borrowed',
      receiveBufferBytes: QUEUE_BYTES,
      sendBufferBytes: QUEUE_BYTES,
      handlers: {
        datagrams: (socket, batch) => this.#answer(socket, batch),
        close: (_, error) => {
          this.#failure = error;
        },
      },
    });
    const { sockaddr } = this.#socket.address;
    this.address = decodeSockaddr(loop.sys.abi, sockaddr, sockaddr.length);
    this.#file = SocketFile.of(this.address, loop.sys);
  }

  #answer(socket: DatagramSocket, batch: DatagramBatch): void {
    const { nowMs } = this.#loop;
    const { totals } = this;
    totals.received += batch.length;
    for (let index = 0; index < batch.length; index++) {
      const from = batch.from(index);
      const bytes = batch.bytes(index);
      totals.receivedBytes += bytes.length;
      this.#received?.(String(from), bytes.length);
      if (from.family === 'UNIX') {
        if (from.path === '') {
          totals.nameless += 1;
          continue;
        }
      } else if (!this.#guard.allows(from.host, from.port, nowMs)) {
        continue;
      }
      if (!socket.send(bytes, { to: from })) this.#refused += 1;
    }
  }

  async run(): Promise<DatagramTotals> {
    await this.#loop.run();
    this.#count();
    if (this.#failure !== null) throw this.#failure;
    return this.totals;
  }

  /** Answers that wait go out first. */
  stop(): void {
    this.#count();
    this.#socket.close();
  }

  #count(): void {
    const { sent, sentBytes, droppedByKernel, sendErrors } = this.#socket.stats();
    const { totals } = this;
    totals.sent = sent;
    totals.sentBytes = sentBytes;
    totals.droppedByKernel = droppedByKernel;
    const failed = Object.values(sendErrors).reduce((sum, count) => sum + count, 0);
    totals.unsent = this.#refused + failed;
  }

  removeFile(): SysError | null {
    return this.#file?.remove() ?? null;
  }

  [Symbol.dispose](): void {
    this.#loop.close();
  }
}
