import type { IoUringAbi } from '#src/sys/abi/abi.js';
import { readUnsigned } from '#src/sys/struct.js';
import type { Sys } from '#src/sys/sys.js';
import { type KnownMemory, memoryFault } from './known-memory.ts';
import { POISON } from './poison.ts';

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Where the tail of a ring of buffers is: in what would be the last word of its first entry. */
const BUFFER_TAIL_AT = 14;

/** Checks the entries that a ring is about to take, and poisons the buffers that it is given. */
export class RingCheck {
  readonly #sys: Sys;
  readonly #abi: IoUringAbi;
  readonly #known: KnownMemory;
  readonly #params: DataView;
  #queues: DataView | null = null;
  #entries: DataView | null = null;
  #buffers: DataView | null = null;
  #bufferCount = 0;
  #bufferTail = 0;

  constructor(sys: Sys, abi: IoUringAbi, known: KnownMemory, params: Uint8Array) {
    this.#sys = sys;
    this.#abi = abi;
    this.#known = known;
    this.#params = viewOf(params.slice());
  }

  mapped(offset: number, address: number, length: number): void {
    const { IORING_OFF_SQ_RING, IORING_OFF_SQES } = this.#abi.constants;
    if (offset === IORING_OFF_SQ_RING) this.#queues = viewOf(this.#sys.view(address, length));
    if (offset === IORING_OFF_SQES) this.#entries = viewOf(this.#sys.view(address, length));
  }

  buffersRegistered(registration: number): void {
    const { io_uring_buf_reg, io_uring_buf } = this.#abi.structs;
    this.#known.require(registration, io_uring_buf_reg.size, 'the registration of buffers');
    const view = viewOf(this.#sys.view(registration, io_uring_buf_reg.size));
    const at = readUnsigned(view, 0, io_uring_buf_reg.fields.ring_addr);
    this.#bufferCount = readUnsigned(view, 0, io_uring_buf_reg.fields.ring_entries);
    const bytes = this.#bufferCount * io_uring_buf.size;
    this.#known.require(at, bytes, 'a ring of buffers');
    this.#buffers = viewOf(this.#sys.view(at, bytes));
    this.#bufferTail = 0;
  }

  /** io_uring_enter(2) is about to be called: the kernel looks at the queues in it alone. */
  enter(flags: number, arg: number): void {
    const { IORING_ENTER_EXT_ARG } = this.#abi.constants;
    if ((flags & IORING_ENTER_EXT_ARG) !== 0 && arg !== 0) {
      this.#known.require(arg, this.#abi.structs.io_uring_getevents_arg.size, 'a wait of a ring');
    }
    this.#checkEntries();
    this.#checkBuffers();
  }

  /** The buffers that were given since the last call are the kernel's: nobody may read them. */
  #checkBuffers(): void {
    const buffers = this.#buffers;
    if (buffers === null) return;
    const { size, fields } = this.#abi.structs.io_uring_buf;
    const tail = buffers.getUint16(BUFFER_TAIL_AT, true);
    for (; this.#bufferTail !== tail; this.#bufferTail = (this.#bufferTail + 1) & 0xffff) {
      const at = (this.#bufferTail & (this.#bufferCount - 1)) * size;
      const address = readUnsigned(buffers, at, fields.addr);
      const length = readUnsigned(buffers, at, fields.len);
      this.#known.bytes(address, length, 'a buffer of a ring').fill(POISON);
    }
  }

  #checkEntries(): void {
    const [queues, entries] = [this.#queues, this.#entries];
    if (queues === null || entries === null) return;
    const { io_uring_params, io_sqring_offsets, io_uring_sqe } = this.#abi.structs;
    const base = io_uring_params.fields.sq_off.offset;
    const { fields } = io_sqring_offsets;
    const at = (name: keyof typeof fields): number => {
      return readUnsigned(this.#params, base, fields[name]);
    };
    const count = readUnsigned(this.#params, 0, io_uring_params.fields.sq_entries);
    const tail = queues.getInt32(at('tail'), true);
    for (let index = queues.getInt32(at('head'), true); index !== tail; index = (index + 1) | 0) {
      const slot = index & (count - 1);
      const entry = at('array') === 0 ? slot : queues.getInt32(at('array') + slot * 4, true);
      if (entry < 0 || entry >= count) memoryFault(`a ring of ${count} entries submits ${entry}`);
      this.#checkEntry(entries, entry * io_uring_sqe.size);
    }
  }

  #checkEntry(entries: DataView, at: number): void {
    const { io_uring_sqe, __kernel_timespec } = this.#abi.structs;
    const op = this.#abi.constants;
    const { opcode, addr, len, off, flags } = io_uring_sqe.fields;
    const address = readUnsigned(entries, at, addr);
    const length = readUnsigned(entries, at, len);
    switch (readUnsigned(entries, at, opcode)) {
      case op.IORING_OP_SEND:
        this.#known.require(address, length, 'a send of a ring');
        break;
      case op.IORING_OP_RECV:
        if ((readUnsigned(entries, at, flags) & op.IOSQE_BUFFER_SELECT) !== 0) break;
        this.#known.require(address, length, 'a receive of a ring');
        break;
      case op.IORING_OP_CONNECT:
        this.#known.require(address, readUnsigned(entries, at, off), 'a connect of a ring');
        break;
      case op.IORING_OP_TIMEOUT:
        this.#known.require(address, __kernel_timespec.size, 'a timeout of a ring');
        break;
      case op.IORING_OP_ACCEPT:
        if (address !== 0) memoryFault('an accept of a ring has an address');
        break;
      case op.IORING_OP_POLL_ADD:
      case op.IORING_OP_ASYNC_CANCEL:
        break;
      default:
        memoryFault(`a ring makes operation ${readUnsigned(entries, at, opcode)}`);
    }
  }
}
