import type { Attack } from '../attack.ts';
import { PLAIN, QUICK } from '../conditions.ts';

/** Lines, since some servers answer nothing else. */
const PIECE = new TextEncoder().encode(`${'x'.repeat(1023)}\n`.repeat(64));
/** Rounds without a byte taken after which the server has had what it takes. */
const FULL_ROUNDS = 10;

/** Peers that ask without end, and take no answer: what they are owed piles up somewhere. */
export const neverRead: Attack = {
  name: 'never reading',
  idea: 'sends for as long as the server takes it, and reads nothing',
  on: [PLAIN],
  quickOn: QUICK,
  quickPeers: 20,
  peers: 200,
  isStill: true,
  mayDelay: null,
  run: async (field) => {
    const fds = Array.from({ length: field.target.peers }, () => field.dial());
    for (let full = 0; full < FULL_ROUNDS && !field.isOver; ) {
      const taken = fds.filter((fd) => field.push(fd, PIECE) > 0).length;
      full = taken === 0 ? full + 1 : 0;
      await field.pause(taken === 0 ? 20 : 0);
      await field.turn();
    }
    await field.hold();
  },
};
