import type { Interest } from '../poller/poller.ts';
import { type Host, Subject } from './readiness/handle.ts';

/**
 * Several subjects of one descriptor on a readiness backend: a poller knows each descriptor once,
 * with one interest. It is registered for what any of them wants, level-triggered, and each hears
 * of what it wants itself.
 */
export class SharedFd extends Subject {
  readonly #members: Subject[] = [];

  constructor(host: Host, fd: number) {
    super(host, fd);
  }

  override get ownsFd(): boolean {
    return false;
  }

  get members(): readonly Subject[] {
    return this.#members;
  }

  /** Takes in a subject, which the poller does not know. */
  add(subject: Subject): void {
    subject.shared = this;
    subject.useLevels();
    this.#members.push(subject);
  }

  drop(subject: Subject): void {
    const at = this.#members.indexOf(subject);
    if (at >= 0) this.#members.splice(at, 1);
  }

  wanted(): Interest {
    let wanted = 0;
    for (const member of this.#members) wanted |= member.wanted();
    return wanted as Interest;
  }

  ready(interest: Interest, errno: number): void {
    // A callback may end any of them, or bring another one in.
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
    // Its members report for themselves.
  }

  closed(): void {
    // The descriptor is that of a member, or somebody else's.
  }
}
