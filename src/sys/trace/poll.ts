import type { Abi, Field } from '../abi/abi.ts';
import { errnoName } from '../errno.ts';
import { readBigUnsigned, readSigned, readUnsigned } from '../struct.ts';
import { flags, symbol } from './format.ts';

/** The structures of select(2), poll(2), epoll(7), kqueue(2) and timerfd_create(2) in a trace. */

const POLL_EVENTS = ['POLLIN', 'POLLOUT', 'POLLERR', 'POLLHUP', 'POLLNVAL', 'POLLRDHUP'] as const;

/** `[{fd=3, events=POLLIN}]`; of `revents` only those that are ready. */
export function pollfds(
  abi: Abi,
  fds: Uint8Array,
  count: number,
  field: 'events' | 'revents',
): string {
  const { size, fields } = abi.structs.pollfd;
  const view = new DataView(fds.buffer, fds.byteOffset, fds.byteLength);
  const parts: string[] = [];
  for (let i = 0; i < count; i++) {
    const fd = view.getInt32(i * size + fields.fd.offset, true);
    const events = view.getUint16(i * size + fields[field].offset, true);
    if (field === 'revents' && events === 0) continue;
    parts.push(`{fd=${fd}, ${field}=${flags(abi, events, POLL_EVENTS)}}`);
  }
  return `[${parts.join(', ')}]`;
}

/** The descriptors in an fd_set: `[3 4]`. */
export function fdSet(set: Uint8Array | null, nfds: number): string {
  if (set === null) return 'NULL';
  const fds: number[] = [];
  for (let fd = 0; fd < nfds; fd++) {
    if (((set[fd >> 3] ?? 0) & (1 << (fd & 7))) !== 0) fds.push(fd);
  }
  return `[${fds.join(' ')}]`;
}

/** `{tv_sec=1, tv_usec=0}`, or `NULL`. */
export function timeval(abi: Abi, bytes: Uint8Array | null): string {
  const { tv_sec, tv_usec } = abi.structs.timeval.fields;
  return bytes === null ? 'NULL' : time(bytes, tv_sec, tv_usec, 'tv_usec');
}

/** `{tv_sec=1, tv_nsec=0}`, or `NULL`. */
export function timespec(abi: Abi, bytes: Uint8Array | null): string {
  const { tv_sec, tv_nsec } = abi.structs.timespec.fields;
  return bytes === null ? 'NULL' : time(bytes, tv_sec, tv_nsec, 'tv_nsec');
}

/** An itimerspec: the period and the first expiry. */
export function itimerspec(abi: Abi, bytes: Uint8Array): string {
  const { size } = abi.structs.timespec;
  const period = timespec(abi, bytes.subarray(0, size));
  return `{it_interval=${period}, it_value=${timespec(abi, bytes.subarray(size, 2 * size))}}`;
}

/** The arguments of timerfd_create(2). */
export function timerfd(abi: Abi, clockid: number, mode: number): string {
  const clock = symbol(abi, clockid, ['CLOCK_MONOTONIC']);
  return `${clock}, ${flags(abi, mode, ['TFD_CLOEXEC', 'TFD_NONBLOCK'])}`;
}

function time(bytes: Uint8Array, seconds: Field, fraction: Field, name: string): string {
  const view = viewOf(bytes);
  return `{tv_sec=${readSigned(view, 0, seconds)}, ${name}=${readSigned(view, 0, fraction)}}`;
}

const EPOLL_EVENTS = [
  'EPOLLIN',
  'EPOLLOUT',
  'EPOLLERR',
  'EPOLLHUP',
  'EPOLLRDHUP',
  'EPOLLEXCLUSIVE',
  'EPOLLONESHOT',
  'EPOLLET',
] as const;

/** `EPOLL_CTL_ADD, 6, {EPOLLIN, data=0x7}`; a deletion has no event. */
export function epollChange(abi: Abi, operation: number, fd: number, event: Uint8Array): string {
  const name = symbol(abi, operation, ['EPOLL_CTL_ADD', 'EPOLL_CTL_MOD', 'EPOLL_CTL_DEL']);
  if (name === 'EPOLL_CTL_DEL') return `${name}, ${fd}`;
  return `${name}, ${fd}, ${epollEvent(abi, event, 0)}`;
}

/** The first `count` events: `[{EPOLLIN, data=0x100000003}]`. */
export function epollEvents(abi: Abi, events: Uint8Array, count: number): string {
  return list(count, (index) => epollEvent(abi, events, index));
}

function epollEvent(abi: Abi, bytes: Uint8Array, index: number): string {
  const layout = abi.structs.epoll_event;
  if (layout === undefined) return '{}';
  const { size, fields } = layout;
  const view = viewOf(bytes);
  const events = flags(abi, readUnsigned(view, index * size, fields.events), EPOLL_EVENTS);
  return `{${events}, data=0x${readBigUnsigned(view, index * size, fields.data).toString(16)}}`;
}

const FILTERS = ['EVFILT_READ', 'EVFILT_WRITE', 'EVFILT_TIMER', 'EVFILT_USER'] as const;
const EVENT_FLAGS = [
  'EV_ADD',
  'EV_DELETE',
  'EV_ENABLE',
  'EV_DISABLE',
  'EV_ONESHOT',
  'EV_CLEAR',
  'EV_RECEIPT',
  'EV_DISPATCH',
  'EV_ERROR',
  'EV_EOF',
] as const;

/** The first `count` of a list: `[{ident=4, EVFILT_READ, EV_ADD, udata=7}]`; zeros are left out. */
export function kevents(abi: Abi, events: Uint8Array | null, count: number): string {
  return events === null ? '[]' : list(count, (index) => kevent(abi, events, index));
}

function kevent(abi: Abi, bytes: Uint8Array, index: number): string {
  const { size, fields } = abi.structs.kevent;
  const { EVFILT_USER, EV_ERROR } = abi.constants;
  const view = viewOf(bytes);
  const base = index * size;
  const filter = readSigned(view, base, fields.filter);
  const bits = readUnsigned(view, base, fields.flags);
  const fflags = readUnsigned(view, base, fields.fflags);
  const data = readSigned(view, base, fields.data);
  const parts = [
    `ident=${readUnsigned(view, base, fields.ident)}`,
    symbol(abi, filter, FILTERS),
    flags(abi, bits, EVENT_FLAGS),
  ];
  if (fflags !== 0) {
    parts.push(`fflags=${filter === EVFILT_USER ? flags(abi, fflags, ['NOTE_TRIGGER']) : fflags}`);
  }
  const failed = (bits & EV_ERROR) !== 0 && data !== 0;
  if (data !== 0) parts.push(`data=${failed ? errnoName(abi, data) : data}`);
  parts.push(`udata=${readBigUnsigned(view, base, fields.udata)}`);
  return `{${parts.join(', ')}}`;
}

function list(count: number, one: (index: number) => string): string {
  if (count < 0) return '?';
  return `[${Array.from({ length: count }, (_, index) => one(index)).join(', ')}]`;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
