import type { Abi } from './abi.ts';
import { linux } from './linux.ts';

/** Linux on x64. */
export const linuxX64: Abi = { ...linux, platform: 'linux-x64' };
