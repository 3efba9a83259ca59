import { acceptStream } from '../sys/descriptors.ts';
import { SOCKADDR_BYTES_MAX } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { noteClosing, noteOpened } from '../sys/thread-resources.ts';
import { ACCEPTS_PER_TURN } from './limits.ts';

const address = new Uint8Array(SOCKADDR_BYTES_MAX);
const length = new Int32Array(1);

/**
 * A descriptor reserved for running out of them: law 11.
 *
 * A connection that cannot be accepted stays in the queue, and its client waits for ever. Closing
 * the reserve for a moment allows to accept and close it, which tells the client.
 */
export class ReserveDescriptor {
  readonly #sys: Sys;
  #fd: number;

  constructor(sys: Sys) {
    this.#sys = sys;
    this.#fd = this.#open();
  }

  /** The descriptor, if it is open. */
  get fds(): readonly number[] {
    return this.#fd < 0 ? [] : [this.#fd];
  }

  #open(): number {
    const { O_RDONLY, O_CLOEXEC } = this.#sys.abi.constants;
    const fd = this.#sys.open('/dev/null', O_RDONLY | O_CLOEXEC);
    if (fd >= 0) noteOpened(fd);
    return fd;
  }

  /** Turns away waiting connections of `listener`. Returns how many. */
  shed(listener: number): number {
    this.close();
    let shed = 0;
    while (shed < ACCEPTS_PER_TURN) {
      length[0] = address.length;
      const fd = acceptStream(this.#sys, listener, address, length, true);
      if (fd < 0) break;
      this.#sys.close(fd);
      shed += 1;
    }
    this.#fd = this.#open();
    return shed;
  }

  close(): void {
    if (this.#fd >= 0) {
      noteClosing(this.#fd);
      this.#sys.close(this.#fd);
    }
    this.#fd = -1;
  }
}
