import type { Abi } from './abi.ts';
import { type darwin, darwinArm64, darwinX64 } from './darwin.ts';
import { type freebsd, freebsdArm64, freebsdX64 } from './freebsd.ts';
import type { linux } from './linux.ts';
import { linuxArm64 } from './linux-arm64.ts';
import { linuxX64 } from './linux-x64.ts';

/** The tables of all platforms. */
export const abis: readonly Abi[] = [
  linuxX64,
  linuxArm64,
  darwinX64,
  darwinArm64,
  freebsdX64,
  freebsdArm64,
];

/** The fields of TCP_INFO and TCP_CONNECTION_INFO of all platforms, by the kernels' names. */
export type TcpInfoFieldName =
  | keyof typeof linux.structs.tcp_info.fields
  | keyof typeof freebsd.structs.tcp_info.fields
  | keyof typeof darwin.structs.tcp_connection_info.fields;

/**
 * The table of a platform.
 *
 * @param platform the name of the system, as in `process.platform`.
 * @param arch the name of the architecture, as in `process.arch`.
 * @returns the table, the same object every time; null for a platform without one.
 */
export function abiFor(platform: string, arch: string): Abi | null {
  const name = `${platform}-${arch}`;
  return abis.find((abi) => abi.platform === name) ?? null;
}
