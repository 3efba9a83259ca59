import type { ReceivedLengths } from '../../sys/message-vector.ts';

/**
 * Datagrams that came in one call, and where their parts lie in the receive memory of a loop. A
 * backend fills it in; each has its own layout. The arrays are by index, from 0 to `length` - 1.
 */
export class ReceivedDatagrams implements ReceivedLengths {
  readonly memory: Uint8Array;
  /** The memory by words of 32 bits. */
  readonly words: Int32Array;
  length = 0;
  readonly bytesAt: Int32Array;
  readonly byteLengths: Int32Array;
  readonly namesAt: Int32Array;
  /** Of the sockaddrs, at most the room. */
  readonly nameLengths: Int32Array;
  readonly controlsAt: Int32Array;
  readonly controlLengths: Int32Array;
  /** msg_flags. */
  readonly flags: Int32Array;
  /** Of datagrams that the kernel has joined the length of each but the last, else 0. */
  readonly segmentBytes: Int32Array;
  /** Whether any of {@link segmentBytes} is not 0. */
  hasSegments = false;
  /** The last view of each place, where it began, and its length: often the same again. */
  readonly #views: (Uint8Array | undefined)[] = [];
  readonly #viewsAt: Int32Array;
  readonly #viewLengths: Int32Array;

  constructor(memory: Uint8Array, lengthMax: number) {
    this.memory = memory;
    this.words = new Int32Array(memory.buffer, memory.byteOffset, memory.length >> 2);
    this.bytesAt = new Int32Array(lengthMax);
    this.byteLengths = new Int32Array(lengthMax);
    this.namesAt = new Int32Array(lengthMax);
    this.nameLengths = new Int32Array(lengthMax);
    this.controlsAt = new Int32Array(lengthMax);
    this.controlLengths = new Int32Array(lengthMax);
    this.flags = new Int32Array(lengthMax);
    this.segmentBytes = new Int32Array(lengthMax);
    this.#viewsAt = new Int32Array(lengthMax);
    this.#viewLengths = new Int32Array(lengthMax);
  }

  /** A view of the bytes of a datagram. */
  view(index: number): Uint8Array {
    const at = this.bytesAt[index] ?? 0;
    const length = this.byteLengths[index] ?? 0;
    const last = this.#views[index];
    const isSame = this.#viewsAt[index] === at && this.#viewLengths[index] === length;
    if (last !== undefined && isSame) return last;
    const view = this.memory.subarray(at, at + length);
    this.#views[index] = view;
    this.#viewsAt[index] = at;
    this.#viewLengths[index] = length;
    return view;
  }
}
