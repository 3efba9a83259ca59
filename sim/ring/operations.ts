import type { SocketAddress } from '#src/sys/sockaddr.js';
import type { Kernel } from '../kernel.ts';
import { Ready } from '../open-file.ts';
import type { SocketCalls } from '../socket-calls.ts';
import type { SimSocket } from '../sockets.ts';
import { TcpSocket } from '../tcp-sockets.ts';
import type { TransferCalls } from '../transfer-calls.ts';
import type { BufferGroup } from './buffer-group.ts';
import { Operation, type OperationHost, WAITS } from './operation.ts';
import type { Entry } from './queues.ts';

/** The parts of the kernel that operations work with. */
export interface RingParts extends OperationHost {
  readonly kernel: Kernel;
  readonly sockets: SocketCalls;
  readonly transfers: TransferCalls;
  readonly groups: ReadonlyMap<number, BufferGroup>;
}

/** A multishot operation yields after so many rounds: MULTISHOT_MAX_RETRY. */
const ROUNDS_MAX = 32;

/** An operation that takes, brings or makes something. */
export abstract class SocketOperation extends Operation {
  protected readonly parts: RingParts;
  protected readonly socket: SimSocket;

  constructor(parts: RingParts, entry: Entry, socket: SimSocket) {
    super(parts, entry, socket);
    this.parts = parts;
    this.socket = socket;
  }

  protected get ioUring() {
    const { ioUring } = this.parts.kernel.abi;
    if (ioUring === null) throw new Error('this platform has no io_uring');
    return ioUring.constants;
  }

  /** What waits in the kernel: it is tried again if the socket is ready after all. */
  protected waits(): typeof WAITS {
    if ((this.socket.poll() & this.wanted) !== 0) this.parts.kernel.lookAgain(1000);
    return WAITS;
  }

  /** True if a signal interrupts the thread of the kernel that does it. */
  protected get interrupted(): boolean {
    return this.parts.kernel.faults.fires('interruptedOperation');
  }
}

const NOWHERE = new Uint8Array(0);

/** IORING_OP_ACCEPT. */
export class AcceptOperation extends SocketOperation {
  get wanted(): number {
    return Ready.in;
  }

  get #multishot(): boolean {
    return (this.entry.ioprio & this.ioUring.IORING_ACCEPT_MULTISHOT) !== 0;
  }

  override get mayBeLate(): boolean {
    return !this.#multishot;
  }

  run(): number {
    const { kernel, sockets } = this.parts;
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const length = new Int32Array(1);
      const { opFlags } = this.entry;
      const fd = sockets.acceptFrom(this.socket, NOWHERE, length, opFlags, false);
      if (fd === -kernel.errno.EAGAIN) return this.waits();
      if (fd >= 0) kernel.operationsDone += 1;
      if (fd < 0 || !this.#multishot || kernel.faults.fires('multishotEnd')) return fd;
      if (!this.host.postMore(this, fd, 0)) return fd;
      if (this.socket.pending.length === 0) break;
    }
    return this.waits();
  }
}

/** IORING_OP_RECV into a provided buffer. */
export class ReceiveOperation extends SocketOperation {
  /** The bytes left of the limit of a multishot receive: Linux 6.17. */
  #left = this.entry.fileIndex === 0 ? Number.POSITIVE_INFINITY : this.entry.fileIndex;

  get wanted(): number {
    return Ready.in | Ready.rdhup;
  }

  get #multishot(): boolean {
    return (this.entry.ioprio & this.ioUring.IORING_RECV_MULTISHOT) !== 0;
  }

  override get mayBeLate(): boolean {
    return !this.#multishot;
  }

  run(): number {
    const { errno } = this.parts.kernel;
    if (this.interrupted) return -errno.EINTR;
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      this.flags = 0;
      const result = this.#receive();
      if (result === -errno.EAGAIN) return this.waits();
      if (result <= 0 || !this.#goesOn) return result;
      if (!this.host.postMore(this, result, this.flags)) return result;
      // It takes no buffer to see that there is nothing: the socket has told.
      if (this.socket.received.length === 0) break;
    }
    return this.waits();
  }

  get #goesOn(): boolean {
    if (!this.#multishot || this.#left <= 0) return false;
    return !this.parts.kernel.faults.fires('multishotEnd');
  }

  #receive(): number {
    const { kernel, transfers, groups } = this.parts;
    const { bufferGroup, length } = this.entry;
    const group = groups.get(bufferGroup);
    const buffer = group?.next ?? null;
    // The kernel takes a buffer first, and gives it back if there is nothing to receive.
    if (group === undefined || buffer === null || kernel.faults.fires('buffersOut')) {
      return -kernel.errno.ENOBUFS;
    }
    const most = Math.min(buffer.length, length === 0 ? buffer.length : length, this.#left);
    const count = transfers.receiveFrom(this.socket, kernel.memory.at(buffer.address, most));
    if (count <= 0) return count;
    const { IORING_CQE_F_BUFFER, IORING_CQE_F_SOCK_NONEMPTY } = this.ioUring;
    const more = this.socket.received.length > 0 ? IORING_CQE_F_SOCK_NONEMPTY : 0;
    this.flags = more | IORING_CQE_F_BUFFER | (buffer.id << this.ioUring.IORING_CQE_BUFFER_SHIFT);
    group.take(buffer, count);
    this.#left -= count;
    kernel.operationsDone += 1;
    return count;
  }
}

/** IORING_OP_SEND. */
export class SendOperation extends SocketOperation {
  get wanted(): number {
    return Ready.out;
  }

  get #waits(): boolean {
    return (this.entry.opFlags & this.parts.kernel.abi.constants.MSG_DONTWAIT) === 0;
  }

  override get mayBeLate(): boolean {
    return this.#waits;
  }

  run(): number {
    const { kernel, transfers } = this.parts;
    const { errno, abi } = kernel;
    const { address, length, opFlags } = this.entry;
    const all = (opFlags & abi.constants.MSG_WAITALL) !== 0;
    if (all && this.#waits) throw new Error('a simulated ring repeats no send: MSG_WAITALL');
    if (this.#waits && this.interrupted) return -errno.EINTR;
    const bytes = kernel.memory.at(address, length);
    const count = transfers.sendOn(this.socket, bytes, 0, length, opFlags, false);
    if (count === -errno.EAGAIN && this.#waits) return this.waits();
    if (count >= 0) kernel.operationsDone += 1;
    return count;
  }

  /** True if a result means failure, of which a quiet operation tells. */
  failed(result: number): boolean {
    const all = (this.entry.opFlags & this.parts.kernel.abi.constants.MSG_WAITALL) !== 0;
    return result < (all ? this.entry.length : 0);
  }
}

/** IORING_OP_CONNECT, of which the address is copied at once. */
export class ConnectOperation extends SocketOperation {
  readonly #address: SocketAddress | number;
  #begun = false;

  constructor(parts: RingParts, entry: Entry, socket: SimSocket) {
    super(parts, entry, socket);
    // The length is in `addr2`.
    const bytes = parts.kernel.memory.at(entry.address, entry.offset);
    this.#address = parts.sockets.decode(socket, bytes.slice(), entry.offset);
  }

  get wanted(): number {
    return 0;
  }

  override get mayBeLate(): boolean {
    return true;
  }

  run(): number {
    const { errno } = this.parts.kernel;
    if (typeof this.#address === 'number') return this.#address;
    if (this.#begun && this.socket instanceof TcpSocket) {
      return this.socket.connectResult() ?? WAITS;
    }
    const result = this.socket.connect(this.#address);
    if (result === -errno.EINPROGRESS) this.#begun = true;
    // A UNIX listener whose backlog is full: a thread of the kernel waits for room.
    return result === -errno.EINPROGRESS || result === -errno.EAGAIN ? WAITS : result;
  }
}
