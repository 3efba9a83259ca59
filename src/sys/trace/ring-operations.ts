import type { IoUringAbi } from '../abi/abi.ts';
import { readBigUnsigned, readSigned, readUnsigned } from '../struct.ts';
import type { Sys } from '../sys.ts';
import * as format from './format.ts';
import { timespec } from './poll.ts';
import { prefixed } from './ring.ts';

/**
 * What passes through the queues of the rings that a trace has seen being made. strace(1) shows
 * that io_uring_enter(2) was called; what it was called for lies in the memory of the ring.
 */
export class TracedRings {
  readonly #sys: Sys;
  readonly #byFd = new Map<number, TracedRing>();
  /** Rings that were registered with the thread, by their place there. */
  readonly #byPlace = new Map<number, TracedRing>();

  constructor(sys: Sys) {
    this.#sys = sys;
  }

  /** io_uring_setup(2) gave the ring `fd` and filled `params` in. */
  setUp(fd: number, params: Uint8Array): void {
    const abi = this.#sys.abi.ioUring;
    if (abi !== null && fd >= 0) this.#byFd.set(fd, new TracedRing(this.#sys, abi, params.slice()));
  }

  /** mmap(2) of `fd` gave `address`. */
  mapped(fd: number, offset: number, address: number, length: number): void {
    if (address >= 0) this.#byFd.get(fd)?.mapped(offset, address, length);
  }

  /** io_uring_register(2) of `fd` gave `result`. */
  registered(fd: number, opcode: number, arg: number, result: number): void {
    const ring = this.#byFd.get(fd);
    if (ring === undefined || result < 0) return;
    const { constants, structs } = ring.abi;
    if (opcode === constants.IORING_REGISTER_PBUF_RING) ring.lent(arg);
    if (opcode !== constants.IORING_REGISTER_RING_FDS || result !== 1) return;
    const { size, fields } = structs.io_uring_rsrc_update;
    const update = viewOf(this.#sys.view(arg, size));
    this.#byPlace.set(readUnsigned(update, 0, fields.offset), ring);
  }

  /** The ring that io_uring_enter(2) is called with, or undefined for one that nobody knows. */
  entered(fd: number, flags: number): TracedRing | undefined {
    const registered = this.#sys.abi.ioUring?.constants.IORING_ENTER_REGISTERED_RING ?? 0;
    const ring = ((flags & registered) === 0 ? this.#byFd : this.#byPlace).get(fd);
    return ring?.begin() === true ? ring : undefined;
  }

  /** close(2): its memory may be gone with the next call. */
  closed(fd: number): void {
    const ring = this.#byFd.get(fd);
    this.#byFd.delete(fd);
    for (const [place, other] of this.#byPlace) if (other === ring) this.#byPlace.delete(place);
  }
}

/** Operations whose completion is still to come, at the most; the oldest is forgotten first. */
const OPERATIONS_MAX = 65536;

/** One ring, and where its queues stood when the last call began. */
class TracedRing {
  readonly abi: IoUringAbi;
  readonly #sys: Sys;
  readonly #params: DataView;
  #queues: DataView | null = null;
  #entries: DataView | null = null;
  /** Where the ring of buffers lies that receives go into, and how many entries it has. */
  #buffersAt = 0;
  #bufferCount = 0;
  #submitted = 0;
  #completed = 0;
  /** The operations that are under way, by the data that they carry. */
  readonly #operations = new Map<bigint, string>();

  constructor(sys: Sys, abi: IoUringAbi, params: Uint8Array) {
    this.abi = abi;
    this.#sys = sys;
    this.#params = viewOf(params);
  }

  mapped(offset: number, address: number, length: number): void {
    const { IORING_OFF_SQ_RING, IORING_OFF_SQES } = this.abi.constants;
    if (offset === IORING_OFF_SQ_RING) this.#queues = viewOf(this.#sys.view(address, length));
    if (offset === IORING_OFF_SQES) this.#entries = viewOf(this.#sys.view(address, length));
  }

  lent(registration: number): void {
    const { size, fields } = this.abi.structs.io_uring_buf_reg;
    const view = viewOf(this.#sys.view(registration, size));
    this.#buffersAt = readUnsigned(view, 0, fields.ring_addr);
    this.#bufferCount = readUnsigned(view, 0, fields.ring_entries);
  }

  /** A call begins. False where the queues are not mapped. */
  begin(): boolean {
    if (this.#queues === null || this.#entries === null) return false;
    this.#submitted = this.#word(this.#queues, this.#submission('head'));
    this.#completed = this.#word(this.#queues, this.#completion('tail'));
    return true;
  }

  /** `, {ts={tv_sec=0, tv_nsec=500000000}}` where the call has a timeout. */
  timeout(flags: number, arg: number): string {
    if ((flags & this.abi.constants.IORING_ENTER_EXT_ARG) === 0 || arg === 0) return '';
    const { io_uring_getevents_arg, __kernel_timespec } = this.abi.structs;
    const view = viewOf(this.#sys.view(arg, io_uring_getevents_arg.size));
    const at = readUnsigned(view, 0, io_uring_getevents_arg.fields.ts);
    const bytes = at === 0 ? null : this.#sys.view(at, __kernel_timespec.size);
    return `, {ts=${timespec(this.#sys.abi, bytes)}}`;
  }

  /** What the call has taken from one queue and put into the other, a line for each. */
  moved(): string[] {
    const [queues, entries] = [this.#queues, this.#entries];
    if (queues === null || entries === null) return [];
    const lines: string[] = [];
    const taken = this.#word(queues, this.#submission('head'));
    for (let index = this.#submitted; index !== taken; index = (index + 1) | 0) {
      lines.push(`  submitted ${this.#entry(entries, this.#entryAt(queues, index))}`);
    }
    const posted = this.#word(queues, this.#completion('tail'));
    for (let index = this.#completed; index !== posted; index = (index + 1) | 0) {
      lines.push(`  completed ${this.#result(queues, this.#resultAt(index))}`);
    }
    return lines;
  }

  /** Where a word of the submission queue lies. */
  #submission(name: keyof IoUringAbi['structs']['io_sqring_offsets']['fields']): number {
    const { io_uring_params, io_sqring_offsets } = this.abi.structs;
    const base = io_uring_params.fields.sq_off.offset;
    return readUnsigned(this.#params, base, io_sqring_offsets.fields[name]);
  }

  #completion(name: keyof IoUringAbi['structs']['io_cqring_offsets']['fields']): number {
    const { io_uring_params, io_cqring_offsets } = this.abi.structs;
    const base = io_uring_params.fields.cq_off.offset;
    return readUnsigned(this.#params, base, io_cqring_offsets.fields[name]);
  }

  #word(queues: DataView, at: number): number {
    return queues.getInt32(at, true);
  }

  #entryAt(queues: DataView, index: number): number {
    const { io_uring_params, io_uring_sqe } = this.abi.structs;
    const count = readUnsigned(this.#params, 0, io_uring_params.fields.sq_entries);
    const place = index & (count - 1);
    // 0 where the ring was made without it: IORING_SETUP_NO_SQARRAY.
    const array = this.#submission('array');
    const entry = array === 0 ? place : this.#word(queues, array + place * 4);
    return entry * io_uring_sqe.size;
  }

  #resultAt(index: number): number {
    const { io_uring_params, io_uring_cqe } = this.abi.structs;
    const count = readUnsigned(this.#params, 0, io_uring_params.fields.cq_entries);
    return this.#completion('cqes') + (index & (count - 1)) * io_uring_cqe.size;
  }

  /** `IORING_OP_SEND(7, "hello\n", 6, MSG_NOSIGNAL)`, and remembers it until it is completed. */
  #entry(entries: DataView, at: number): string {
    const { fields } = this.abi.structs.io_uring_sqe;
    const fd = readSigned(entries, at, fields.fd);
    const opcode = readUnsigned(entries, at, fields.opcode);
    const name = nameOf(this.abi, opcode);
    const subject = fd < 0 ? '' : String(fd);
    const data = readBigUnsigned(entries, at, fields.user_data);
    const others = this.#arguments(entries, at, name);
    this.#remember(data, `${name}(${subject}`);
    return `${name}(${[subject, ...others].filter((word) => word !== '').join(', ')})`;
  }

  #remember(data: bigint, words: string): void {
    this.#operations.delete(data);
    this.#operations.set(data, words);
    if (this.#operations.size <= OPERATIONS_MAX) return;
    for (const oldest of this.#operations.keys()) {
      this.#operations.delete(oldest);
      return;
    }
  }

  #arguments(entries: DataView, at: number, name: string): string[] {
    const { abi } = this.#sys;
    const { fields } = this.abi.structs.io_uring_sqe;
    const address = readUnsigned(entries, at, fields.addr);
    const length = readUnsigned(entries, at, fields.len);
    const bits = readUnsigned(entries, at, fields.msg_flags);
    const priority = readUnsigned(entries, at, fields.ioprio);
    const named = (value: number, prefix: string): string =>
      value === 0 ? '' : prefixed(this.abi, value, prefix);
    const how = named(readUnsigned(entries, at, fields.flags), 'IOSQE_');
    switch (name) {
      case 'IORING_OP_ACCEPT': {
        const accepting = format.flags(abi, bits, ['SOCK_CLOEXEC', 'SOCK_NONBLOCK']);
        return [accepting, how, named(priority, 'IORING_ACCEPT_')];
      }
      case 'IORING_OP_RECV':
        return [how, named(priority, 'IORING_RECV')];
      case 'IORING_OP_SEND':
        return [
          this.#bytes(address, length),
          `${length}`,
          format.flags(abi, bits, format.MESSAGE_FLAGS),
          how,
        ];
      case 'IORING_OP_CONNECT': {
        // Of a connect, the length of the address stands where others have an offset.
        const bytes = readUnsigned(entries, at, fields.off);
        return [format.sockaddr(abi, this.#sys.view(address, bytes), bytes), `${bytes}`, how];
      }
      case 'IORING_OP_POLL_ADD':
        return [format.flags(abi, bits, ['POLLIN', 'POLLOUT']), how];
      case 'IORING_OP_TIMEOUT': {
        const { size } = this.abi.structs.__kernel_timespec;
        return [timespec(abi, this.#sys.view(address, size)), named(bits, 'IORING_TIMEOUT_'), how];
      }
      case 'IORING_OP_ASYNC_CANCEL':
        return [this.#target(entries, at), named(bits, 'IORING_ASYNC_CANCEL_'), how];
      default:
        return [how];
    }
  }

  /** The operation that a cancellation is for, unless it is for more than one. */
  #target(entries: DataView, at: number): string {
    const { addr, msg_flags } = this.abi.structs.io_uring_sqe.fields;
    const { IORING_ASYNC_CANCEL_ANY } = this.abi.constants;
    if ((readUnsigned(entries, at, msg_flags) & IORING_ASYNC_CANCEL_ANY) !== 0) return '';
    const words = this.#operations.get(readBigUnsigned(entries, at, addr));
    return words === undefined ? '' : `${words})`;
  }

  /** `IORING_OP_RECV(7, "hello\n") = 6 (IORING_CQE_F_MORE)`. */
  #result(queues: DataView, at: number): string {
    const { fields } = this.abi.structs.io_uring_cqe;
    const { IORING_CQE_F_MORE, IORING_CQE_F_BUFFER } = this.abi.constants;
    const data = readBigUnsigned(queues, at, fields.user_data);
    const result = readSigned(queues, at, fields.res);
    const bits = readUnsigned(queues, at, fields.flags);
    const words = this.#operations.get(data) ?? `?(user_data=0x${data.toString(16)}`;
    const goesOn = (bits & IORING_CQE_F_MORE) !== 0;
    if (!goesOn) this.#operations.delete(data);
    const lent = (bits & IORING_CQE_F_BUFFER) !== 0 && result > 0;
    const bytes = lent ? `, ${this.#received(bits, result)}` : '';
    const more = goesOn ? ' (IORING_CQE_F_MORE)' : '';
    return `${words}${bytes})${format.outcome(this.#sys, result)}${more}`;
  }

  /** What lies in the buffer that the flags of a completion name. */
  #received(bits: number, length: number): string {
    const id = bits >>> this.abi.constants.IORING_CQE_BUFFER_SHIFT;
    const { size, fields } = this.abi.structs.io_uring_buf;
    if (this.#bufferCount === 0) return '?';
    const ring = viewOf(this.#sys.view(this.#buffersAt, this.#bufferCount * size));
    for (let entry = 0; entry < this.#bufferCount; entry++) {
      const address = readUnsigned(ring, entry * size, fields.addr);
      if (address === 0 || readUnsigned(ring, entry * size, fields.bid) !== id) continue;
      return this.#bytes(address, length);
    }
    return '?';
  }

  #bytes(address: number, length: number): string {
    if (length === 0) return '""';
    return format.bytesLiteral(this.#sys.view(address, length), 0, length);
  }
}

/** `IORING_OP_RECV`; the number of one that is not in the table. */
function nameOf(abi: IoUringAbi, opcode: number): string {
  const known = Object.entries(abi.constants);
  const found = known.find(([name, value]) => value === opcode && name.startsWith('IORING_OP_'));
  return found?.[0] ?? `operation ${opcode}`;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
