// What the fault runs inject: the calls on the path of each program, with the errnos of their man
// pages that can happen. A call more is an entry more.

/** The ways of waiting that `serve` is run on; `load` has those of its event loops. */
export const SERVE_LOOPS = [
  'epoll',
  'epoll, call by call',
  'poll',
  'select',
  'io_uring',
  'blocking',
  'threads',
] as const;

export type ServeLoop = (typeof SERVE_LOOPS)[number];

const POLLERS: readonly ServeLoop[] = ['epoll', 'epoll, call by call', 'poll', 'select'];
const EVENT_LOOPS: readonly ServeLoop[] = [...POLLERS, 'io_uring'];
const EPOLLS: readonly ServeLoop[] = ['epoll', 'epoll, call by call'];
const DATAGRAM_LOOPS: readonly ServeLoop[] = ['epoll', 'poll', 'select', 'io_uring'];
const BLOCKING: readonly ServeLoop[] = ['blocking', 'threads'];
const READINESS: readonly ServeLoop[] = [...POLLERS, ...BLOCKING];

/** The programs that are run: the server, and its two clients. */
export type Program = 'serve' | 'send' | 'load';

/** What a program is told to be beside: the part of the page. */
export type Variant = '--udp' | '--threads' | 'NOTIFY_SOCKET';

/** The way in which an errno is injected: see {@link TIMES}. */
export type Times = 'once' | 'every 3rd' | 'always';

/** Which calls fail, as strace counts them from the moment it is attached. */
export const TIMES: Readonly<Record<Times, string>> = {
  once: '1',
  'every 3rd': '3+3',
  always: '1+',
};

/** A call of a program, and what it may answer. */
interface FaultyCall {
  readonly program: Program;
  /** Its name in the man pages. */
  readonly call: string;
  readonly loops: readonly ServeLoop[];
  /**
   * The method of Sys in front of which the program is held until strace is attached; null for a
   * server that serves, whose calls are injected from its first echo on.
   */
  readonly gate: string | null;
  /** `delay` lets each call begin and end late. */
  readonly faults: readonly string[];
  readonly times: readonly Times[];
  /** The mode of the server: `echo` if left out. */
  readonly mode?: 'echo' | 'once';
  /** A server or client of datagrams, on threads, or one that a supervisor listens to. */
  readonly variant?: Variant;
}

const EVERY: readonly Times[] = ['once', 'every 3rd', 'always'];
/** Made once by a program: a second time is the next attempt. */
const SET_UP: readonly Times[] = ['once', 'always'];
/** V8 makes the call as well, and would be hit by what comes later. */
const ONCE: readonly Times[] = ['once'];

function served(
  call: string,
  loops: readonly ServeLoop[],
  faults: readonly string[],
  times: readonly Times[] = EVERY,
): FaultyCall {
  return { program: 'serve', call, loops, gate: null, faults, times };
}

function started(
  call: string,
  loops: readonly ServeLoop[],
  faults: readonly string[],
  { gate = call, times = SET_UP }: { gate?: string; times?: readonly Times[] } = {},
): FaultyCall {
  return { program: 'serve', call, loops, gate, faults, times };
}

function loaded(
  call: string,
  loops: readonly ServeLoop[],
  faults: readonly string[],
  { gate = 'connect', times = EVERY }: { gate?: string; times?: readonly Times[] } = {},
): FaultyCall {
  return { program: 'load', call, loops, gate, faults, times };
}

function sent(
  call: string,
  faults: readonly string[],
  times: readonly Times[] = EVERY,
): FaultyCall {
  return { program: 'send', call, loops: ['blocking'], gate: 'socket', faults, times };
}

/** `serve --udp`, held in front of the first such call. */
function datagrams(
  call: string,
  loops: readonly ServeLoop[],
  faults: readonly string[],
  times: readonly Times[] = ['once', 'always'],
): FaultyCall {
  return { program: 'serve', call, loops, gate: call, faults, times, variant: '--udp' };
}

/** Event loops on threads, each of which meets the fault by itself. */
const THREADED: readonly ServeLoop[] = ['epoll', 'io_uring'];

/** `serve --threads`, while it serves. */
function threads(
  call: string,
  loops: readonly ServeLoop[],
  faults: readonly string[],
  times: readonly Times[] = EVERY,
): FaultyCall {
  return { ...served(call, loops, faults, times), variant: '--threads' };
}

/** `serve --threads`, whose first thread that gets there is held. */
function threadStarts(
  call: string,
  loops: readonly ServeLoop[],
  faults: readonly string[],
): FaultyCall {
  return { ...started(call, loops, faults), variant: '--threads' };
}

function sentBy(
  variant: Variant,
  call: string,
  faults: readonly string[],
  times: readonly Times[] = EVERY,
): FaultyCall {
  return { ...sent(call, faults, times), variant };
}

/** `load --udp`. */
function loadedDatagrams(
  call: string,
  faults: readonly string[],
  { loops = ['epoll', 'poll', 'io_uring'], times = EVERY, gate = call }: LoadedDatagrams = {},
): FaultyCall {
  return { ...loaded(call, loops, faults, { gate, times }), variant: '--udp' };
}

interface LoadedDatagrams {
  readonly loops?: readonly ServeLoop[];
  readonly times?: readonly Times[];
  readonly gate?: string;
}

const RECEIVE = ['EAGAIN', 'EINTR', 'ENOMEM', 'ECONNRESET', 'ETIMEDOUT', 'delay'];
const SEND = ['EAGAIN', 'EINTR', 'ENOBUFS', 'ENOMEM', 'EPIPE', 'ECONNRESET', 'delay'];
const NO_SOCKET = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EACCES', 'EAFNOSUPPORT'];
const NO_DESCRIPTOR = ['EMFILE', 'ENFILE', 'ENOMEM'];
const NO_ROUTE = [
  'ECONNREFUSED',
  'ETIMEDOUT',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EAGAIN',
  'EPERM',
  'EINTR',
  'delay',
];

const NOTIFY = ['EAGAIN', 'EINTR', 'ENOBUFS', 'ECONNREFUSED', 'EPERM'];

/** Every call, by program. */
export const FAULTY_CALLS: readonly FaultyCall[] = [
  served('accept4', READINESS, [
    ...['EAGAIN', 'EINTR', 'ECONNABORTED', 'EPROTO', 'ENETDOWN', 'EHOSTUNREACH', 'EPERM'],
    ...['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EINVAL', 'delay'],
  ]),
  served('recvfrom', READINESS, RECEIVE),
  served('sendto', READINESS, SEND),
  // A ring sends by this call what is too long to be gathered, and not at each run.
  { ...served('shutdown', SERVE_LOOPS, ['ENOTCONN', 'ENOBUFS', 'delay']), mode: 'once' },
  served('close', SERVE_LOOPS, ['EINTR', 'EIO', 'delay'], ['once', 'every 3rd']),
  served('setsockopt', BLOCKING, ['ENOMEM', 'ENOPROTOOPT', 'delay']),
  served('epoll_wait', ['epoll'], ['EINTR', 'delay']),
  served('epoll_wait', ['epoll, call by call'], ['EINTR', 'EINVAL', 'delay']),
  served('epoll_ctl', EPOLLS, ['ENOMEM', 'ENOSPC', 'delay']),
  served('poll', ['poll'], ['EINTR', 'EAGAIN', 'ENOMEM', 'EINVAL', 'delay']),
  served('select', ['select'], ['EINTR', 'ENOMEM', 'EBADF', 'EINVAL', 'delay']),
  served(
    'io_uring_enter',
    ['io_uring'],
    [...['EINTR', 'EAGAIN', 'EBUSY', 'ENOMEM', 'EBADR', 'EINVAL', 'ENXIO', 'delay']],
  ),
  started('socket', SERVE_LOOPS, NO_SOCKET),
  started('setsockopt', SERVE_LOOPS, ['ENOMEM', 'ENOPROTOOPT']),
  started('bind', SERVE_LOOPS, ['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'ENOMEM']),
  started('listen', SERVE_LOOPS, ['EADDRINUSE', 'EOPNOTSUPP']),
  started('getsockname', SERVE_LOOPS, ['ENOBUFS']),
  started('mmap', [...POLLERS.filter((loop) => loop !== 'epoll, call by call')], ['ENOMEM'], {
    gate: 'batching',
    times: ONCE,
  }),
  started(
    'mprotect',
    [...POLLERS.filter((loop) => loop !== 'epoll, call by call')],
    ['ENOMEM', 'EACCES'],
    {
      gate: 'batching',
      times: ONCE,
    },
  ),
  started('mmap', ['io_uring'], ['ENOMEM', 'EAGAIN', 'EPERM'], { times: ONCE }),
  started(
    'io_uring_setup',
    ['io_uring'],
    [...['EPERM', 'ENOSYS', 'ENOMEM', 'EMFILE', 'ENFILE', 'EINVAL']],
  ),
  started('io_uring_register', ['io_uring'], ['ENOMEM', 'EINVAL', 'EBUSY', 'EOPNOTSUPP'], {
    times: EVERY,
  }),
  started('eventfd2', EVENT_LOOPS, [...NO_DESCRIPTOR, 'ENODEV', 'ENOSYS'], { gate: 'eventfd' }),
  started('timerfd_create', EPOLLS, [...NO_DESCRIPTOR, 'ENODEV']),
  started('timerfd_settime', EPOLLS, ['EINVAL', 'ECANCELED']),
  started('epoll_create1', EPOLLS, NO_DESCRIPTOR),
  // From the second call on libuv's own might be hit, which ends the process.
  started('epoll_ctl', EPOLLS, ['ENOMEM', 'ENOSPC'], { times: ONCE }),
  loaded('socket', EVENT_LOOPS, NO_SOCKET, { gate: 'socket' }),
  loaded('connect', POLLERS, NO_ROUTE),
  loaded('recvfrom', POLLERS, RECEIVE),
  loaded('sendto', POLLERS, SEND),
  loaded('epoll_wait', EPOLLS, ['EINTR', 'delay']),
  loaded('epoll_ctl', EPOLLS, ['ENOMEM', 'ENOSPC']),
  loaded('poll', ['poll'], ['EINTR', 'ENOMEM', 'delay']),
  loaded('select', ['select'], ['EINTR', 'ENOMEM', 'delay']),
  loaded('io_uring_enter', ['io_uring'], ['EINTR', 'EAGAIN', 'EBUSY', 'ENOMEM', 'delay'], {
    gate: 'socket',
  }),
  loaded('io_uring_setup', ['io_uring'], ['EPERM', 'ENOSYS', 'ENOMEM', 'EMFILE'], {
    gate: 'io_uring_setup',
    times: SET_UP,
  }),
  datagrams('recvmmsg', DATAGRAM_LOOPS, ['EAGAIN', 'EINTR', 'ENOMEM', 'ECONNREFUSED']),
  datagrams('sendmmsg', DATAGRAM_LOOPS, [
    ...['EAGAIN', 'EINTR', 'ENOBUFS', 'ENETUNREACH', 'EPERM', 'EINVAL'],
  ]),
  datagrams('recvfrom', ['blocking'], ['EAGAIN', 'EINTR', 'ENOMEM', 'ECONNREFUSED'], EVERY),
  datagrams('sendto', ['blocking'], ['EAGAIN', 'EINTR', 'ENOBUFS', 'ENETUNREACH', 'EPERM'], EVERY),
  datagrams('socket', DATAGRAM_LOOPS, ['EMFILE', 'ENOBUFS', 'EACCES', 'EAFNOSUPPORT'], ONCE),
  datagrams('bind', DATAGRAM_LOOPS, ['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL'], ONCE),
  datagrams('setsockopt', DATAGRAM_LOOPS, ['ENOMEM', 'ENOPROTOOPT'], ONCE),
  sent('socket', NO_SOCKET, SET_UP),
  sent('connect', NO_ROUTE, SET_UP),
  sent('setsockopt', ['ENOMEM', 'ENOPROTOOPT'], SET_UP),
  sent('recvfrom', RECEIVE),
  sent('sendto', SEND),
  sent('close', ['EINTR', 'EIO', 'delay'], ['once']),
  threads(
    'accept4',
    ['epoll'],
    [...['EAGAIN', 'EINTR', 'ECONNABORTED', 'EMFILE', 'ENOBUFS', 'EINVAL', 'delay']],
  ),
  threads('recvfrom', ['epoll'], RECEIVE),
  threads('sendto', ['epoll'], SEND),
  threads('close', THREADED, ['EINTR', 'delay'], ['once', 'every 3rd']),
  threads(
    'io_uring_enter',
    ['io_uring'],
    ['EINTR', 'EAGAIN', 'EBUSY', 'ENOMEM', 'EINVAL', 'delay'],
  ),
  threadStarts('socket', THREADED, ['EMFILE', 'EACCES']),
  threadStarts('bind', THREADED, ['EADDRINUSE', 'EACCES']),
  threadStarts('listen', THREADED, ['EADDRINUSE']),
  threadStarts('io_uring_setup', ['io_uring'], ['EPERM', 'ENOMEM', 'EMFILE']),
  { ...started('sendmsg', ['epoll'], NOTIFY), variant: 'NOTIFY_SOCKET' },
  sentBy('--udp', 'socket', NO_SOCKET, SET_UP),
  sentBy('--udp', 'connect', ['ENETUNREACH', 'EAGAIN', 'EPERM', 'EINTR'], SET_UP),
  sentBy('--udp', 'setsockopt', ['ENOMEM', 'ENOPROTOOPT'], SET_UP),
  sentBy('--udp', 'recvfrom', ['EAGAIN', 'EINTR', 'ENOMEM', 'ECONNREFUSED', 'delay']),
  sentBy('--udp', 'sendto', [
    ...['EAGAIN', 'EINTR', 'ENOBUFS', 'ENETUNREACH', 'EPERM', 'ECONNREFUSED', 'delay'],
  ]),
  sentBy('--threads', 'socket', ['EMFILE', 'ENOBUFS'], SET_UP),
  sentBy('--threads', 'connect', ['ECONNREFUSED', 'ETIMEDOUT', 'EADDRNOTAVAIL', 'EINTR'], SET_UP),
  sentBy('--threads', 'recvfrom', RECEIVE),
  sentBy('--threads', 'sendto', SEND),
  loadedDatagrams('recvmmsg', ['EAGAIN', 'EINTR', 'ENOMEM', 'ECONNREFUSED', 'delay']),
  loadedDatagrams('sendmmsg', [
    ...['EAGAIN', 'EINTR', 'ENOBUFS', 'ENETUNREACH', 'EPERM', 'EINVAL', 'ECONNREFUSED', 'delay'],
  ]),
  loadedDatagrams('socket', ['EMFILE', 'ENOBUFS'], { times: SET_UP }),
  loadedDatagrams('connect', ['ENETUNREACH', 'EAGAIN', 'EPERM'], { times: SET_UP }),
  loadedDatagrams('setsockopt', ['ENOMEM', 'ENOPROTOOPT'], { times: SET_UP }),
  loadedDatagrams('epoll_wait', ['EINTR', 'delay'], { loops: ['epoll'], gate: 'socket' }),
  loadedDatagrams('poll', ['EINTR', 'ENOMEM'], { loops: ['poll'], gate: 'socket' }),
  loadedDatagrams('io_uring_enter', ['EINTR', 'EAGAIN', 'EBUSY', 'ENOMEM', 'delay'], {
    loops: ['io_uring'],
    gate: 'socket',
  }),
];
