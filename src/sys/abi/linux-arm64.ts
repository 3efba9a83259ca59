import type { Abi } from './abi.ts';
import { linux } from './linux.ts';

/** Linux on arm64. */
export const linuxArm64: Abi = {
  ...linux,
  platform: 'linux-arm64',
  structs: {
    ...linux.structs,
    epoll_event: {
      size: 16,
      fields: {
        events: { offset: 0, size: 4 },
        data: { offset: 8, size: 8 },
      },
    },
  },
};
