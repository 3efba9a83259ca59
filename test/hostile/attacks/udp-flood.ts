import type { Attack } from '../attack.ts';
import { DATAGRAMS } from '../conditions.ts';

const DATAGRAM = new Uint8Array(1400).fill(117);
const EMPTY = new Uint8Array(0);
const BURST = 32;

/** Datagrams as fast as they can be sent, to a socket that has room for some hundred. */
export const udpFlood: Attack = {
  name: 'UDP flood',
  idea: 'datagrams of 1400 bytes and of none from many ports, as fast as can be',
  on: [DATAGRAMS],
  quickOn: DATAGRAMS,
  quickPeers: 4,
  peers: 16,
  isStill: false,
  mayDelay: 'datagrams wait behind those of the flood, or are dropped by the kernel, as UDP may',
  run: async (field) => {
    const fds = Array.from({ length: field.target.peers }, () => {
      const fd = field.open('SOCK_DGRAM');
      field.connect(fd);
      return fd;
    });
    field.stands();
    while (!field.isOver) {
      for (let sent = 0; sent < BURST; sent += 1) {
        field.push(fds[sent % fds.length] ?? -1, sent % 8 === 7 ? EMPTY : DATAGRAM);
      }
      await field.rest();
    }
  },
};
