/** A loop on io_uring whose kernel is the test: what it is asked for, and what comes of that. */

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { RingBackend } from '#src/loop/ring/backend.js';
import { Operation } from '#src/loop/ring/handle.js';
import { BUFFER_BYTES, BUFFERS_MAX } from '#src/ring/limits.js';
import type { IoUringAbi } from '#src/sys/abi/abi.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { COMPLETIONS, PlainRing, SUBMISSIONS } from '#test/ring/plain-memory.js';
import { standIn } from '#test/sys/stand-in.js';
import { shown } from '../../scripted-sinks.ts';

export { COMPLETIONS, SUBMISSIONS };

/** Why this platform has no rings, or false. */
export const withoutRings: string | false =
  nativeSys().abi.ioUring === null ? 'the tables of this platform have no io_uring' : false;

/** No process has a descriptor of these numbers. */
const FIRST_FD = 100_000;
const WAKE_FD = 200_000;
const RESERVE_FD = 300_000;
/** The token of no handle. */
const NOBODY = 2 ** 31 - 2;
/** What an address of the program's own memory becomes. */
const OWN_ADDRESS = 2 ** 40;

/** An operation that the kernel was asked for. */
interface Asked {
  readonly what: string;
  readonly token: number;
  readonly kind: number;
  readonly fd: number;
  /** The memory of a send. */
  readonly address: number;
  readonly length: number;
}

/** How a completion differs from a plain one. */
interface Outcome {
  /** It goes on: IORING_CQE_F_MORE. */
  readonly more?: boolean;
  /** It carries the token of nobody. */
  readonly stray?: boolean;
}

export class ScriptedKernel {
  readonly backend: RingBackend;
  readonly sys: Sys;
  /** The calls made for descriptors of the test, in words. */
  readonly calls: string[] = [];
  /** What the next accept4(2), send(2) and shutdown(2) return: EAGAIN, all, and 0 behind these. */
  readonly accepts: number[] = [];
  readonly sends: number[] = [];
  /** How much of a send that says nothing when it is done is taken, or `-errno`. */
  onSendNow: (length: number) => number = (length) => length;
  /** The bytes that were taken, by descriptor. */
  readonly sent = new Map<number, Buffer[]>();
  shutdownResult = 0;
  /** What open(2) of a reserve returns, if not a descriptor. */
  openResult: number | null = null;
  /** The entries that a call takes at most; `-errno` for a call that fails. */
  takes = Number.POSITIVE_INFINITY;
  /** Whether nothing ends that is cancelled. */
  endsNothing = false;
  nowMs = 1000;
  /** How often the waker was read. */
  reads = 0;
  readonly #plain = new PlainRing(0, false);
  readonly #abi: IoUringAbi;
  readonly #inFlight: Asked[] = [];
  readonly #asked: Asked[] = [];
  /** Completions that are held back, and what else a call posts. */
  readonly #heldBack: [number, number, number, number][] = [];
  #bufferRing: Uint16Array = new Uint16Array(0);
  #bufferHead = 0;
  readonly #own: Uint8Array[] = [];
  #fds = FIRST_FD;

  constructor(t: TestContext) {
    const plain = this.#plain;
    this.#abi = plain.sys.abi.ioUring ?? assert.fail('no io_uring');
    plain.onRegister = (opcode, argument) => this.#register(opcode, argument);
    plain.onEnter = (toSubmit, flags) => this.#enter(toSubmit, flags);
    this.sys = standIn(plain.sys, this.#calls());
    this.backend = new RingBackend(this.sys);
    this.#asked.length = 0;
    t.after(() => {
      this.takes = Number.POSITIVE_INFINITY;
      this.backend.destroy();
    });
  }

  #calls(): Partial<Sys> {
    const { EAGAIN } = this.#plain.sys.abi.errno;
    const called = (what: string, result: number): number => {
      this.calls.push(what);
      return result;
    };
    return {
      monotonicMs: () => this.nowMs,
      eventfd: () => WAKE_FD,
      read: () => {
        this.reads += 1;
        return -EAGAIN;
      },
      write: (_fd, _bytes, _offset, length) => length,
      open: () => this.openResult ?? RESERVE_FD,
      close: (fd) => called(`close ${fd}`, 0),
      shutdown: (fd) => called(`shutdown ${fd}`, this.shutdownResult),
      setsockopt: (fd, _level, _name, value) => called(`setsockopt ${fd} ${value.join('')}`, 0),
      accept4: (fd, address, length) => {
        assert.deepEqual([...length], [address.length]);
        length[0] = 0;
        return called(`accept4 ${fd}`, this.accepts.shift() ?? -EAGAIN);
      },
      send: (fd, bytes, offset, length) => {
        const result = this.sends.shift() ?? length;
        if (result > 0) this.#noteSent(fd, bytes.subarray(offset, offset + result));
        return called(`send ${fd} ${length}`, result);
      },
      // A rest.
      poll: (_fds, _count, timeoutMs) => {
        this.nowMs += timeoutMs;
        return called(`rest ${timeoutMs}`, 0);
      },
      address: (bytes) => OWN_ADDRESS + this.#own.push(bytes) - 1,
    };
  }

  #register(opcode: number, argument: number): number {
    const { constants: known, structs } = this.#abi;
    if (opcode === known.IORING_REGISTER_PROBE) {
      const { io_uring_probe: head, io_uring_probe_op: entry } = structs;
      const operations = 64;
      const bytes = this.#plain.bytesAt(argument, head.size + operations * entry.size);
      const view = viewOf(bytes);
      for (let op = 0; op < operations; op += 1) {
        const at = head.size + op * entry.size + entry.fields.flags.offset;
        view.setUint16(at, known.IO_URING_OP_SUPPORTED, true);
      }
      return 0;
    }
    if (opcode !== known.IORING_REGISTER_PBUF_RING) return -this.#plain.sys.abi.errno.EINVAL;
    const bytes = this.#plain.bytesAt(argument, structs.io_uring_buf_reg.size);
    const { offset } = structs.io_uring_buf_reg.fields.ring_addr;
    const address = viewOf(bytes).getBigUint64(offset, true);
    const ring = this.#plain.bytesAt(Number(address), BUFFERS_MAX * 16);
    this.#bufferRing = new Uint16Array(ring.buffer, ring.byteOffset, BUFFERS_MAX * 8);
    return 0;
  }

  #enter(toSubmit: number, flags: number): number {
    if ((flags & this.#abi.constants.IORING_ENTER_GETEVENTS) !== 0) this.#postHeldBack();
    if (this.takes < 0) return this.takes;
    const last = this.#plain.enters.at(-1);
    const count = Math.min(toSubmit, this.takes);
    for (const words of this.#plain.entries(count)) this.#take(words);
    if ((flags & this.#abi.constants.IORING_ENTER_EXT_ARG) !== 0 && last !== undefined) {
      this.nowMs += this.#timeMsAt(last.argument);
    }
    return this.#plain.take(count);
  }

  #take(words: Uint32Array): void {
    const { constants: op } = this.#abi;
    const [code = 0, fd = 0, , , low = 0, high = 0, length = 0, , token = 0, kind = 0] = words;
    const address = low + high * 2 ** 32;
    const asked = { what: this.#describe(words), token, kind, fd, address, length };
    const opcode = code & 0xff;
    const isSilent = ((code >> 8) & op.IOSQE_CQE_SKIP_SUCCESS) !== 0;
    if (opcode === op.IORING_OP_RECV && words[1] === 0xffff_ffff) {
      // Which tries whether the kernel knows the limit.
      this.#post([token, kind, -this.#plain.sys.abi.errno.EBADF, 0]);
      return;
    }
    // A limit that an earlier entry has left there.
    if (words[11] !== 0) assert.match(asked.what, /^recv .* multishot/);
    this.#asked.push(asked);
    if (asked.what === 'cancel all') this.#cancelAll();
    else if (!isSilent) this.#inFlight.push(asked);
    else if (opcode === op.IORING_OP_SEND) {
      const result = this.onSendNow(asked.length);
      this.#sent(asked, result);
      if (result !== asked.length) this.#post([token, kind, result, 0]);
    }
  }

  #cancelAll(): void {
    if (this.endsNothing) return;
    const { ECANCELED = 125 } = this.#plain.sys.abi.errno;
    for (const { token, kind } of this.#inFlight.splice(0)) {
      this.#post([token, kind, -ECANCELED, 0]);
    }
  }

  /** `recv 100000 multishot limited`. */
  #describe(words: Uint32Array): string {
    const { constants: op } = this.#abi;
    const { POLLIN } = this.#plain.sys.abi.constants;
    const [code = 0, at = 0, , , low = 0, high = 0, length = 0, flags = 0] = words;
    const ioprio = code >>> 16;
    const fd = at | 0;
    switch (code & 0xff) {
      case op.IORING_OP_ACCEPT:
        return `accept ${fd}${ioprio === 0 ? '' : ' multishot'}`;
      case op.IORING_OP_RECV:
        return `recv ${fd}${ioprio === 0 ? '' : ` multishot of ${words[11]}`}`;
      case op.IORING_OP_SEND:
        return this.#send(
          fd,
          (code >> 8) & op.IOSQE_CQE_SKIP_SUCCESS,
          low + high * 2 ** 32,
          length,
        );
      case op.IORING_OP_CONNECT:
        return `connect ${fd} to ${this.#bytesAt(low + high * 2 ** 32, words[2] ?? 0).join('.')}`;
      case op.IORING_OP_POLL_ADD: {
        const events = `${(flags & POLLIN) === 0 ? '' : ' in'}${flags > POLLIN ? ' out' : ''}`;
        return `poll ${fd}${events}${length === 0 ? '' : ' multishot'}`;
      }
      case op.IORING_OP_TIMEOUT:
        return `timeout of ${this.#periodMsAt(low + high * 2 ** 32)} ms`;
      default:
        return flags === 0 ? this.#cancelled(low, high) : 'cancel all';
    }
  }

  /** `sendNow` says nothing of a send that is done. */
  #send(fd: number, silent: number, address: number, length: number): string {
    return `send${silent === 0 ? '' : 'Now'} ${fd} ${shown(this.#bytesAt(address, length))}`;
  }

  #cancelled(token: number, kind: number): string {
    const found = this.#inFlight.find((one) => one.token === token && one.kind === kind);
    return `cancel ${found === undefined ? 'nothing' : found.what}`;
  }

  #bytesAt(address: number, length: number): Uint8Array {
    const own = this.#own[address - OWN_ADDRESS];
    return own?.subarray(0, length) ?? this.#plain.bytesAt(address, length);
  }

  /** What a send takes it has as it is by then. */
  #sent({ fd, address }: Asked, result: number): void {
    if (result > 0) this.#noteSent(fd, this.#bytesAt(address, result));
  }

  #noteSent(fd: number, bytes: Uint8Array): void {
    const pieces = this.sent.get(fd) ?? [];
    pieces.push(Buffer.from(bytes));
    this.sent.set(fd, pieces);
  }

  #post(completion: [number, number, number, number]): void {
    if (this.#heldBack.length === 0 && this.#plain.post(...completion)) return;
    this.#heldBack.push(completion);
  }

  #postHeldBack(): void {
    while (this.#heldBack.length > 0) {
      const [completion = [0, 0, 0, 0]] = this.#heldBack;
      if (!this.#plain.post(...completion)) return;
      this.#heldBack.shift();
    }
    this.#plain.flush();
  }

  /** What was asked for since the last look, without what the backend asks for itself. */
  asked(): string[] {
    return this.#asked
      .splice(0)
      .filter(isOfHandle)
      .map(({ what }) => what);
  }

  /** What is in flight, likewise. */
  get inFlight(): string[] {
    return this.#inFlight.filter(isOfHandle).map(({ what }) => what);
  }

  /** What is in flight of the backend itself. */
  get ownInFlight(): string[] {
    return this.#inFlight.filter((one) => !isOfHandle(one)).map(({ what }) => what);
  }

  /** How long the calls since the last look have waited: `at once`, `for ever`, or so many ms. */
  waits(): string[] {
    const { IORING_ENTER_EXT_ARG } = this.#abi.constants;
    return this.#plain.enters.splice(0).map(({ minComplete, flags, argument }) => {
      if (minComplete === 0) return 'at once';
      return (flags & IORING_ENTER_EXT_ARG) === 0 ? 'for ever' : `${this.#timeMsAt(argument)} ms`;
    });
  }

  #timeMsAt(argument: number): number {
    const { io_uring_getevents_arg } = this.#abi.structs;
    const wait = viewOf(this.#plain.bytesAt(argument, io_uring_getevents_arg.size));
    const at = wait.getBigUint64(io_uring_getevents_arg.fields.ts.offset, true);
    return this.#periodMsAt(Number(at));
  }

  #periodMsAt(at: number): number {
    const time = viewOf(this.#plain.bytesAt(at, 16));
    return Number(time.getBigInt64(0, true)) * 1000 + Number(time.getBigInt64(8, true)) / 1e6;
  }

  /** A completion that nobody has asked for any more. */
  stray(kind: Operation, result: number): void {
    this.#post([NOBODY, kind, result, 0]);
  }

  /** How many bytes a send in flight has. */
  lengthOf(what: string): number {
    return this.#find(what, true).length;
  }

  #find(what: string, stays: boolean): Asked {
    const list = this.#inFlight;
    const at = list.findIndex((one) => `${one.what} `.startsWith(`${what} `));
    const found = list[at] ?? assert.fail(`no ${what} among ${list.map((one) => one.what)}`);
    if (!stays) list.splice(at, 1);
    return found;
  }

  /** Completes the operation that begins with `what`: behind the next call it is seen. */
  complete(what: string, result: number, { more = false }: Outcome = {}): void {
    const found = this.#find(what, more);
    const { token, kind } = found;
    if (kind === Operation.send) this.#sent(found, result);
    const { IORING_CQE_F_MORE } = this.#abi.constants;
    this.#post([token, kind, result, more ? IORING_CQE_F_MORE : 0]);
  }

  /** The buffers that the kernel may fill. */
  get buffersFree(): number {
    return ((this.#bufferRing[7] ?? 0) - this.#bufferHead) & 0xffff;
  }

  /** A receive brings `bytes`, in the next buffer. */
  bring(fd: number, bytes: Uint8Array, { more = false, stray = false }: Outcome = {}): void {
    const free = this.buffersFree;
    assert.ok(free > 0 && free <= this.backend.buffers.count, `${free} buffers`);
    const at = (this.#bufferHead & (BUFFERS_MAX - 1)) * 8;
    const entry = new DataView(this.#bufferRing.buffer, this.#bufferRing.byteOffset + at * 2);
    const address = entry.getUint32(0, true) + entry.getUint32(4, true) * 2 ** 32;
    assert.equal(entry.getUint32(8, true), BUFFER_BYTES);
    this.#plain.bytesAt(address, bytes.length).set(bytes);
    this.#bufferHead = (this.#bufferHead + 1) & 0xffff;
    const { token, kind } = this.#find(`recv ${fd}`, more);
    const { IORING_CQE_F_MORE, IORING_CQE_BUFFER_SHIFT } = this.#abi.constants;
    const flags = (entry.getUint16(12, true) << IORING_CQE_BUFFER_SHIFT) | 1;
    this.#post([
      stray ? NOBODY : token,
      kind,
      bytes.length,
      flags | (more ? IORING_CQE_F_MORE : 0),
    ]);
  }

  /** A turn that does not wait. */
  turn(): void {
    this.backend.poll(0);
    this.backend.closePhase();
  }

  /** The next number is that of an earlier descriptor. */
  newFdIs(fd: number): void {
    this.#fds = fd - 1;
  }

  /** A new number of a descriptor. */
  newFd(): number {
    this.#fds += 1;
    return this.#fds;
  }
}

/** Whether it is not the backend's own. */
function isOfHandle({ kind }: Asked): boolean {
  return kind !== Operation.wake && kind !== Operation.wakeTimer;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
