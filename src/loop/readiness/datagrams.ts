import { Interest } from '../../poller/poller.ts';
import { BaseDatagrams } from '../datagram/base-datagrams.ts';
import type { ReadinessHandle, ReadinessOwner } from './handle.ts';

/** A socket of datagrams on a readiness backend: level-triggered. */
export class ReadinessDatagrams extends BaseDatagrams<ReadinessOwner> implements ReadinessHandle {
  registered = false;
  installed: Interest = Interest.none;
  rearm = false;
  shared: ReadinessHandle | null = null;

  get edge(): boolean {
    return false;
  }

  /** A descriptor that was taken over may be open elsewhere, and would go on being reported. */
  get outlivesClose(): boolean {
    return true;
  }

  useLevels(): void {
    // It does.
  }

  wanted(): Interest {
    const read = this.wantsDatagrams ? Interest.read : Interest.none;
    const write = this.wantsRoom ? Interest.write : Interest.none;
    return (read | write) as Interest;
  }

  ready(interest: Interest, errno: number): void {
    if (errno !== 0) this.hadError(errno);
    if ((interest & Interest.write) !== 0) this.sendWaiting();
    if ((interest & Interest.read) !== 0) this.receive();
  }

  completed(_result: number, _chunk: Uint8Array | null): void {
    // It makes its calls itself.
  }

  refused(errno: number): boolean {
    this.fail(errno);
    return true;
  }
}
