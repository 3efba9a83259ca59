import type { Attack } from '../attack.ts';
import { NARROW, QUICK } from '../conditions.ts';

/** More connects than the queue of listen(2) holds while nobody accepts: SYNs are dropped. */
export const backlogOverflow: Attack = {
  name: 'backlog overflow',
  idea: 'more connects than --backlog holds while the server stands still: SYNs are dropped',
  on: [NARROW],
  quickOn: QUICK,
  quickPeers: 120,
  peers: 1000,
  isStill: true,
  mayDelay: null,
  run: async (field) => {
    field.signal('SIGSTOP');
    for (let peer = 0; peer < field.target.peers; peer += 1) field.dial();
    field.signal('SIGCONT');
    await field.hold();
  },
};
