import type { Attack } from '../attack.ts';
import { PLAIN, QUICK } from '../conditions.ts';

const BYTES = new Uint8Array(1000).fill(114);

/** Connections that are reset: ahead of accept(2), behind their bytes, with an answer due. */
export const resetStorm: Attack = {
  name: 'reset storm',
  idea: 'connects, sends or not, and resets (SO_LINGER 0), as fast as can be',
  on: [PLAIN],
  quickOn: QUICK,
  quickPeers: 8,
  peers: 16,
  isStill: false,
  mayDelay: 'accepting and closing takes the time of the loop, 32 connections a turn',
  run: async (field) => {
    field.stands();
    const fds: number[] = [];
    for (let round = 0; !field.isOver; round += 1) {
      for (let peer = 0; peer < field.target.peers; peer += 1) fds.push(field.dial());
      if (round % 3 === 1) await field.turn();
      for (const fd of fds.splice(0)) {
        if (round % 3 > 0) field.push(fd, BYTES);
        field.reset(fd);
      }
      await field.rest();
    }
  },
};
