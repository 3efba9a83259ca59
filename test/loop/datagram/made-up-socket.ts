/** What all backends share of a socket of datagrams, over calls whose answers are made up. */

import assert from 'node:assert/strict';
import { SimSys } from '#sim/sim-sys.js';
import { BaseDatagrams, type DatagramOwner } from '#src/loop/datagram/base-datagrams.js';
import type { DatagramSettings, DatagramSink } from '#src/loop/datagram/contract.js';
import type { ReceivedDatagrams } from '#src/loop/datagram/received.js';
import { SharedDatagrams } from '#src/loop/datagram/shared.js';
import { abiFor } from '#src/sys/abi/index.js';
import type { MessageVector } from '#src/sys/message-vector.js';

const linux = abiFor('linux', 'x64');
assert.ok(linux !== null);
export const abi = linux;

/** The number of an error. */
export function code(name: string): number {
  const number = abi.errno[name];
  assert.ok(number !== undefined);
  return number;
}

/** What a backend calls, made public. */
class Datagrams extends BaseDatagrams<DatagramOwner> {
  get reads(): boolean {
    return this.wantsDatagrams;
  }

  get writes(): boolean {
    return this.wantsRoom;
  }

  readable(): void {
    this.receive();
  }

  writable(): void {
    this.sendWaiting();
  }
}

export const SETTINGS: DatagramSettings = {
  bytesMax: 1000,
  gro: false,
  gso: false,
  queuedBytesMax: 10_000,
  errorQueue: false,
  sequenced: false,
  unixPeers: false,
  unix: false,
};

interface Asked {
  readonly settings?: Partial<DatagramSettings>;
  /** Whether it hears what becomes of each datagram. */
  readonly settles?: boolean;
}

/** What answers a receive: how many datagrams, or `-errno`. */
type Receiving = (messages: MessageVector, count: number) => number;

export class MadeUpSocket {
  readonly socket: Datagrams;
  /** The datagrams that went out, as text. */
  readonly sent: string[] = [];
  /** The answers of the next sends: how many messages, or `-errno`. Then all are taken. */
  readonly answers: number[] = [];
  /** How many messages each send had, and how many datagrams each receive asked for. */
  readonly asked: number[] = [];
  readonly received: number[] = [];
  readonly settled: [datagrams: number, errno: number][] = [];
  readonly stats = { waits: 0, eagain: 0, eintr: 0 };
  receiving: Receiving = () => -abi.errno.EAGAIN;
  /** What the handler does with what came. */
  handling: () => void = () => undefined;
  /** What the handler was given last. */
  batch: ReceivedDatagrams | null = null;
  /** How often the error queue was read. */
  errorReads = 0;
  /** Whether `report` is to be called in the next turn. */
  isLater = false;
  readonly #events: string[] = [];
  readonly #shared: SharedDatagrams;
  #dirty = false;

  constructor({ settings = {}, settles = false }: Asked = {}) {
    const sys = Object.assign(new SimSys({ seed: 1, abi }), {
      sendmmsg: (_fd: number, messages: MessageVector, first: number, count: number) =>
        this.#send(messages, first, count),
      recvmmsg: (_fd: number, messages: MessageVector, count: number) => {
        this.received.push(count);
        return this.receiving(messages, count);
      },
      recvmsg: () => {
        this.errorReads += 1;
        return -abi.errno.EAGAIN;
      },
    });
    this.#shared = new SharedDatagrams(sys);
    const owner = {
      sys,
      stats: this.stats,
      sendFlags: 0,
      sharedDatagrams: this.#shared,
      markDirty: () => {
        this.#dirty = true;
      },
      reportLater: () => {
        this.isLater = true;
      },
      remove: (handle: Datagrams) => {
        handle.gone = true;
        this.#events.push('removed');
      },
    };
    const sink = settles ? { ...this.#sink(), settled: this.#settle } : this.#sink();
    // The rest of an owner is not asked for.
    const whole = owner as unknown as DatagramOwner;
    this.socket = new Datagrams(whole, 5, sink, { ...SETTINGS, ...settings });
  }

  #send(messages: MessageVector, first: number, count: number): number {
    this.asked.push(count);
    const taken = Math.min(this.answers.shift() ?? count, count);
    for (let slot = first; slot < first + taken; slot += 1) {
      const at = messages.bufferOffset(slot);
      const bytes = messages.bytes.subarray(at, at + messages.bufferLength(slot));
      this.sent.push(Buffer.from(bytes).toString().trim());
    }
    return taken;
  }

  readonly #settle = (datagrams: number, errno: number): void => {
    this.settled.push([datagrams, errno]);
  };

  #sink(): DatagramSink {
    const note = (words: string): void => void this.#events.push(words);
    return {
      received: (received) => {
        note(`received ${received.length}`);
        this.batch = received;
        this.handling();
      },
      drained: () => note('drained'),
      unreachable: () => note('unreachable'),
      ended: () => note('ended'),
      failed: (errno) => note(`failed ${errno}`),
      closed: () => note('closed'),
      resting: (delayMs) => note(`resting ${delayMs}`),
      peerFailed: (errno) => note(`peer ${errno}`),
    };
  }

  send(text: string, segmentBytes = 0): boolean {
    const bytes = Buffer.from(text);
    return this.socket.send(bytes, 0, bytes.length, null, null, segmentBytes);
  }

  /** What it was told since the last call. */
  take(): string[] {
    return this.#events.splice(0);
  }

  /** Whether the backend was to look at it since the last call. */
  takeDirty(): boolean {
    const was = this.#dirty;
    this.#dirty = false;
    return was;
  }

  report(): void {
    if (!this.isLater) return;
    this.isLater = false;
    this.socket.report();
  }

  /** Reports, and makes the sends. */
  endTurn(): void {
    this.report();
    this.#shared.sends.flush();
  }
}

/** Answers a receive with datagrams of `lengths`. */
export function came(...lengths: readonly number[]): Receiving {
  return (messages, count) => {
    const got = Math.min(count, lengths.length);
    for (let slot = 0; slot < got; slot += 1) {
      messages.setReceived(slot, lengths[slot] ?? 0, 0);
      messages.setLengths(slot, 16, 0);
    }
    return got;
  };
}
