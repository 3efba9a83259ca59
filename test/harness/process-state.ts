/** The state of a process from /proc. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The open descriptors of a process in order, with their targets. */
export function openFdsOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  const fds = readdirSync(directory).map(Number);
  return fds.sort((a, b) => a - b).map((fd) => `${fd} ${readlinkSync(`${directory}/${fd}`)}`);
}

/** Letter of the state of a process: `T` while it is stopped. See proc(5). */
export function stateOf(pid: number): string {
  return statOf(pid)[0] ?? '';
}

/** CPU time of a process in clock ticks, usually of 10 ms. */
export function cpuTicksOf(pid: number): number {
  const fields = statOf(pid);
  return Number(fields[11]) + Number(fields[12]);
}

/** The fields of /proc/PID/stat behind the name, which may hold spaces and parentheses. */
function statOf(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** True if a process has a handler for a signal number. */
export function catches(pid: number, signal: number): boolean {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mask = BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return (mask & (1n << BigInt(signal - 1))) !== 0n;
}
