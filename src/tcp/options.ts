import { readOption, writeOption } from '../socket/option-calls.ts';
import {
  decodeOptionValue,
  encodeOptionValue,
  OPTION_SIZE_BYTES_MAX,
  optionSizeBytes,
} from '../socket/option-values.ts';
import {
  type GettableOptionName,
  type OptionValue,
  optionNumbers,
  type SettableOptionName,
} from '../socket/options.ts';
import type { Sys } from '../sys/sys.ts';

// Lent to one call at a time: a thread has its own copy of this module.
const option = new Uint8Array(OPTION_SIZE_BYTES_MAX);

/** getsockopt(2) of a descriptor, by the name of the option. */
export function getOption<Name extends GettableOptionName>(
  sys: Sys,
  fd: number,
  optionName: Name,
): OptionValue<Name> {
  const { level, name } = optionNumbers(sys.abi, optionName);
  const size = optionSizeBytes(sys.abi, optionName);
  const length = readOption(sys, fd, [level, name], option, size, optionName);
  return decodeOptionValue(sys.abi, optionName, option, length);
}

/** setsockopt(2) of a descriptor, by the name of the option. */
export function setOption<Name extends SettableOptionName>(
  sys: Sys,
  fd: number,
  optionName: Name,
  value: OptionValue<Name>,
): void {
  const { level, name } = optionNumbers(sys.abi, optionName);
  const length = encodeOptionValue(sys.abi, optionName, value, option);
  writeOption(sys, fd, [level, name], option, length, optionName);
}
