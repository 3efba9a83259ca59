import type { Attack } from '../attack.ts';
import { PLAIN, QUICK } from '../conditions.ts';

const PORTS = 16;
const BYTES = new Uint8Array(100).fill(112);

/** A client with few ports: the server sees the same addresses and ports again and again. */
export const samePorts: Attack = {
  name: 'port exhaustion',
  idea: 'sixteen source ports, each taken again as soon as it can be, behind an end or a reset',
  on: [PLAIN],
  quickOn: QUICK,
  quickPeers: 1,
  peers: 1,
  isStill: false,
  mayDelay: 'accepting and closing takes the time of the loop, 32 connections a turn',
  run: async (field) => {
    let isRefused = false;
    for (let round = 0; !field.isOver; round += 1) {
      const port = field.target.sourcePorts + (round % PORTS);
      const fd = field.open();
      if (field.connect(fd, { address: '127.0.0.1', port }) < 0) isRefused = true;
      field.push(fd, BYTES);
      if (round % 2 === 0) field.reset(fd);
      else field.close(fd);
      if (isRefused && round > PORTS) field.stands();
      if (round % PORTS === 0) await field.rest();
    }
  },
};
