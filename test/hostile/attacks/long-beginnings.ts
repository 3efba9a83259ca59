import type { Attack } from '../attack.ts';
import { QUICK, SMALL_HEAP } from '../conditions.ts';

const BEGINNING = new Uint8Array(65_000).fill(98);

/** Each peer has the server keep all that a line may have, in a process with little memory. */
export const longBeginnings: Attack = {
  name: 'memory pressure',
  idea: 'each peer sends all of a line that --max-line allows but its end, to a small heap',
  on: [SMALL_HEAP],
  quickOn: QUICK,
  quickPeers: 12,
  peers: 1000,
  isStill: true,
  mayDelay: null,
  run: async (field) => {
    const rest = new Map<number, Uint8Array>();
    for (let peer = 0; peer < field.target.peers; peer += 1) rest.set(field.dial(), BEGINNING);
    while (rest.size > 0 && !field.isOver) {
      await field.pause(2);
      for (const [fd, bytes] of rest) {
        const sent = Math.max(0, field.push(fd, bytes));
        if (sent === bytes.length) rest.delete(fd);
        else rest.set(fd, bytes.subarray(sent));
      }
      if (rest.size < field.target.peers) field.stands();
    }
    await field.hold();
  },
};
