import { type Kernel, PENDING } from '../kernel.ts';
import { OpenFile, Ready } from '../open-file.ts';
import { observe } from '../readiness.ts';
import type { SocketCalls } from '../socket-calls.ts';
import { SimSocket } from '../sockets.ts';
import type { TransferCalls } from '../transfer-calls.ts';
import type { BufferGroup } from './buffer-group.ts';
import { type Operation, WAITS } from './operation.ts';
import {
  AcceptOperation,
  ConnectOperation,
  ReceiveOperation,
  type RingParts,
  SendOperation,
} from './operations.ts';
import { PollOperation, TimeoutOperation } from './other-operations.ts';
import type { Entry, Queues } from './queues.ts';

/** What a ring of one version of Linux can do, and another cannot. */
export interface RingAbilities {
  /** IORING_SETUP_NO_SQARRAY: Linux 6.6. */
  readonly noSqArray: boolean;
  /** IORING_TIMEOUT_MULTISHOT: Linux 6.4. */
  readonly periodicTimeouts: boolean;
  /** The limit of a multishot receive: Linux 6.17. */
  readonly limitedReceives: boolean;
}

/** A completion that the queue has no room for. */
type HeldBack = readonly [dataLow: number, dataHigh: number, result: number, flags: number];

/**
 * A ring with IORING_SETUP_DEFER_TASKRUN: what an operation brings at its submission is posted at
 * once, everything else inside of io_uring_enter(2) with IORING_ENTER_GETEVENTS.
 */
export class RingFile extends OpenFile implements RingParts {
  readonly queues: Queues;
  readonly groups = new Map<number, BufferGroup>();
  override readonly kernel: Kernel;
  readonly sockets: SocketCalls;
  readonly transfers: TransferCalls;
  readonly #abilities: RingAbilities;
  /** The operations in flight, in the order of their submission. */
  #flight: Operation[] = [];
  #heldBack: HeldBack[] = [];

  constructor(
    kernel: Kernel,
    sockets: SocketCalls,
    transfers: TransferCalls,
    queues: Queues,
    abilities: RingAbilities,
  ) {
    super(kernel);
    this.kernel = kernel;
    this.sockets = sockets;
    this.transfers = transfers;
    this.queues = queues;
    this.#abilities = abilities;
  }

  get #abi() {
    const { ioUring } = this.kernel.abi;
    if (ioUring === null) throw new Error('this platform has no io_uring');
    return ioUring.constants;
  }

  override get kind(): string {
    return `ring (${this.#flight.length} in flight, ${this.queues.posted} posted)`;
  }

  /** The operations in flight that were not cancelled. */
  get inFlight(): readonly Operation[] {
    return this.#flight.filter(({ cancelled }) => !cancelled);
  }

  poll(): number {
    return this.queues.posted > 0 ? Ready.in : 0;
  }

  override mapping(offset: number): Uint8Array | null {
    if (offset === this.#abi.IORING_OFF_SQ_RING) return this.queues.rings;
    return offset === this.#abi.IORING_OFF_SQES ? this.queues.sqes : null;
  }

  /** Takes at most `count` entries. Returns how many. */
  submit(count: number): number {
    for (const group of this.groups.values()) group.look();
    const most = Math.min(count, this.queues.submitted);
    for (let taken = 0; taken < most; taken += 1) {
      const entry = this.queues.take();
      if (entry !== null) this.#begin(entry);
    }
    return most;
  }

  #begin(entry: Entry): void {
    const { trace } = this.kernel;
    for (const word of [entry.opcode, entry.fd, entry.length, entry.dataLow]) trace.mix(word);
    const op = this.#abi;
    if (entry.opcode === op.IORING_OP_NOP) {
      this.#end(entry, 0, 0, false);
    } else if (entry.opcode === op.IORING_OP_ASYNC_CANCEL) {
      const result = this.#cancel(entry);
      this.#end(entry, result, 0, result < 0);
    } else {
      const operation = this.#operationOf(entry);
      if (typeof operation === 'number') this.#end(entry, operation, 0, true);
      else this.#start(operation);
    }
  }

  #start(operation: Operation): void {
    if (operation.file !== null) operation.file.references += 1;
    this.#flight.push(operation);
    this.#settle(operation, operation.run(0));
  }

  /** The operation of an entry, or why there is none: `-errno`. */
  #operationOf(entry: Entry): Operation | number {
    const { EBADF, EINVAL } = this.kernel.errno;
    const op = this.#abi;
    if (entry.opcode === op.IORING_OP_TIMEOUT) return this.#timeoutOf(entry);
    if (entry.opcode === op.IORING_OP_RECV && !this.#isReceive(entry)) return -EINVAL;
    const file = this.kernel.descriptors.get(entry.fd);
    if (file === undefined) return -EBADF;
    if (entry.opcode === op.IORING_OP_POLL_ADD) {
      return new PollOperation(this, this.kernel, entry, file);
    }
    if (!(file instanceof SimSocket)) return -this.kernel.errno.ENOTSOCK;
    switch (entry.opcode) {
      case op.IORING_OP_ACCEPT:
        return new AcceptOperation(this, entry, file);
      case op.IORING_OP_RECV:
        return new ReceiveOperation(this, entry, file);
      case op.IORING_OP_SEND:
        return new SendOperation(this, entry, file);
      case op.IORING_OP_CONNECT:
        return new ConnectOperation(this, entry, file);
      default:
        return -EINVAL;
    }
  }

  #timeoutOf(entry: Entry): Operation | number {
    const multishot = (entry.opFlags & this.#abi.IORING_TIMEOUT_MULTISHOT) !== 0;
    const known = multishot ? this.#abi.IORING_TIMEOUT_MULTISHOT : 0;
    const isKnown = entry.opFlags === known && entry.length === 1 && entry.offset === 0;
    if (!isKnown || (multishot && !this.#abilities.periodicTimeouts)) {
      return -this.kernel.errno.EINVAL;
    }
    return new TimeoutOperation(this, this.kernel, entry, multishot);
  }

  /** Whether an entry is a receive that this kernel knows: into a provided buffer. */
  #isReceive(entry: Entry): boolean {
    if ((entry.flags & this.#abi.IOSQE_BUFFER_SELECT) === 0) {
      throw new Error('a simulated ring receives into provided buffers only');
    }
    const limited = entry.fileIndex !== 0;
    return entry.offset === 0 && (!limited || this.#abilities.limitedReceives);
  }

  /** IORING_OP_ASYNC_CANCEL: 0, how many, or `-errno`. */
  #cancel({ opFlags, address }: Entry): number {
    const { IORING_ASYNC_CANCEL_ALL, IORING_ASYNC_CANCEL_ANY } = this.#abi;
    const { ENOENT, EALREADY } = this.kernel.errno;
    const all = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY;
    if (opFlags !== 0 && opFlags !== all) throw new Error(`cancel_flags ${opFlags}: not simulated`);
    let found = 0;
    for (const operation of this.#flight) {
      const { entry, cancelled, lateUntilNs } = operation;
      if (cancelled) continue;
      if (opFlags === 0 && entry.dataLow + entry.dataHigh * 2 ** 32 !== address) continue;
      if (lateUntilNs > 0) {
        // It is being done, and nothing stops it.
        if (opFlags === 0) return -EALREADY;
        continue;
      }
      operation.cancelled = true;
      found += 1;
      if (opFlags === 0) return 0;
    }
    return opFlags === 0 ? -ENOENT : found;
  }

  /** An operation has run: it waits, has ended, or its end is told later. */
  #settle(operation: Operation, result: number): void {
    if (result === WAITS) return;
    const { kernel } = this;
    if (operation.mayBeLate && kernel.faults.fires('lateCompletion')) {
      const delayNs = kernel.faultNs('lateCompletion');
      operation.lateResult = result;
      operation.lateUntilNs = kernel.clock.nowNs + delayNs;
      kernel.lookAgain(delayNs);
      return;
    }
    this.#finish(operation, result);
  }

  #finish(operation: Operation, result: number): void {
    this.#flight = this.#flight.filter((one) => one !== operation);
    operation.file?.release();
    const failed = operation instanceof SendOperation ? operation.failed(result) : result < 0;
    this.#end(operation.entry, result, operation.flags, failed);
  }

  /** Posts the last completion of an entry, unless it is to be silent about success. */
  #end(entry: Entry, result: number, flags: number, failed: boolean): void {
    const quiet = (entry.flags & this.#abi.IOSQE_CQE_SKIP_SUCCESS) !== 0;
    if (quiet && !failed) return;
    if (this.#heldBack.length === 0 && this.#post(entry, result, flags)) return;
    this.#heldBack.push([entry.dataLow, entry.dataHigh, result, flags]);
    this.queues.flag(this.#abi.IORING_SQ_CQ_OVERFLOW, true);
  }

  #post(entry: Entry, result: number, flags: number): boolean {
    const { kernel } = this;
    if (!this.queues.post(entry.dataLow, entry.dataHigh, result, flags)) return false;
    kernel.trace.note(kernel.clock.nowNs, 'completion', entry.opcode, entry.fd, flags, result);
    return true;
  }

  postMore({ entry }: Operation, result: number, flags: number): boolean {
    if (this.#heldBack.length > 0) return false;
    return this.#post(entry, result, flags | this.#abi.IORING_CQE_F_MORE);
  }

  /** Runs what can go on, and posts what was held back. */
  work(): void {
    const { kernel } = this;
    const runs: [Operation, number][] = [];
    for (const operation of this.#flight) {
      const ready = this.#readiness(operation);
      if (ready !== 0) runs.push([operation, ready]);
    }
    for (const [operation, ready] of kernel.faults.reordered(runs)) {
      if (operation.cancelled) this.#finishCancelled(operation);
      else if (operation.lateUntilNs > 0) this.#finish(operation, operation.lateResult);
      else this.#settle(operation, operation.run(ready));
    }
    this.#postHeldBack();
  }

  /** The bits that an operation runs for; any for one that runs without. */
  #readiness(operation: Operation): number {
    const { kernel } = this;
    const { file, wanted, cancelled, lateUntilNs } = operation;
    if (cancelled) return -1;
    if (lateUntilNs > 0) return kernel.clock.nowNs >= lateUntilNs ? -1 : 0;
    if (wanted === 0 || file === null) return operation.due ? -1 : 0;
    return observe(kernel, file, wanted);
  }

  #finishCancelled(operation: Operation): void {
    operation.flags = 0;
    this.#finish(operation, -(this.kernel.errno['ECANCELED'] ?? 125));
  }

  #postHeldBack(): void {
    if (this.#heldBack.length === 0) return;
    let count = 0;
    for (const completion of this.#heldBack) {
      if (!this.queues.post(...completion)) break;
      count += 1;
    }
    this.#heldBack = this.#heldBack.slice(count);
    if (this.#heldBack.length > 0) return;
    this.queues.flag(this.#abi.IORING_SQ_CQ_OVERFLOW, false);
  }

  /** Waits for `count` completions: 0, `-ETIME` or `-EINTR`. */
  wait(count: number, timeoutNs: number): number {
    const scan = (): number => {
      this.work();
      return this.queues.posted >= Math.min(count, this.queues.completions) ? 0 : PENDING;
    };
    const result = this.kernel.wait('io_uring_enter', scan, timeoutNs);
    if (this.queues.posted > 0) return 0;
    return result === PENDING ? -(this.kernel.errno['ETIME'] ?? 62) : result;
  }

  close(): void {
    for (const operation of this.#flight) operation.file?.release();
    this.#flight = [];
  }
}
