import type { IoUringAbi } from '../abi/abi.ts';
import { readBigUnsigned, readSigned, readUnsigned } from '../struct.ts';
import type { Sys } from '../sys.ts';
import * as format from './format.ts';
import { timespec } from './poll.ts';
import { prefixed } from './ring.ts';

/**
 * The operations that pass through the queues of traced rings. The arguments of io_uring_enter(2)
 * do not show them: they are in the memory of the ring.
 */
export class TracedRings {
  readonly #sys: Sys;
  readonly #byFd = new Map<number, TracedRing>();
  /** Rings registered with the thread, by their index there. */
  readonly #byIndex = new Map<number, TracedRing>();

  constructor(sys: Sys) {
    this.#sys = sys;
  }

  /** io_uring_setup(2) returned `fd` and filled in `params`. */
  setUp(fd: number, params: Uint8Array): void {
    const abi = this.#sys.abi.ioUring;
    if (abi !== null && fd >= 0) this.#byFd.set(fd, new TracedRing(this.#sys, abi, params.slice()));
  }

  /** mmap(2) of `fd` returned `address`. */
  mapped(fd: number, offset: number, address: number, length: number): void {
    if (address >= 0) this.#byFd.get(fd)?.mapped(offset, address, length);
  }

  /** io_uring_register(2) of `fd` returned `result`. */
  registered(fd: number, opcode: number, arg: number, result: number): void {
    const ring = this.#byFd.get(fd);
    if (ring === undefined || result < 0) return;
    const { constants, structs } = ring.abi;
    if (opcode === constants.IORING_REGISTER_PBUF_RING) ring.buffersRegistered(arg);
    if (opcode !== constants.IORING_REGISTER_RING_FDS || result !== 1) return;
    const { size, fields } = structs.io_uring_rsrc_update;
    const update = viewOf(this.#sys.view(arg, size));
    this.#byIndex.set(readUnsigned(update, 0, fields.offset), ring);
  }

  /** The ring of an io_uring_enter(2) that begins; undefined for a ring that is not traced. */
  entered(fd: number, flags: number): TracedRing | undefined {
    const registered = this.#sys.abi.ioUring?.constants.IORING_ENTER_REGISTERED_RING ?? 0;
    const ring = ((flags & registered) === 0 ? this.#byFd : this.#byIndex).get(fd);
    return ring?.begin() === true ? ring : undefined;
  }

  /** close(2) of `fd`: the memory of the ring may be unmapped next. */
  closed(fd: number): void {
    const ring = this.#byFd.get(fd);
    this.#byFd.delete(fd);
    for (const [index, other] of this.#byIndex) if (other === ring) this.#byIndex.delete(index);
  }
}

/** How many pending operations are remembered; the oldest is forgotten first. */
const OPERATIONS_MAX = 65536;

/** One ring, and the state of its queues at the begin of the last call. */
class TracedRing {
  readonly abi: IoUringAbi;
  readonly #sys: Sys;
  readonly #params: DataView;
  #queues: DataView | null = null;
  #entries: DataView | null = null;
  /** The address of the ring of provided buffers, and how many entries it has. */
  #buffersAt = 0;
  #bufferCount = 0;
  #submitted = 0;
  #completed = 0;
  /** Pending operations, by their user_data. */
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

  buffersRegistered(registration: number): void {
    const { size, fields } = this.abi.structs.io_uring_buf_reg;
    const view = viewOf(this.#sys.view(registration, size));
    this.#buffersAt = readUnsigned(view, 0, fields.ring_addr);
    this.#bufferCount = readUnsigned(view, 0, fields.ring_entries);
  }

  /** A call begins. Returns false if the queues are not mapped. */
  begin(): boolean {
    if (this.#queues === null || this.#entries === null) return false;
    this.#submitted = this.#word(this.#queues, this.#submission('head'));
    this.#completed = this.#word(this.#queues, this.#completion('tail'));
    return true;
  }

  /** `, {ts={tv_sec=0, tv_nsec=500000000}}` if the call has a timeout, else nothing. */
  timeout(flags: number, arg: number): string {
    if ((flags & this.abi.constants.IORING_ENTER_EXT_ARG) === 0 || arg === 0) return '';
    const { io_uring_getevents_arg, __kernel_timespec } = this.abi.structs;
    const view = viewOf(this.#sys.view(arg, io_uring_getevents_arg.size));
    const at = readUnsigned(view, 0, io_uring_getevents_arg.fields.ts);
    const bytes = at === 0 ? null : this.#sys.view(at, __kernel_timespec.size);
    return `, {ts=${timespec(this.#sys.abi, bytes)}}`;
  }

  /** A line for each entry that the call consumed, and for each completion that it posted. */
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

  /** The offset of a word of the submission queue. */
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
    const slot = index & (count - 1);
    // 0 with IORING_SETUP_NO_SQARRAY.
    const array = this.#submission('array');
    const entry = array === 0 ? slot : this.#word(queues, array + slot * 4);
    return entry * io_uring_sqe.size;
  }

  #resultAt(index: number): number {
    const { io_uring_params, io_uring_cqe } = this.abi.structs;
    const count = readUnsigned(this.#params, 0, io_uring_params.fields.cq_entries);
    return this.#completion('cqes') + (index & (count - 1)) * io_uring_cqe.size;
  }

  /** `IORING_OP_SEND(7, "hello\n", 6, MSG_NOSIGNAL)`; remembered until its last completion. */
  #entry(entries: DataView, at: number): string {
    const { fields } = this.abi.structs.io_uring_sqe;
    const fd = readSigned(entries, at, fields.fd);
    const opcode = readUnsigned(entries, at, fields.opcode);
    const name = nameOf(this.abi, opcode);
    const target = fd < 0 ? '' : String(fd);
    const data = readBigUnsigned(entries, at, fields.user_data);
    const others = this.#arguments(entries, at, name);
    this.#remember(data, `${name}(${target}`);
    return `${name}(${[target, ...others].filter((text) => text !== '').join(', ')})`;
  }

  #remember(data: bigint, call: string): void {
    this.#operations.delete(data);
    this.#operations.set(data, call);
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
        // A connect has the length of its address in the field of the offset.
        const bytes = readUnsigned(entries, at, fields.off);
        return [format.sockaddr(abi, this.#sys.view(address, bytes), bytes), `${bytes}`, how];
      }
      case 'IORING_OP_POLL_ADD':
        return [
          format.flags(abi, bits, ['POLLIN', 'POLLOUT']),
          length === 0 ? '' : 'IORING_POLL_ADD_MULTI',
          how,
        ];
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

  /** The operation that a cancellation targets; empty if it may be several. */
  #target(entries: DataView, at: number): string {
    const { addr, msg_flags } = this.abi.structs.io_uring_sqe.fields;
    const { IORING_ASYNC_CANCEL_ANY } = this.abi.constants;
    if ((readUnsigned(entries, at, msg_flags) & IORING_ASYNC_CANCEL_ANY) !== 0) return '';
    const call = this.#operations.get(readBigUnsigned(entries, at, addr));
    return call === undefined ? '' : `${call})`;
  }

  /** `IORING_OP_RECV(7, "hello\n") = 6 (IORING_CQE_F_MORE)`. */
  #result(queues: DataView, at: number): string {
    const { fields } = this.abi.structs.io_uring_cqe;
    const { IORING_CQE_F_MORE, IORING_CQE_F_BUFFER } = this.abi.constants;
    const data = readBigUnsigned(queues, at, fields.user_data);
    const result = readSigned(queues, at, fields.res);
    const bits = readUnsigned(queues, at, fields.flags);
    const call = this.#operations.get(data) ?? `?(user_data=0x${data.toString(16)}`;
    const hasMore = (bits & IORING_CQE_F_MORE) !== 0;
    if (!hasMore) this.#operations.delete(data);
    const hasBuffer = (bits & IORING_CQE_F_BUFFER) !== 0 && result > 0;
    const bytes = hasBuffer ? `, ${this.#received(bits, result)}` : '';
    const more = hasMore ? ' (IORING_CQE_F_MORE)' : '';
    return `${call}${bytes})${format.outcome(this.#sys, result)}${more}`;
  }

  /** The bytes in the buffer that the flags of a completion name. */
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

/** `IORING_OP_RECV`; the number for one that is not in the table. */
function nameOf(abi: IoUringAbi, opcode: number): string {
  const known = Object.entries(abi.constants);
  const found = known.find(([name, value]) => value === opcode && name.startsWith('IORING_OP_'));
  return found?.[0] ?? `operation ${opcode}`;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
