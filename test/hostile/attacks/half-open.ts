import type { Attack } from '../attack.ts';
import { NARROW, QUICK } from '../conditions.ts';

const LINE = new TextEncoder().encode('hello\n');

/** Peers that have ended their side and stay, and such as are gone without a word. */
export const halfOpen: Attack = {
  name: 'half-open',
  idea: 'half of the peers end their side and stay; half vanish without a word (TCP_REPAIR)',
  on: [NARROW],
  quickOn: QUICK,
  quickPeers: 12,
  peers: 12,
  isStill: true,
  mayDelay: null,
  run: async (field) => {
    const fds = Array.from({ length: field.target.peers }, () => field.dial());
    await field.pause(10);
    for (const fd of fds) field.push(fd, LINE);
    await field.pause(20);
    for (const [peer, fd] of fds.entries()) {
      if (peer % 2 === 0 || !field.vanish(fd)) field.end(fd);
    }
    await field.hold();
  },
};
