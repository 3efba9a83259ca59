import type { Attack } from '../attack.ts';
import { LINES, QUICK } from '../conditions.ts';

const BEGINNING = new TextEncoder().encode('GET');
const BYTE_EVERY_MS = 60_000;
const BYTE = new TextEncoder().encode('x');

/** Many peers in the middle of a line, which goes on by a byte a minute. */
export const slowloris: Attack = {
  name: 'slowloris',
  idea: 'the beginning of a line, then a byte a minute',
  on: [LINES],
  quickOn: QUICK,
  quickPeers: 10,
  peers: 1000,
  isStill: true,
  mayDelay: null,
  run: async (field) => {
    const { peers } = field.target;
    const fds: number[] = [];
    for (let peer = 0; peer < peers; peer += 1) {
      fds.push(field.dial());
      if (peer % 100 === 99) await field.pause(1);
    }
    for (const fd of fds) field.push(fd, BEGINNING);
    field.stands();
    for (let peer = 0; !field.isOver; peer = (peer + 1) % peers) {
      await field.pause(BYTE_EVERY_MS / peers);
      field.push(fds[peer] ?? -1, BYTE);
    }
  },
};
