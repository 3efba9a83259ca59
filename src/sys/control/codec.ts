import type { Abi } from '../abi/abi.ts';
/** How the data of one kind of message is written and read. */
export interface Codec<Fields> {
  /** The level; undefined where the platform lacks the kind. */
  level(abi: Abi): number | undefined;
  /** The types, the one to send first; empty or undefined where the platform lacks the kind. */
  types(abi: Abi): readonly (number | undefined)[];
  dataBytes(abi: Abi, fields: Fields): number;
  /** Writes `dataBytes` bytes; throws a RangeError or a TypeError for a wrong field. */
  write(abi: Abi, fields: Fields, data: DataView): void;
  /** Null where the data is too short: the length is the kernel's, and may be cut. */
  read(abi: Abi, data: DataView): Fields | null;
}

export const socketLevel = ({ constants }: Abi): number => constants.SOL_SOCKET;
export const ipv4Level = ({ constants }: Abi): number => constants.IPPROTO_IP;
export const ipv6Level = ({ constants }: Abi): number => constants.IPPROTO_IPV6;
export const udpLevel = ({ constants }: Abi): number => constants.IPPROTO_UDP;

/** The bytes under a view. */
export function bytesUnder(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
