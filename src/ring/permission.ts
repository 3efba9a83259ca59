import type { Sys } from '../sys/sys.ts';
import type { SysError } from '../sys/sys-error.ts';

/**
 * Says what denies a ring, to follow the error of its call: a limit, a sysctl, a filter, or a
 * kernel without rings. Empty if nothing beyond the error is known.
 */
export function whoForbids(sys: Sys, { code, syscall }: SysError): string {
  if (code === 'ENOMEM' && syscall.startsWith('io_uring_')) return lockedMemory(sys);
  if (syscall !== 'io_uring_setup') return '';
  if (code === 'ENOSYS') {
    if (isFiltered(sys)) return '; a seccomp filter is in force, as in containers, and may hide it';
    return '; this kernel is older than 5.1 or was built without it';
  }
  if (code !== 'EPERM') return '';
  const disabled = readNumber(sys, DISABLED);
  if (disabled === 2) return '; kernel.io_uring_disabled is 2, so that nobody may: set it to 0';
  if (disabled === 1) {
    const group = readNumber(sys, GROUP);
    const members = group === null || group < 0 ? '' : ` and group ${group}`;
    return `; kernel.io_uring_disabled is 1, so that only root${members} may: set it to 0`;
  }
  return isFiltered(sys) ? '; a seccomp filter forbids it, as in containers' : '';
}

/** RLIMIT_MEMLOCK counts all rings of a user, in every process. */
function lockedMemory(sys: Sys): string {
  const status = readText(sys, '/proc/self/limits') ?? '';
  const soft = /^Max locked memory\s+(\d+)/m.exec(status)?.[1];
  const limit = soft === undefined ? '' : `, ${Math.floor(Number(soft) / 1024)} KiB,`;
  const remedy = 'raise it with "ulimit -l", as root, or in limits.conf(5)';
  return `; the lockable memory of this user${limit} is used up (RLIMIT_MEMLOCK): ${remedy}`;
}

/** Sysctls of Linux 6.6 and newer. */
const DISABLED = '/proc/sys/kernel/io_uring_disabled';
const GROUP = '/proc/sys/kernel/io_uring_group';

/** seccomp(2): mode 2 is a filter, which may refuse single calls. */
function isFiltered(sys: Sys): boolean {
  return /^Seccomp:\s*2$/m.test(readText(sys, '/proc/self/status') ?? '');
}

function readNumber(sys: Sys, path: string): number | null {
  const text = readText(sys, path)?.trim() ?? '';
  return /^-?\d+$/.test(text) ? Number(text) : null;
}

/** Reads a short file of /proc; null if that fails. */
function readText(sys: Sys, path: string): string | null {
  const { O_RDONLY, O_CLOEXEC } = sys.abi.constants;
  const fd = sys.open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return null;
  const bytes = new Uint8Array(FILE_BYTES_MAX);
  const length = sys.read(fd, bytes, 0, bytes.length);
  sys.close(fd);
  return length < 0 ? null : new TextDecoder().decode(bytes.subarray(0, length));
}

/** /proc/self/status has some 1,500 bytes, which one read returns. */
const FILE_BYTES_MAX = 8192;
