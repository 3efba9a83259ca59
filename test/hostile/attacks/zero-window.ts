import type { Attack } from '../attack.ts';
import { PLAIN, QUICK } from '../conditions.ts';

/** Lines, since some servers answer nothing else. */
const ASK = new TextEncoder().encode(`${'z'.repeat(1023)}\n`.repeat(16));
const READ_EVERY_MS = 100;

/** The window of a peer is shut, opens by a few bytes, and is shut again. */
export const zeroWindow: Attack = {
  name: 'zero window',
  idea: 'the smallest receive buffer, of which a byte is read now and then',
  on: [PLAIN],
  quickOn: QUICK,
  quickPeers: 20,
  peers: 200,
  isStill: true,
  mayDelay: null,
  run: async (field) => {
    const fds = Array.from({ length: field.target.peers }, () => {
      const fd = field.open();
      field.narrow(fd);
      field.connect(fd);
      return fd;
    });
    await field.pause(5);
    for (let round = 0; round < 8; round += 1) {
      for (const fd of fds) field.push(fd, ASK);
      await field.turn();
    }
    field.stands();
    while (!field.isOver) {
      await field.pause(READ_EVERY_MS);
      for (const fd of fds) field.pull(fd, 1);
    }
  },
};
