import type { Abi, PlatformName } from '../../sys/abi/abi.ts';
import { abis } from '../../sys/abi/index.ts';
import { datagramOptions } from './datagram.ts';
import { ipOptions } from './ip.ts';
import { socketLevelOptions } from './socket.ts';
import type { OptionSpec, OptionValues } from './spec.ts';
import { tcpOptions } from './tcp.ts';

/**
 * The options of `getSockOpt` and `setSockOpt`, by the names of the headers. No platform has all:
 * see `optionPlatforms`.
 *
 * Not included are options whose values are pointers or filters, and those that ask for control
 * messages that have no kind in `ControlMessage`.
 */
export const socketOptions = {
  ...socketLevelOptions,
  ...tcpOptions,
  ...ipOptions,
  ...datagramOptions,
} as const satisfies Readonly<Record<string, OptionSpec>>;

type Table = typeof socketOptions;

/** The name of a socket option of any platform. */
export type SocketOptionName = keyof Table;

/** The type of the value of an option. */
export type OptionValue<Name extends SocketOptionName> = OptionValues[Table[Name]['kind']];

/** The options that can be set. */
export type SettableOptionName = {
  [Name in SocketOptionName]: Table[Name]['access'] extends 'get' ? never : Name;
}[SocketOptionName];

/** The options that can be read. */
export type GettableOptionName = {
  [Name in SocketOptionName]: Table[Name]['access'] extends 'set' ? never : Name;
}[SocketOptionName];

/** The two numbers that getsockopt(2) and setsockopt(2) take for an option. */
interface OptionNumbers {
  readonly level: number;
  readonly name: number;
}

/**
 * The entry of an option.
 *
 * @throws TypeError if there is no option of that name.
 */
export function optionSpec(name: SocketOptionName): OptionSpec {
  if (!Object.hasOwn(socketOptions, name)) {
    throw new TypeError(`${String(name)} is not a socket option that sockloop knows`);
  }
  return socketOptions[name];
}

/**
 * The level and the number of an option on a platform.
 *
 * @throws TypeError if there is no option of that name, RangeError if the platform lacks it.
 */
export function optionNumbers(abi: Abi, name: SocketOptionName): OptionNumbers {
  const level = abi.constants[optionSpec(name).level];
  const number = abi.options[name];
  if (level === undefined || number === undefined) {
    throw new RangeError(`${name} does not exist on ${abi.platform}`);
  }
  return { level, name: number };
}

/**
 * The platforms that have an option.
 *
 * @param name the name of the option: `SO_REUSEPORT`.
 * @returns their names: `linux-x64`, `darwin-arm64`, ...
 * @throws TypeError if there is no option of that name.
 */
export function optionPlatforms(name: SocketOptionName): PlatformName[] {
  optionSpec(name);
  return abis.filter((abi) => Object.hasOwn(abi.options, name)).map((abi) => abi.platform);
}
