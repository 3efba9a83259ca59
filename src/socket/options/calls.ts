import type { Sys } from '../../sys/sys.ts';
import { sysError } from '../../sys/sys-error.ts';
import {
  type GettableOptionName,
  type OptionValue,
  optionNumbers,
  type SettableOptionName,
} from './table.ts';
import {
  decodeOptionValue,
  encodeOptionValue,
  OPTION_SIZE_BYTES_MAX,
  optionSizeBytes,
} from './values.ts';

// getsockopt(2) and setsockopt(2), with errors that name the option.

const bytes = new Uint8Array(OPTION_SIZE_BYTES_MAX);
const length = new Int32Array(1);

/** The value of an option of the table. Throws a RangeError if the platform lacks it. */
export function readNamed<Name extends GettableOptionName>(
  sys: Sys,
  fd: number,
  name: Name,
): OptionValue<Name> {
  const { level, name: option } = optionNumbers(sys.abi, name);
  const size = optionSizeBytes(sys.abi, name);
  const count = readOption(sys, fd, [level, option], bytes, size, name);
  return decodeOptionValue(sys.abi, name, bytes, count);
}

/** Sets an option of the table. Throws a RangeError or TypeError for a wrong value. */
export function writeNamed<Name extends SettableOptionName>(
  sys: Sys,
  fd: number,
  name: Name,
  value: OptionValue<Name>,
): void {
  const { level, name: option } = optionNumbers(sys.abi, name);
  const count = encodeOptionValue(sys.abi, name, value, bytes);
  writeOption(sys, fd, [level, option], bytes, count, name);
}

/** Reads an option into at most `size` bytes of `into`. Returns how many were written. */
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
