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
  /** Whether the server is one of datagrams: `serve --udp`. */
  readonly udp?: boolean;
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
  return { program: 'serve', call, loops, gate: call, faults, times, udp: true };
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
  datagrams('recvfrom', ['blocking'], ['EAGAIN', 'EINTR', 'ENOMEM', 'ECONNREFUSED'], ONCE),
  datagrams('sendto', ['blocking'], ['EAGAIN', 'EINTR', 'ENOBUFS', 'ENETUNREACH', 'EPERM'], ONCE),
  datagrams('socket', DATAGRAM_LOOPS, ['EMFILE', 'ENOBUFS', 'EACCES', 'EAFNOSUPPORT'], ONCE),
  datagrams('bind', DATAGRAM_LOOPS, ['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL'], ONCE),
  datagrams('setsockopt', DATAGRAM_LOOPS, ['ENOMEM', 'ENOPROTOOPT'], ONCE),
  sent('socket', NO_SOCKET, SET_UP),
  sent('connect', NO_ROUTE, SET_UP),
  sent('setsockopt', ['ENOMEM', 'ENOPROTOOPT'], SET_UP),
  sent('recvfrom', RECEIVE),
  sent('sendto', SEND),
  sent('close', ['EINTR', 'EIO', 'delay'], ['once']),
];
