import type { Interest } from '../../poller/poller.ts';
import { LevelHandle, type ReadinessHandle, type ReadinessOwner } from './handle.ts';

/**
 * Several handles of one descriptor on a readiness backend: a poller has one registration per
 * descriptor. It is registered level-triggered for the union of their interests, and passes to each
 * what that is interested in.
 */
export class SharedFd extends LevelHandle {
  readonly #members: ReadinessHandle[] = [];

  constructor(owner: ReadinessOwner, fd: number) {
    super(owner, fd);
  }

  override get ownsFd(): boolean {
    return false;
  }

  get members(): readonly ReadinessHandle[] {
    return this.#members;
  }

  /** Adds a handle that is not registered with the poller. */
  add(handle: ReadinessHandle): void {
    handle.shared = this;
    handle.useLevels();
    this.#members.push(handle);
  }

  drop(handle: ReadinessHandle): void {
    const at = this.#members.indexOf(handle);
    if (at >= 0) this.#members.splice(at, 1);
  }

  wanted(): Interest {
    let wanted = 0;
    for (const member of this.#members) wanted |= member.wanted();
    return wanted as Interest;
  }

  ready(interest: Interest, errno: number): void {
    // A callback may end or add members.
    for (const member of [...this.#members]) {
      if (member.gone) continue;
      const ready = interest & member.wanted();
      if (ready !== 0) member.ready(ready as Interest, errno);
    }
  }

  override refused(errno: number): boolean {
    return this.#members.map((member) => member.refused(errno)).includes(true);
  }

  report(): void {
    // Its members report themselves.
  }

  closed(): void {
    // The descriptor belongs to a member, or to the user.
  }
}
