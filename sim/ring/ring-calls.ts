import type { IoUringAbi } from '#src/sys/abi/abi.js';
import { readSigned, readUnsigned, writeInteger } from '#src/sys/struct.js';
import type { FileCalls } from '../file-calls.ts';
import type { Kernel } from '../kernel.ts';
import type { SocketCalls } from '../socket-calls.ts';
import type { TransferCalls } from '../transfer-calls.ts';
import { BufferGroup } from './buffer-group.ts';
import { SocketOperation } from './operations.ts';
import { Queues } from './queues.ts';
import { type RingAbilities, RingFile } from './ring-file.ts';

/** The rings that a simulated kernel has. */
export interface SimRings extends Partial<RingAbilities> {
  /** The errno of io_uring_setup(2) where rings are forbidden or unknown: `EPERM`, `ENOSYS`. */
  readonly refusal?: string | null;
}

/** The rings of the newest kernel that the loop makes use of. */
const newest: RingAbilities = { noSqArray: true, periodicTimeouts: true, limitedReceives: true };

/** How many rings a task registers. */
const REGISTERED_MAX = 16;
/** IORING_REGISTER_RING_FDS: any free index. */
const ANY_INDEX = 0xffff_ffff;
/** The operations that IORING_REGISTER_PROBE tells of. */
const OPERATIONS = 58;
const PAGE_BYTES = 4096;
const NS_PER_S = 1_000_000_000;

/** The calls of io_uring(7). */
export class RingCalls {
  readonly #kernel: Kernel;
  readonly #sockets: SocketCalls;
  readonly #transfers: TransferCalls;
  readonly #files: FileCalls;
  readonly #refusal: string | null;
  readonly #abilities: RingAbilities;
  readonly #rings = new Set<RingFile>();
  readonly #registered = new Array<RingFile | undefined>(REGISTERED_MAX).fill(undefined);

  constructor(
    kernel: Kernel,
    sockets: SocketCalls,
    transfers: TransferCalls,
    files: FileCalls,
    { refusal = null, ...abilities }: SimRings,
  ) {
    this.#kernel = kernel;
    this.#sockets = sockets;
    this.#transfers = transfers;
    this.#files = files;
    this.#refusal = kernel.abi.ioUring === null ? 'ENOSYS' : refusal;
    this.#abilities = { ...newest, ...abilities };
  }

  get #abi(): IoUringAbi {
    const { ioUring } = this.#kernel.abi;
    if (ioUring === null) throw new Error('this platform has no io_uring');
    return ioUring;
  }

  /** The rings that are open. */
  get open(): readonly RingFile[] {
    return [...this.#rings].filter(({ released }) => !released);
  }

  #errno(name: string): number {
    return -(this.#kernel.errno[name] ?? this.#kernel.errno.EINVAL);
  }

  setup(entries: number, params: Uint8Array): number {
    if (this.#refusal !== null) return this.#errno(this.#refusal);
    const { constants: known, structs } = this.#abi;
    const { fields } = structs.io_uring_params;
    const view = new DataView(params.buffer, params.byteOffset, params.length);
    const flags = readUnsigned(view, 0, fields.flags);
    const all =
      known.IORING_SETUP_CQSIZE |
      known.IORING_SETUP_CLAMP |
      known.IORING_SETUP_SUBMIT_ALL |
      known.IORING_SETUP_SINGLE_ISSUER |
      known.IORING_SETUP_DEFER_TASKRUN |
      (this.#abilities.noSqArray ? known.IORING_SETUP_NO_SQARRAY : 0);
    const deferred = known.IORING_SETUP_SINGLE_ISSUER | known.IORING_SETUP_DEFER_TASKRUN;
    if ((flags & ~all) !== 0 || entries < 1) return this.#errno('EINVAL');
    if ((flags & deferred) !== deferred || (flags & known.IORING_SETUP_SUBMIT_ALL) === 0) {
      throw new Error('a simulated ring runs deferred, and submits all');
    }
    if (this.#kernel.faults.fires('ringRefused')) return this.#errno('ENOMEM');
    const most = this.#kernel.limits.ringEntriesMax;
    const submissions = Math.min(powerOfTwo(entries), most);
    const wanted = readUnsigned(view, 0, fields.cq_entries);
    const sized = (flags & known.IORING_SETUP_CQSIZE) !== 0;
    const completions = Math.min(sized ? powerOfTwo(wanted) : 2 * submissions, 2 * most);
    const withArray = (flags & known.IORING_SETUP_NO_SQARRAY) === 0;
    const queues = new Queues(submissions, Math.max(completions, submissions), withArray);
    queues.describe(this.#abi, view);
    writeInteger(view, 0, fields.features, this.#features);
    return this.#open(queues);
  }

  get #features(): number {
    const { constants: known } = this.#abi;
    return (
      known.IORING_FEAT_SINGLE_MMAP |
      known.IORING_FEAT_NODROP |
      known.IORING_FEAT_SUBMIT_STABLE |
      known.IORING_FEAT_FAST_POLL |
      known.IORING_FEAT_EXT_ARG |
      known.IORING_FEAT_CQE_SKIP
    );
  }

  #open(queues: Queues): number {
    const parts = [this.#kernel, this.#sockets, this.#transfers] as const;
    const ring = new RingFile(...parts, queues, this.#abilities);
    const fd = this.#files.install(ring, false, true);
    if (fd >= 0) this.#rings.add(ring);
    return fd;
  }

  /** The ring of a descriptor, or `-errno`. */
  #at(fd: number): RingFile | number {
    const file = this.#kernel.descriptors.get(fd);
    if (file === undefined) return this.#errno('EBADF');
    return file instanceof RingFile ? file : this.#errno('EOPNOTSUPP');
  }

  enter(
    fd: number,
    toSubmit: number,
    minComplete: number,
    flags: number,
    arg: number,
    argBytes: number,
  ): number {
    const { constants: known } = this.#abi;
    const { faults } = this.#kernel;
    const registered = (flags & known.IORING_ENTER_REGISTERED_RING) !== 0;
    const ring = registered ? (this.#registered[fd] ?? this.#errno('EBADF')) : this.#at(fd);
    if (typeof ring === 'number') return ring;
    if (faults.fires('enterRefused')) {
      const isMemory = toSubmit > 0 && faults.dice('enterRefused').chance(0.5);
      return this.#errno(isMemory ? 'EAGAIN' : 'EBUSY');
    }
    const cut = toSubmit > 1 && faults.fires('partialSubmit');
    const most = cut ? faults.dice('partialSubmit').between(1, toSubmit - 1) : toSubmit;
    const taken = ring.submit(most);
    if (taken !== toSubmit || (flags & known.IORING_ENTER_GETEVENTS) === 0) return taken;
    const timed = (flags & known.IORING_ENTER_EXT_ARG) !== 0;
    const timeoutNs = timed ? this.#timeout(arg, argBytes) : Number.POSITIVE_INFINITY;
    const waited = ring.wait(minComplete, timeoutNs);
    return taken > 0 ? taken : waited;
  }

  /** Reads an io_uring_getevents_arg. */
  #timeout(arg: number, argBytes: number): number {
    const { io_uring_getevents_arg, __kernel_timespec } = this.#abi.structs;
    if (argBytes !== io_uring_getevents_arg.size) throw new Error(`an argument of ${argBytes}`);
    const at = readUnsigned(this.#viewAt(arg, argBytes), 0, io_uring_getevents_arg.fields.ts);
    if (at === 0) return Number.POSITIVE_INFINITY;
    const view = this.#viewAt(at, __kernel_timespec.size);
    const seconds = readSigned(view, 0, __kernel_timespec.fields.tv_sec);
    return seconds * NS_PER_S + readSigned(view, 0, __kernel_timespec.fields.tv_nsec);
  }

  #viewAt(address: number, length: number): DataView {
    const bytes = this.#kernel.memory.at(address, length);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  register(fd: number, opcode: number, arg: number, count: number): number {
    const { constants: known } = this.#abi;
    const ring = this.#at(fd);
    if (typeof ring === 'number') return ring;
    if (opcode === known.IORING_UNREGISTER_RING_FDS) return this.#unregisterRing(arg);
    if (this.#kernel.faults.fires('ringRefused')) return this.#errno('ENOMEM');
    switch (opcode) {
      case known.IORING_REGISTER_PROBE:
        return this.#probe(arg, count);
      case known.IORING_REGISTER_RING_FDS:
        return this.#registerRing(arg);
      case known.IORING_REGISTER_PBUF_RING:
        return this.#registerBuffers(ring, arg);
      default:
        return this.#errno('EINVAL');
    }
  }

  #probe(arg: number, count: number): number {
    const { constants: known, structs } = this.#abi;
    const { io_uring_probe: head, io_uring_probe_op: entry } = structs;
    const view = this.#viewAt(arg, head.size + count * entry.size);
    const most = Math.min(count, OPERATIONS);
    writeInteger(view, 0, head.fields.last_op, OPERATIONS - 1);
    writeInteger(view, 0, head.fields.ops_len, most);
    for (let op = 0; op < most; op += 1) {
      const base = head.size + op * entry.size;
      writeInteger(view, base, entry.fields.op, op);
      writeInteger(view, base, entry.fields.flags, known.IO_URING_OP_SUPPORTED);
    }
    return 0;
  }

  /** Of one ring: the number of those registered, or `-errno`. */
  #registerRing(arg: number): number {
    const { size, fields } = this.#abi.structs.io_uring_rsrc_update;
    const view = this.#viewAt(arg, size);
    const ring = this.#at(readUnsigned(view, 0, fields.data));
    if (typeof ring === 'number') return ring;
    if (readUnsigned(view, 0, fields.offset) !== ANY_INDEX) throw new Error('not simulated');
    const index = this.#registered.indexOf(undefined);
    if (index < 0) return this.#errno('EBUSY');
    ring.references += 1;
    this.#registered[index] = ring;
    writeInteger(view, 0, fields.offset, index);
    return 1;
  }

  #unregisterRing(arg: number): number {
    const { size, fields } = this.#abi.structs.io_uring_rsrc_update;
    const index = readUnsigned(this.#viewAt(arg, size), 0, fields.offset);
    const ring = this.#registered[index];
    if (ring === undefined) return this.#errno('EINVAL');
    this.#registered[index] = undefined;
    ring.release();
    return 1;
  }

  /** The thread of some of `fds` has ended: so has what its rings had in flight, and registered. */
  threadEnded(fds: readonly number[]): void {
    for (const fd of fds) {
      const ring = this.#at(fd);
      if (typeof ring === 'number') continue;
      ring.close();
      const index = this.#registered.indexOf(ring);
      if (index < 0) continue;
      this.#registered[index] = undefined;
      ring.release();
    }
  }

  #registerBuffers(ring: RingFile, arg: number): number {
    const { size, fields } = this.#abi.structs.io_uring_buf_reg;
    const view = this.#viewAt(arg, size);
    const address = readUnsigned(view, 0, fields.ring_addr);
    const count = readUnsigned(view, 0, fields.ring_entries);
    const group = readUnsigned(view, 0, fields.bgid);
    if (address % PAGE_BYTES !== 0 || count !== powerOfTwo(count)) return this.#errno('EINVAL');
    if (ring.groups.has(group)) return this.#errno('EEXIST');
    ring.groups.set(group, new BufferGroup(this.#kernel, address, count));
    return 0;
  }

  /**
   * Notes a close(2) with operations in flight that may still take or bring bytes. Who polls a
   * descriptor that is another's may see it close, and a closed ring ends its polls and timeouts.
   */
  closing(fd: number): void {
    const { complaints, descriptors } = this.#kernel;
    const file = descriptors.get(fd);
    for (const ring of this.open) {
      for (const operation of ring.inFlight) {
        if (!(operation instanceof SocketOperation)) continue;
        const { opcode, fd: of } = operation.entry;
        // Another ring may have an operation on a duplicate.
        if ((operation.file !== file || of !== fd) && ring !== file) continue;
        complaints.push(`descriptor ${fd} was closed, and operation ${opcode} of ${of} in flight`);
      }
    }
  }
}

function powerOfTwo(count: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, count)));
}
