import type { Attack } from '../attack.ts';
import { LINES, QUICK } from '../conditions.ts';

const PIECE = new Uint8Array(65_536).fill(104);
const PIECE_EVERY_MS = 2;

/** A line without an end: what is kept of it is bounded, and its peer is hung up on. */
export const hugeLines: Attack = {
  name: 'huge lines',
  idea: 'a line that never ends, sent on and on; and again, once it is refused',
  on: [LINES],
  quickOn: QUICK,
  quickPeers: 10,
  peers: 100,
  isStill: false,
  mayDelay: 'the server receives as fast as the lines come, to discard them',
  run: async (field) => {
    const fds = Array.from({ length: field.target.peers }, () => field.dial());
    field.stands();
    while (!field.isOver) {
      for (const [peer, fd] of fds.entries()) {
        const result = field.push(fd, PIECE);
        if (result >= 0 || field.pull(fd)?.length !== 0) continue;
        field.reset(fd);
        fds[peer] = field.dial();
      }
      await field.pause(PIECE_EVERY_MS);
    }
  },
};
