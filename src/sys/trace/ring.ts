import type { Abi, IoUringAbi } from '../abi/abi.ts';
import { readUnsigned } from '../struct.ts';
import { bitNames, flags } from './format.ts';

/** The arguments of io_uring(7) and of mmap(2) in a trace. */

const PROTECTIONS = ['PROT_READ', 'PROT_WRITE'] as const;
const PARAMS_FIELDS = ['sq_entries', 'cq_entries'] as const;

/** `4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0`. */
export function mapping(
  abi: Abi,
  length: number,
  protection: number,
  mapFlags: number,
  fd: number,
  offset: number,
): string {
  const constants: Readonly<Partial<Record<string, number>>> = {
    ...abi.constants,
    ...abi.ioUring?.constants,
  };
  const names = ['MAP_SHARED', 'MAP_PRIVATE', 'MAP_ANONYMOUS', 'MAP_POPULATE'];
  return [
    String(length),
    flags(abi, protection, PROTECTIONS),
    bitNames(constants, mapFlags, names),
    String(fd),
    // As strace: 0, all others in hex.
    offset === 0 ? '0' : `0x${offset.toString(16)}`,
  ].join(', ');
}

/** `{flags=IORING_SETUP_CLAMP, sq_entries=256, cq_entries=512, features=0x1}`. */
export function params(abi: Abi, bytes: Uint8Array, result: number): string {
  if (abi.ioUring === null) return '?';
  const { fields } = abi.ioUring.structs.io_uring_params;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const asked = readUnsigned(view, 0, fields.flags);
  const parts = [`flags=${prefixed(abi.ioUring, asked, 'IORING_SETUP_')}`];
  if (result >= 0) {
    for (const name of PARAMS_FIELDS) parts.push(`${name}=${readUnsigned(view, 0, fields[name])}`);
    const features = readUnsigned(view, 0, fields.features);
    parts.push(`features=${prefixed(abi.ioUring, features, 'IORING_FEAT_')}`);
  }
  return `{${parts.join(', ')}}`;
}

/** `IORING_ENTER_GETEVENTS|IORING_ENTER_EXT_ARG`. */
export function enterFlags(abi: Abi, value: number): string {
  return abi.ioUring === null ? String(value) : prefixed(abi.ioUring, value, 'IORING_ENTER_');
}

/** `IORING_REGISTER_PROBE`. */
export function registration(abi: Abi, opcode: number): string {
  const known = Object.entries(abi.ioUring?.constants ?? {});
  const found = known.find(
    ([name, value]) => value === opcode && /^IORING_(UN)?REGISTER_/.test(name),
  );
  return found?.[0] ?? String(opcode);
}

/** The bits of `value`, by the constants whose names begin with `prefix`. */
export function prefixed(ioUring: IoUringAbi, value: number, prefix: string): string {
  const names = Object.keys(ioUring.constants).filter((name) => name.startsWith(prefix));
  return bitNames(ioUring.constants, value, names);
}
