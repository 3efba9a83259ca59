import { lentPart, ownedCopy } from '../../base/borrowed.ts';
import type { ReceivedDatagrams } from '../../loop/datagram/received.ts';
import type { Abi } from '../../sys/abi/abi.ts';
import { AddressTable } from './address-table.ts';
import type { DatagramAddress } from './datagram-address.ts';
import { DestinationReader } from './destination-reader.ts';

/** What a batch has of the socket that it came on. */
interface BatchSocket {
  readonly abi: Abi;
  /** Whether bytes are copies. */
  readonly copies: boolean;
  /** The sender of what has no sockaddr: the peer of a connected socket, or one without a name. */
  readonly peer: DatagramAddress;
  readonly own: DatagramAddress;
}

/** The batch of a socket, and how it is filled. */
export let fillBatch: (batch: DatagramBatch, received: ReceivedDatagrams | null) => void;

/** Makes the batch of a socket. */
export let newBatch: (socket: BatchSocket) => DatagramBatch;

/**
 * The datagrams of one call of the kernel, passed to the handler `datagrams`, and valid until that
 * returns. A socket has one such object, which it fills again and again.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { EventLoop } from 'sockloop';
 *
 * using loop = new EventLoop();
 * const lines: string[] = [];
 * const log = loop.datagram({
 *   host: '127.0.0.1',
 *   info: ['ttl'],
 *   handlers: {
 *     datagrams: (socket, batch) => {
 *       for (let index = 0; index < batch.length; index++) {
 *         lines.push(`${batch.from(index).host} ${batch.ttl(index)} ${batch.byteLength(index)}`);
 *       }
 *       socket.close();
 *     },
 *   },
 * });
 * using sender = loop.datagram({ connect: log.address, handlers: {} });
 * sender.send('12 bytes, so');
 * loop.setTimer(5, () => sender.close());
 * await loop.run();
 * assert.deepEqual(lines, ['127.0.0.1 64 12']);
 * ```
 */
export class DatagramBatch {
  readonly #socket: BatchSocket;
  readonly #peers: AddressTable;
  readonly #destinations: DestinationReader;
  #received: ReceivedDatagrams | null = null;

  static {
    fillBatch = (batch, received) => batch.#fill(received);
    newBatch = (socket) => new DatagramBatch(socket);
  }

  private constructor(socket: BatchSocket) {
    this.#socket = socket;
    this.#peers = new AddressTable(socket.abi);
    this.#destinations = new DestinationReader(socket.abi, socket.own);
  }

  #fill(received: ReceivedDatagrams | null): void {
    this.#received = received;
  }

  /** How many there are, 0 once the handler has returned. */
  get length(): number {
    return this.#received?.length ?? 0;
  }

  #at(index: number): ReceivedDatagrams {
    const received = this.#received;
    if (received !== null && index >= 0 && index < received.length) return received;
    throw new RangeError(
      received === null
        ? 'the batch is over: its handler has returned'
        : `a batch of ${received.length} datagrams has no datagram ${index}`,
    );
  }

  /**
   * The bytes of a datagram: with `chunks: 'owned'` a copy, made by each call; with `'borrowed'` a
   * view that is valid until the handler returns.
   *
   * @param index from 0 to `length` - 1.
   * @returns the bytes; of datagrams that the kernel has joined, see {@link segmentSize}, of all.
   * @throws RangeError for another index, and once the handler has returned.
   */
  bytes(index: number): Uint8Array {
    const view = this.#at(index).view(index);
    return this.#socket.copies ? ownedCopy(view) : lentPart(view);
  }

  /**
   * The length of {@link bytes}, without a copy.
   *
   * @param index from 0 to `length` - 1.
   * @returns bytes.
   */
  byteLength(index: number): number {
    return this.#at(index).byteLengths[index] ?? 0;
  }

  /**
   * Where a datagram came from.
   *
   * @param index from 0 to `length` - 1.
   * @returns the address, the same object for a peer that is known from before; of a UNIX socket
   *   without a name one with an empty path.
   */
  from(index: number): DatagramAddress {
    const received = this.#at(index);
    const length = received.nameLengths[index] ?? 0;
    if (length <= FAMILY_BYTES) return this.#socket.peer;
    const at = received.namesAt[index] ?? 0;
    return this.#peers.find(received.memory, received.words, at, length);
  }

  /**
   * The address of this machine to answer from, with the socket's port: asked for by `info:
   * ['local']`. Of an IPv4 multicast it is that of the interface, of an IPv6 one the group.
   *
   * @param index from 0 to `length` - 1.
   * @returns the address, null if the kernel does not say.
   */
  local(index: number): DatagramAddress | null {
    return this.#destinations.local(this.#at(index), index);
  }

  /**
   * The two bits of RFC 3168: asked for by `info: ['ecn']`.
   *
   * @param index from 0 to `length` - 1.
   * @returns 0: not capable, 1: ECT(1), 2: ECT(0), 3: congestion was met; 0 if not asked for.
   */
  ecn(index: number): number {
    return this.#destinations.trafficClass(this.#at(index), index) & ECN_BITS;
  }

  /**
   * The time to live, or hop limit, that the datagram arrived with: asked for by `info: ['ttl']`.
   *
   * @param index from 0 to `length` - 1.
   * @returns 0 to 255; 0 if not asked for.
   */
  ttl(index: number): number {
    return this.#destinations.hops(this.#at(index), index);
  }

  /**
   * When the kernel received the datagram: asked for by `info: ['timestamp']`.
   *
   * @param index from 0 to `length` - 1.
   * @returns milliseconds since 1970 with fractions, 0 if not asked for.
   */
  timestampMs(index: number): number {
    return this.#destinations.timestampMs(this.#at(index), index);
  }

  /**
   * Of datagrams that the kernel has joined (`gro`) the length of each but the last, which may be
   * shorter.
   *
   * @param index from 0 to `length` - 1.
   * @returns bytes; 0 for a single datagram.
   */
  segmentSize(index: number): number {
    return this.#at(index).segmentBytes[index] ?? 0;
  }

  /**
   * Whether a datagram was longer than `bytesMax`, and its end is lost.
   *
   * @param index from 0 to `length` - 1.
   * @returns true if so.
   */
  truncated(index: number): boolean {
    const { MSG_TRUNC } = this.#socket.abi.constants;
    return ((this.#at(index).flags[index] ?? 0) & MSG_TRUNC) !== 0;
  }
}

/** A sockaddr of this length or less has no address. */
const FAMILY_BYTES = 2;
const ECN_BITS = 3;
