import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import { Duplex } from 'node:stream';
import type { Socket } from './socket.ts';

type DataListener = (...args: unknown[]) => void;

/** The methods that a chunk goes through: those of a program might keep it. */
const { emit } = EventEmitter.prototype;
const { push, write } = Duplex.prototype;

/**
 * A pipe from one socket to another. A chunk that the other one sends or copies at once need not be
 * copied before: 64 KiB cost as much as a third of what the kernel does with them.
 */
export class Forwarding {
  readonly #source: Socket;
  readonly #target: Socket;
  /** What `pipe` has added; null where it is not alone. */
  readonly #listener: DataListener | undefined;
  readonly #writeOfSocket: Socket['_write'];

  /** `source` has just been piped to `target`. */
  constructor(source: Socket, target: Socket, writeOfSocket: Socket['_write']) {
    this.#source = source;
    this.#target = target;
    this.#writeOfSocket = writeOfSocket;
    this.#listener = source.rawListeners('data').at(-1) as DataListener | undefined;
  }

  /** Whether nobody but the target gets what is received now, and the target does not keep it. */
  get takesNow(): boolean {
    const target = this.#target;
    return target.takesAtOnce && this.#isAlone() && this.#isPlain();
  }

  #isAlone(): boolean {
    const source = this.#source;
    const isRead = source.readableFlowing === true && source.readableLength === 0;
    if (!isRead || source.listenerCount('data') !== 1 || source.readableEncoding !== null) {
      return false;
    }
    return source.rawListeners('data')[0] === this.#listener;
  }

  #isPlain(): boolean {
    const [source, target] = [this.#source, this.#target];
    if (source.push !== push || source.emit !== emit) return false;
    return target.write === write && target._write === this.#writeOfSocket;
  }
}

/** A view of a chunk that is being delivered. */
export function borrowedBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
