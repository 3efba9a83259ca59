import { readdirSync, readlinkSync } from 'node:fs';
import { readProcFile } from './proc.ts';

/** TCP_LISTEN of the kernel, as /proc/net/tcp prints it. */
const LISTEN = '0A';

/** The words of a process's command line; null if there is no such process, or no /proc. */
export function commandWords(pid: number): readonly string[] | null {
  const text = readProcFile(`/proc/${pid}/cmdline`);
  return text === null ? null : text.split('\0');
}

/**
 * The TCP ports on which a process listens, in the order of their descriptors: Linux, and of a
 * process of this user.
 */
export function listeningPorts(pid: number): readonly number[] {
  const portOf = new Map<string, number>();
  const tables = ['tcp', 'tcp6'].map((name) => readProcFile(`/proc/${pid}/net/${name}`) ?? '');
  for (const line of tables.join('\n').split('\n')) {
    const fields = line.trim().split(/\s+/);
    const [, local = '', , state] = fields;
    if (state !== LISTEN) continue;
    const port = Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16);
    portOf.set(`socket:[${fields[9]}]`, port);
  }
  const ports = new Set<number>();
  for (const fd of descriptorsOf(pid)) {
    const port = portOf.get(targetOf(`/proc/${pid}/fd/${fd}`));
    if (port !== undefined) ports.add(port);
  }
  return [...ports];
}

function descriptorsOf(pid: number): readonly string[] {
  try {
    const fds = readdirSync(`/proc/${pid}/fd`);
    return fds.toSorted((one, two) => Number(one) - Number(two));
  } catch {
    // Another user's, or it has ended.
    return [];
  }
}

function targetOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return '';
  }
}
