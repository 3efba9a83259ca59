/**
 * The application binary interface of one platform: every number and structure layout that the
 * system calls of sockloop need, under the names of the headers.
 *
 * The tables in this folder are data only. `test/abi.test.ts` holds them against the vectors in
 * `test/vectors/abi` (read from the real headers of six platforms) and, on Linux, against a C probe
 * compiled on the machine.
 */

/** A platform that has a table. */
export type PlatformName =
  | 'linux-x64'
  | 'linux-arm64'
  | 'darwin-x64'
  | 'darwin-arm64'
  | 'freebsd-x64'
  | 'freebsd-arm64';

/** Where a field lies in its structure, and how many bytes it takes. */
export interface Field {
  readonly offset: number;
  readonly size: number;
  /** For a bit field: its first and last bit, counted from the lowest of the bytes above. */
  readonly bits?: readonly [first: number, last: number];
}

/** The layout of one C structure. */
export interface StructLayout<FieldName extends string = string> {
  readonly size: number;
  readonly fields: Readonly<Record<FieldName, Field>>;
}

/** Constants that every platform has, with a value of its own on each. */
export type CommonConstantName =
  | 'AF_UNSPEC'
  | 'AF_UNIX'
  | 'AF_INET'
  | 'AF_INET6'
  | 'SOCK_STREAM'
  | 'SOL_SOCKET'
  | 'IPPROTO_IP'
  | 'IPPROTO_IPV6'
  | 'IPPROTO_TCP'
  | 'SOMAXCONN'
  | 'SHUT_RD'
  | 'SHUT_WR'
  | 'SHUT_RDWR'
  | 'MSG_DONTWAIT'
  | 'MSG_PEEK'
  | 'MSG_OOB'
  | 'MSG_WAITALL'
  | 'MSG_TRUNC'
  | 'SO_REUSEADDR'
  | 'SO_ERROR'
  | 'SO_RCVTIMEO'
  | 'SO_SNDTIMEO'
  | 'SO_LINGER'
  | 'F_GETFD'
  | 'F_SETFD'
  | 'F_GETFL'
  | 'F_SETFL'
  | 'FD_CLOEXEC'
  | 'O_NONBLOCK'
  | 'O_CLOEXEC'
  | 'O_RDONLY'
  | 'O_WRONLY'
  | 'O_RDWR'
  | 'POLLIN'
  | 'POLLOUT'
  | 'POLLERR'
  | 'POLLHUP'
  | 'POLLNVAL'
  | 'FD_SETSIZE'
  | 'RLIMIT_NOFILE'
  | 'EVFILT_READ'
  | 'EVFILT_WRITE'
  | 'EVFILT_TIMER'
  | 'EVFILT_USER'
  | 'EV_ADD'
  | 'EV_DELETE'
  | 'EV_ENABLE'
  | 'EV_DISABLE'
  | 'EV_ONESHOT'
  | 'EV_CLEAR'
  | 'EV_RECEIPT'
  | 'EV_DISPATCH'
  | 'EV_ERROR'
  | 'EV_EOF'
  | 'NOTE_FFNOP'
  | 'NOTE_TRIGGER'
  | 'PROT_READ'
  | 'PROT_WRITE'
  | 'MAP_PRIVATE'
  | 'MAP_ANONYMOUS'
  | 'AI_PASSIVE'
  | 'AI_NUMERICHOST'
  | 'AI_NUMERICSERV'
  | 'AI_CANONNAME'
  | 'AI_ADDRCONFIG'
  | 'NI_NUMERICHOST'
  | 'NI_NUMERICSERV'
  | 'NI_NAMEREQD'
  | 'NI_MAXHOST'
  | 'EAI_AGAIN'
  | 'EAI_BADFLAGS'
  | 'EAI_FAIL'
  | 'EAI_FAMILY'
  | 'EAI_MEMORY'
  | 'EAI_NONAME'
  | 'EAI_SERVICE'
  | 'EAI_SOCKTYPE'
  | 'EAI_SYSTEM'
  | 'EAI_OVERFLOW';

/** Constants that some platforms lack; absent there, so that a caller has to ask. */
export type OptionalConstantName =
  | 'SOCK_CLOEXEC'
  | 'SOCK_NONBLOCK'
  | 'MSG_NOSIGNAL'
  | 'SO_NOSIGPIPE'
  | 'SOL_LOCAL'
  | 'EAI_NODATA'
  | 'EAI_ADDRFAMILY'
  | 'EAI_BADHINTS'
  | 'EAI_PROTOCOL'
  | 'POLLRDHUP'
  | 'EPOLLIN'
  | 'EPOLLOUT'
  | 'EPOLLERR'
  | 'EPOLLHUP'
  | 'EPOLLRDHUP'
  | 'EPOLLET'
  | 'EPOLLONESHOT'
  | 'EPOLLEXCLUSIVE'
  | 'EPOLL_CTL_ADD'
  | 'EPOLL_CTL_DEL'
  | 'EPOLL_CTL_MOD'
  | 'EPOLL_CLOEXEC'
  | 'EFD_CLOEXEC'
  | 'EFD_NONBLOCK'
  | 'OPEN_MAX';

export type Constants = Readonly<Record<CommonConstantName, number>> &
  Readonly<Partial<Record<OptionalConstantName, number>>>;

/** The errnos that the code names; each table holds all that its platform has. */
type ErrnoName =
  | 'EACCES'
  | 'EADDRINUSE'
  | 'EADDRNOTAVAIL'
  | 'EAGAIN'
  | 'EALREADY'
  | 'EBADF'
  | 'ECONNABORTED'
  | 'ECONNREFUSED'
  | 'ECONNRESET'
  | 'EEXIST'
  | 'EINPROGRESS'
  | 'EINTR'
  | 'EINVAL'
  | 'EISCONN'
  | 'EMFILE'
  | 'ENAMETOOLONG'
  | 'ENFILE'
  | 'ENOBUFS'
  | 'ENOENT'
  | 'ENOMEM'
  | 'ENOPROTOOPT'
  | 'ENOSPC'
  | 'ENOSYS'
  | 'ENOTCONN'
  | 'ENOTSOCK'
  | 'EPERM'
  | 'EPIPE'
  | 'EPROTO'
  | 'ETIMEDOUT'
  | 'EWOULDBLOCK';

/** The structures of the calls, with the fields that the code reads or writes. */
interface Structs {
  /** `sa_len` is one byte on the BSDs and absent on Linux, where `sa_family` takes two. */
  readonly sockaddr: StructLayout<'sa_family'> & { readonly fields: { readonly sa_len?: Field } };
  readonly sockaddr_in: StructLayout<'sin_family' | 'sin_port' | 'sin_addr'>;
  readonly sockaddr_in6: StructLayout<
    'sin6_family' | 'sin6_port' | 'sin6_flowinfo' | 'sin6_addr' | 'sin6_scope_id'
  >;
  readonly sockaddr_un: StructLayout<'sun_family' | 'sun_path'>;
  readonly sockaddr_storage: StructLayout;
  readonly addrinfo: StructLayout<
    | 'ai_flags'
    | 'ai_family'
    | 'ai_socktype'
    | 'ai_protocol'
    | 'ai_addrlen'
    | 'ai_addr'
    | 'ai_canonname'
    | 'ai_next'
  >;
  readonly timeval: StructLayout<'tv_sec' | 'tv_usec'>;
  readonly timespec: StructLayout<'tv_sec' | 'tv_nsec'>;
  /** Unsigned on Linux, signed on the BSDs; no limit is all bits that are not the sign. */
  readonly rlimit: StructLayout<'rlim_cur' | 'rlim_max'>;
  readonly linger: StructLayout<'l_onoff' | 'l_linger'>;
  readonly pollfd: StructLayout<'fd' | 'events' | 'revents'>;
  /** Descriptor n is bit n % 8 of byte n / 8: the platforms are little-endian. */
  readonly fd_set: StructLayout;
  /** On Linux as libkqueue has it. */
  readonly kevent: StructLayout<'ident' | 'filter' | 'flags' | 'fflags' | 'data' | 'udata'>;
  /** Linux; `data` is the caller's. */
  readonly epoll_event?: StructLayout<'events' | 'data'>;
  /** Who is at the other end of a UNIX socket, for SO_PEERCRED: Linux. */
  readonly ucred?: StructLayout<'pid' | 'uid' | 'gid'>;
  /** The same for LOCAL_PEERCRED: the BSDs, and `cr_pid` on FreeBSD alone. */
  readonly xucred?: StructLayout<'cr_version' | 'cr_uid' | 'cr_ngroups' | 'cr_groups'> & {
    readonly fields: { readonly cr_pid?: Field };
  };
  /** What TCP_INFO answers: Linux and FreeBSD, with the fields that a kernel fills. */
  readonly tcp_info?: StructLayout;
  /** What TCP_CONNECTION_INFO answers: macOS. */
  readonly tcp_connection_info?: StructLayout;
}

/** What the kernel of a platform does differently, where no constant tells. */
interface Behaviours {
  /** SO_RCVTIMEO bounds accept(2), and SO_SNDTIMEO bounds connect(2): Linux only. */
  readonly timeoutsBoundAcceptAndConnect: boolean;
  /** UNIX names that begin with a NUL byte live outside the file system: Linux only. */
  readonly abstractUnixNames: boolean;
  /** accept4(2) exists: Linux and FreeBSD. */
  readonly accept4: boolean;
  /** The unit of `l_linger` in SO_LINGER: a second, but a hundredth of one on macOS. */
  readonly lingerTicksPerSecond: number;
  /** The width of SO_MAX_PACING_RATE's number: a `long` on Linux, 32 bits on FreeBSD. */
  readonly pacingRateBytes: 4 | 8;
}

/** Everything about one platform. */
export interface Abi {
  readonly platform: PlatformName;
  readonly constants: Constants;
  readonly errno: Readonly<Record<ErrnoName, number>> & Readonly<Record<string, number>>;
  readonly structs: Structs;
  readonly behaviours: Behaviours;
  /**
   * Socket options by name (`SO_*`, `TCP_*`, `IP_*`, `IPV6_*`, `LOCAL_*`): present where the
   * platform has them. `src/socket/options.ts` says what each takes.
   */
  readonly options: Readonly<Record<string, number>>;
}
