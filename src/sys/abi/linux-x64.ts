import type { Abi } from './abi.ts';
import { linux } from './linux.ts';

/** Linux on x64, where epoll_event is packed. */
export const linuxX64: Abi = {
  ...linux,
  platform: 'linux-x64',
  structs: {
    ...linux.structs,
    epoll_event: {
      size: 12,
      fields: {
        events: { offset: 0, size: 4 },
        data: { offset: 4, size: 8 },
      },
    },
  },
};
