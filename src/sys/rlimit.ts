import type { Field } from './abi/abi.ts';
import { readUnsigned, writeInteger } from './struct.ts';
import type { Sys } from './sys.ts';
import { sysError } from './sys-error.ts';

/** How many descriptors a process may have; Infinity for no limit. */
interface OpenFilesLimit {
  /** The limit in force. */
  readonly soft: number;
  /** The highest limit that the process may set. */
  readonly hard: number;
}

/** RLIMIT_NOFILE. Throws a SysError. */
export function openFilesLimit(sys: Sys): OpenFilesLimit {
  const { fields } = sys.abi.structs.rlimit;
  const bytes = rlimitBytes(sys);
  const result = sys.getrlimit(sys.abi.constants.RLIMIT_NOFILE, bytes);
  if (result < 0) throw sysError(sys, result, 'getrlimit', 'ask for the limit on open files');
  return { soft: readLimit(bytes, fields.rlim_cur), hard: readLimit(bytes, fields.rlim_max) };
}

/** Raises the soft limit to the hard one. Returns the soft limit in force then, or `-errno`. */
export function raiseOpenFilesLimit(sys: Sys): number {
  const { rlim_cur, rlim_max } = sys.abi.structs.rlimit.fields;
  const { RLIMIT_NOFILE, OPEN_MAX } = sys.abi.constants;
  const bytes = rlimitBytes(sys);
  let result = sys.getrlimit(RLIMIT_NOFILE, bytes);
  if (result < 0) return result;
  const soft = readLimit(bytes, rlim_cur);
  if (soft >= readLimit(bytes, rlim_max)) return soft;
  bytes.copyWithin(rlim_cur.offset, rlim_max.offset, rlim_max.offset + rlim_max.size);
  result = sys.setrlimit(RLIMIT_NOFILE, bytes);
  if (result === -sys.abi.errno.EINVAL && OPEN_MAX !== undefined) {
    // macOS refuses an infinite soft limit although its usual hard one is infinite.
    if (soft >= OPEN_MAX) return soft;
    writeInteger(new DataView(bytes.buffer), 0, rlim_cur, OPEN_MAX);
    result = sys.setrlimit(RLIMIT_NOFILE, bytes);
  }
  // The kernel may have set less.
  if (result >= 0) result = sys.getrlimit(RLIMIT_NOFILE, bytes);
  return result < 0 ? result : readLimit(bytes, rlim_cur);
}

/**
 * One field of an rlimit. RLIM_INFINITY is 2^64 - 1 on Linux and 2^63 - 1 on the BSDs.
 */
export function readLimit(bytes: Uint8Array, field: Field): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const limit = readUnsigned(view, 0, field);
  return limit > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : limit;
}

function rlimitBytes(sys: Sys): Uint8Array<ArrayBuffer> {
  return new Uint8Array(sys.abi.structs.rlimit.size);
}
