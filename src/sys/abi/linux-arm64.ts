import type { Abi } from './abi.ts';
import { linux } from './linux.ts';

/** Linux on arm64. */
export const linuxArm64: Abi = { ...linux, platform: 'linux-arm64' };
