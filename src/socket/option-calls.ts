import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';

// getsockopt(2) and setsockopt(2) with an error that names the option.

const length = new Int32Array(1);

/** Reads an option into at most `size` bytes of `into`, and returns how many there were. */
export function readOption(
  sys: Sys,
  fd: number,
  [level, option]: readonly [number, number],
  into: Uint8Array,
  size: number,
  what = `option ${option} of level ${level}`,
): number {
  length[0] = size;
  const result = sys.getsockopt(fd, level, option, into, length);
  if (result < 0) throw sysError(sys, result, 'getsockopt', `read ${what}`);
  return length[0];
}

/** Sets an option to the first `size` bytes of `from`. */
export function writeOption(
  sys: Sys,
  fd: number,
  [level, option]: readonly [number, number],
  from: Uint8Array,
  size: number,
  what = `option ${option} of level ${level}`,
): void {
  const result = sys.setsockopt(fd, level, option, from, size);
  if (result < 0) throw sysError(sys, result, 'setsockopt', `set ${what}`);
}
