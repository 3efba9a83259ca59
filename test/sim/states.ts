import { readSigned, readUnsigned, writeInteger } from '#src/sys/struct.js';
import type { Sys } from '#src/sys/sys.js';
import type { Arm } from './arm.ts';

const BITS = ['IN', 'OUT', 'ERR', 'HUP', 'RDHUP'] as const;

function words(sys: Sys, prefix: 'POLL' | 'EPOLL', bits: number): string {
  const set = BITS.filter((name) => (bits & (sys.abi.constants[`${prefix}${name}`] ?? 0)) !== 0);
  return set.length === 0 ? '-' : set.join('|');
}

/** The result of poll(2) for one pollfd, as words. */
export function pollState(sys: Sys, fd: number, timeoutMs = 0): string {
  const { pollfd } = sys.abi.structs;
  const { POLLIN, POLLOUT, POLLRDHUP = 0, POLLNVAL } = sys.abi.constants;
  const bytes = new Uint8Array(pollfd.size);
  const view = new DataView(bytes.buffer);
  writeInteger(view, 0, pollfd.fields.fd, fd);
  writeInteger(view, 0, pollfd.fields.events, POLLIN | POLLOUT | POLLRDHUP);
  const result = sys.poll(bytes, 1, timeoutMs);
  const revents = readSigned(view, 0, pollfd.fields.revents);
  if ((revents & POLLNVAL) !== 0) return `${result} NVAL`;
  return `${result} ${words(sys, 'POLL', revents)}`;
}

/** One descriptor through select(2): `r`, `w`, `rw` or `-`. */
export function selectState(sys: Sys, fd: number): string {
  const { fd_set, timeval } = sys.abi.structs;
  const reads = new Uint8Array(fd_set.size);
  const writes = new Uint8Array(fd_set.size);
  reads[fd >> 3] = 1 << (fd & 7);
  writes[fd >> 3] = 1 << (fd & 7);
  const result = sys.select(fd + 1, reads, writes, new Uint8Array(timeval.size));
  const found = `${reads[fd >> 3] === 0 ? '' : 'r'}${writes[fd >> 3] === 0 ? '' : 'w'}`;
  return `${result} ${found === '' ? '-' : found}`;
}

/** An epoll_event, with the descriptor for its data. */
export function epollEvent(sys: Sys, fd: number, events: number): Uint8Array {
  const layout = sys.abi.structs.epoll_event;
  if (layout === undefined) throw new Error('no epoll');
  const bytes = new Uint8Array(layout.size);
  const view = new DataView(bytes.buffer);
  writeInteger(view, 0, layout.fields.events, events);
  writeInteger(view, 0, layout.fields.data, fd);
  return bytes;
}

/** The events of epoll_wait(2): the name of each data in `names`, and its bits. */
export function epollState(
  sys: Sys,
  epoll: number,
  names: ReadonlyMap<number, string> = new Map(),
  maxevents = 8,
): string {
  const layout = sys.abi.structs.epoll_event;
  if (layout === undefined) throw new Error('no epoll');
  const bytes = new Uint8Array(layout.size * maxevents);
  const view = new DataView(bytes.buffer);
  const count = sys.epoll_wait(epoll, bytes, maxevents, 0);
  const found: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const base = index * layout.size;
    const bits = words(sys, 'EPOLL', readUnsigned(view, base, layout.fields.events));
    const fd = readUnsigned(view, base, layout.fields.data);
    found.push(`${names.get(fd) ?? ''} ${bits}`.trim());
  }
  return `${count} ${found.sort().join(', ')}`.trim();
}

/** Records the reports of poll, select and epoll for a descriptor. */
export function noteState(arm: Arm, what: string, fd: number): void {
  const { sys } = arm;
  const { EPOLLIN = 0, EPOLLOUT = 0, EPOLLRDHUP = 0, EPOLL_CTL_ADD = 0 } = sys.abi.constants;
  const { EPOLL_CTL_DEL = 0 } = sys.abi.constants;
  const epoll = arm.epollOf(-1);
  const event = epollEvent(sys, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
  sys.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event);
  const seen = epollState(sys, epoll);
  sys.epoll_ctl(epoll, EPOLL_CTL_DEL, fd, event);
  arm.note(`${what}, poll`, pollState(sys, fd));
  arm.note(`${what}, select`, selectState(sys, fd));
  arm.note(`${what}, epoll`, seen);
}
