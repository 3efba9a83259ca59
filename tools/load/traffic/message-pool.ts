import { Buffer } from 'node:buffer';
import { NEWLINE } from '#src/base/bytes.js';
import { Random } from '#src/base/random.js';
import type { EchoMode } from '../../echo/session.ts';
import type { MessagePlan } from '../plan.ts';

/** A pool has about so many bytes... */
const POOL_BYTES = 65536;

/** ...but not fewer messages than this, and not more. */
const MESSAGES_MIN = 4;
const MESSAGES_MAX = 1024;

/** What a loop delivers at once at most: so much can be compared from every place of the pool. */
const CHUNK_BYTES = 65536;

/** Shorter messages have a view each, which a loop that copies them takes without making one. */
const VIEW_BYTES_MAX = 16384;

/** 2^32 divided by the golden ratio: multiples of it lie far from each other. */
const FAR_APART = 2654435761;

/**
 * The bytes of all messages of a thread. What a connection sends is a stream that runs round and
 * round through one pool from a start of its own: nothing is written before a send, and bytes
 * that are lost, doubled or another connection's do not match.
 */
export class MessagePool {
  /** Of one message. */
  readonly messageBytes: number;
  readonly #bytes: Buffer;
  /** How long the pool is before it begins again; behind that lies its beginning once more. */
  readonly #roundBytes: number;
  readonly #views: readonly Buffer[];
  /** Starts are multiples of it: where messages are lines, their ends must stay where they are. */
  readonly #startStep: number;

  constructor(plan: MessagePlan, mode: EchoMode, seed: number) {
    const given = plan.kind === 'given' ? Buffer.from(plan.base64, 'base64') : null;
    const size = plan.kind === 'bytes' ? plan.bytes : (given?.length ?? 0);
    const messages = Math.min(MESSAGES_MAX, Math.max(MESSAGES_MIN, Math.ceil(POOL_BYTES / size)));
    this.messageBytes = size;
    this.#roundBytes = size * messages;
    const buffer = new ArrayBuffer(this.#roundBytes + Math.max(size, CHUNK_BYTES));
    this.#bytes = Buffer.from(buffer);
    if (given !== null) this.#repeat(given);
    else this.#fill(mode !== 'echo', new Random(seed));
    const hasViews = size <= VIEW_BYTES_MAX;
    this.#startStep = given !== null || mode !== 'echo' || hasViews ? size : 1;
    this.#views = hasViews
      ? Array.from({ length: messages }, (_, i) => this.#bytes.subarray(i * size, (i + 1) * size))
      : [];
  }

  #repeat(given: Buffer): void {
    for (let at = 0; at < this.#bytes.length; at += given.length) given.copy(this.#bytes, at);
  }

  #fill(lines: boolean, random: Random): void {
    const bytes = this.#bytes;
    for (let at = 0; at < this.#roundBytes; at += 1) {
      const byte = random.word() >>> 24;
      bytes[at] = lines && byte === NEWLINE ? byte + 1 : byte;
    }
    for (let end = this.messageBytes; lines && end <= this.#roundBytes; end += this.messageBytes) {
      bytes[end - 1] = NEWLINE;
    }
    for (let at = this.#roundBytes; at < bytes.length; at += this.#roundBytes) {
      bytes.copy(bytes, at, 0, Math.min(this.#roundBytes, bytes.length - at));
    }
  }

  /** Where the stream of the connection `number` of all begins. */
  startOf(number: number): number {
    const steps = this.#roundBytes / this.#startStep;
    return (((number + 1) * FAR_APART) % steps) * this.#startStep;
  }

  /** The place in the stream `length` bytes (at most a round) behind `at`. */
  after(at: number, length: number): number {
    const next = at + length;
    return next >= this.#roundBytes ? next % this.#roundBytes : next;
  }

  /** Whether `chunk` is what the stream has from `at` on. */
  matches(chunk: Uint8Array, at: number): boolean {
    const { length } = chunk;
    if (length === this.messageBytes && at % length === 0) {
      const view = this.#views[at / length];
      if (view !== undefined) return Buffer.compare(view, chunk) === 0;
    }
    return this.#bytes.compare(chunk, 0, length, at, at + length) === 0;
  }

  /** How many bytes of `chunk` are what the stream has at their place, from `at` on. */
  rightBytes(chunk: Uint8Array, at: number): number {
    let right = 0;
    for (const [index, byte] of chunk.entries()) {
      if (byte === this.#bytes[this.after(at, index)]) right += 1;
    }
    return right;
  }

  /** How many messages from `at` on lie in one piece: at least 1. */
  piecesAt(at: number): number {
    return Math.floor((this.#bytes.length - at) / this.messageBytes);
  }

  /** Sends `count` messages from `at` on, which lie in one piece. */
  write(to: MessageSink, at: number, count: number): void {
    const size = this.messageBytes;
    const view = count === 1 ? this.#views[at / size] : undefined;
    if (view !== undefined) to.write(view);
    else to.write(this.#bytes, at, count * size);
  }
}

/** What messages are written to: a connection. */
interface MessageSink {
  write(bytes: Uint8Array, offset?: number, length?: number): boolean;
}
