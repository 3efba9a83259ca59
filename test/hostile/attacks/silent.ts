import type { Attack } from '../attack.ts';
import { PLAIN, QUICK } from '../conditions.ts';

/** As many connections as can be, and not a byte on any. */
export const silent: Attack = {
  name: 'silent connects',
  idea: 'connections without a byte',
  on: [PLAIN],
  quickOn: QUICK,
  quickPeers: 100,
  peers: 10_000,
  isStill: true,
  mayDelay: 'poll(2) and select(2) look at every connection in each wait',
  run: async (field) => {
    for (let peer = 0; peer < field.target.peers && !field.isOver; peer += 1) {
      field.dial();
      if (peer % 100 === 99) await field.pause(1);
    }
    await field.hold();
  },
};
