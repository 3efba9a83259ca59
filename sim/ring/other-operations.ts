import { readSigned } from '#src/sys/struct.js';
import type { Kernel } from '../kernel.ts';
import { type OpenFile, Ready } from '../open-file.ts';
import { observe } from '../readiness.ts';
import { Operation, type OperationHost, WAITS } from './operation.ts';
import type { Entry } from './queues.ts';

const NS_PER_S = 1_000_000_000;

/** IORING_OP_POLL_ADD, once or at each change. */
export class PollOperation extends Operation {
  readonly #kernel: Kernel;
  readonly #multishot: boolean;
  /** The activity of the file when it was told of last. */
  #seen = -1;

  constructor(host: OperationHost, kernel: Kernel, entry: Entry, file: OpenFile) {
    super(host, entry, file);
    this.#kernel = kernel;
    const multishot = kernel.abi.ioUring?.constants.IORING_POLL_ADD_MULTI ?? 0;
    if ((entry.length & ~multishot) !== 0) throw new Error('flags of a poll: not simulated');
    this.#multishot = entry.length !== 0;
  }

  /** The end of the peer's side is always told: IO_POLL_UNMASK. */
  get wanted(): number {
    return (this.entry.opFlags & 0xff) | Ready.rdhup;
  }

  run(seen: number): number {
    const { file } = this;
    if (file === null) return WAITS;
    const activity = file.readActivity + file.writeActivity;
    if (this.#multishot && activity === this.#seen) return WAITS;
    const found = seen !== 0 ? seen : observe(this.#kernel, file, this.wanted);
    if (found === 0) return WAITS;
    const ready = found & (this.wanted | Ready.err | Ready.hup);
    this.#seen = activity;
    if (!this.#multishot || this.#kernel.faults.fires('multishotEnd')) return ready;
    return this.host.postMore(this, ready, 0) ? WAITS : ready;
  }
}

/** IORING_OP_TIMEOUT of a relative time, once or again and again. */
export class TimeoutOperation extends Operation {
  readonly #kernel: Kernel;
  readonly #periodNs: number;
  readonly #multishot: boolean;
  #atNs = 0;

  constructor(host: OperationHost, kernel: Kernel, entry: Entry, multishot: boolean) {
    super(host, entry, null);
    this.#kernel = kernel;
    this.#multishot = multishot;
    const layout = kernel.abi.ioUring?.structs.__kernel_timespec;
    if (layout === undefined) throw new Error('this platform has no io_uring');
    const bytes = kernel.memory.at(entry.address, layout.size);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const seconds = readSigned(view, 0, layout.fields.tv_sec);
    this.#periodNs = seconds * NS_PER_S + readSigned(view, 0, layout.fields.tv_nsec);
    this.#arm();
  }

  #arm(): void {
    this.#atNs = this.#kernel.clock.nowNs + this.#periodNs;
    this.#kernel.lookAgain(this.#periodNs);
  }

  get wanted(): number {
    return 0;
  }

  override get due(): boolean {
    return this.#kernel.clock.nowNs >= this.#atNs;
  }

  run(): number {
    if (!this.due) return WAITS;
    const expired = -(this.#kernel.errno['ETIME'] ?? 62);
    if (!this.#multishot || this.#kernel.faults.fires('multishotEnd')) return expired;
    if (!this.host.postMore(this, expired, 0)) return expired;
    this.#arm();
    return WAITS;
  }
}
