import type { Attack } from '../attack.ts';
import { FEW_FILES, QUICK } from '../conditions.ts';

/** More connections than the server may have descriptors, and more whenever one is closed. */
export const noDescriptors: Attack = {
  name: 'no descriptors',
  idea: 'more connections than RLIMIT_NOFILE allows; again, where one is turned away',
  on: FEW_FILES,
  quickOn: QUICK,
  quickPeers: 300,
  peers: 400,
  isStill: false,
  mayDelay: null,
  run: async (field) => {
    const fds = Array.from({ length: field.target.peers }, () => field.dial());
    field.stands();
    while (!field.isOver) {
      await field.pause(20);
      for (const [peer, fd] of fds.entries()) {
        if (field.pull(fd)?.length !== 0) continue;
        field.close(fd);
        fds[peer] = field.dial();
      }
    }
  },
};
