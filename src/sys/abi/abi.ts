import type {
  MessageConstantName,
  MessageStructs,
  OptionalMessageConstantName,
} from './messages.ts';

/**
 * The application binary interface of one platform: the constants and structure layouts of the
 * system calls, under the names of the headers.
 *
 * The tables in this folder are data only. `test/sys/abi/abi.test.ts` compares them with the
 * vectors in `test/sys/abi/vectors` (read from the headers of six platforms) and, on Linux, with a
 * C probe compiled on the machine.
 */

/** A platform with a table. */
export type PlatformName =
  | 'linux-x64'
  | 'linux-arm64'
  | 'darwin-x64'
  | 'darwin-arm64'
  | 'freebsd-x64'
  | 'freebsd-arm64';

/** The offset and the size in bytes of a field in its structure. */
export interface Field {
  readonly offset: number;
  readonly size: number;
  /** The first and the last bit of a bit field, counted from the lowest bit of those bytes. */
  readonly bits?: readonly [first: number, last: number];
}

/** The layout of one C structure. */
export interface StructLayout<FieldName extends string = string> {
  readonly size: number;
  readonly fields: Readonly<Record<FieldName, Field>>;
}

/** Constants that every platform has. */
type CommonConstantName =
  | 'AF_UNSPEC'
  | 'AF_UNIX'
  | 'AF_INET'
  | 'AF_INET6'
  | 'SOCK_STREAM'
  | 'SOCK_DGRAM'
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
  | 'MSG_CTRUNC'
  | 'SCM_RIGHTS'
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
  | 'FIONREAD'
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
  | 'PROT_EXEC'
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

/** Constants that some platforms lack: absent there. */
type OptionalConstantName =
  | 'SOCK_CLOEXEC'
  | 'SOCK_NONBLOCK'
  | 'MSG_NOSIGNAL'
  | 'MSG_CMSG_CLOEXEC'
  | 'SIOCOUTQ'
  | 'FIONWRITE'
  | 'SO_NOSIGPIPE'
  | 'SO_PEERNAME'
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
  | 'CLOCK_MONOTONIC'
  | 'TFD_CLOEXEC'
  | 'TFD_NONBLOCK'
  | 'EFD_NONBLOCK'
  | 'OPEN_MAX';

/** The constants of a platform, by the names of the headers. */
export type Constants = Readonly<Record<CommonConstantName | MessageConstantName, number>> &
  Readonly<Partial<Record<OptionalConstantName | OptionalMessageConstantName, number>>>;

/** The errnos that the code names; a table holds all of its platform. */
export type ErrnoName =
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
  | 'EUSERS'
  | 'EWOULDBLOCK';

/** The structures of the calls, with the fields that the code reads or writes. */
export interface Structs extends MessageStructs {
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
  /** Unsigned on Linux, signed on the BSDs; no limit is the highest value. */
  readonly rlimit: StructLayout<'rlim_cur' | 'rlim_max'>;
  readonly linger: StructLayout<'l_onoff' | 'l_linger'>;
  /** `msg_iovlen` and `msg_controllen` take 8 bytes on Linux, 4 on the BSDs. */
  readonly msghdr: StructLayout<
    | 'msg_name'
    | 'msg_namelen'
    | 'msg_iov'
    | 'msg_iovlen'
    | 'msg_control'
    | 'msg_controllen'
    | 'msg_flags'
  >;
  readonly cmsghdr: StructLayout<'cmsg_len' | 'cmsg_level' | 'cmsg_type'>;
  readonly iovec: StructLayout<'iov_base' | 'iov_len'>;
  readonly pollfd: StructLayout<'fd' | 'events' | 'revents'>;
  /** Descriptor n is bit n % 8 of byte n / 8: the platforms are little-endian. */
  readonly fd_set: StructLayout;
  /** On Linux that of libkqueue. */
  readonly kevent: StructLayout<'ident' | 'filter' | 'flags' | 'fflags' | 'data' | 'udata'>;
  /** Linux; `data` is the caller's. */
  readonly epoll_event?: StructLayout<'events' | 'data'>;
  /** SO_PEERCRED: Linux. */
  readonly ucred?: StructLayout<'pid' | 'uid' | 'gid'>;
  /** LOCAL_PEERCRED: the BSDs; `cr_pid` on FreeBSD only. */
  readonly xucred?: StructLayout<'cr_version' | 'cr_uid' | 'cr_ngroups' | 'cr_groups'> & {
    readonly fields: { readonly cr_pid?: Field };
  };
  /** TCP_INFO: Linux and FreeBSD, the fields that a kernel fills in. */
  readonly tcp_info?: StructLayout;
  /** TCP_CONNECTION_INFO: macOS. */
  readonly tcp_connection_info?: StructLayout;
}

/** The constants of io_uring, and those of mmap(2) that only rings need. */
type IoUringConstantName =
  | 'SYS_io_uring_setup'
  | 'SYS_io_uring_enter'
  | 'SYS_io_uring_register'
  | 'IORING_SETUP_CQSIZE'
  | 'IORING_SETUP_CLAMP'
  | 'IORING_SETUP_SUBMIT_ALL'
  | 'IORING_SETUP_COOP_TASKRUN'
  | 'IORING_SETUP_SINGLE_ISSUER'
  | 'IORING_SETUP_DEFER_TASKRUN'
  | 'IORING_SETUP_NO_SQARRAY'
  | 'IORING_ENTER_GETEVENTS'
  | 'IORING_ENTER_EXT_ARG'
  | 'IORING_ENTER_REGISTERED_RING'
  | 'IORING_ENTER_NO_IOWAIT'
  | 'IORING_FEAT_SINGLE_MMAP'
  | 'IORING_FEAT_NODROP'
  | 'IORING_FEAT_SUBMIT_STABLE'
  | 'IORING_FEAT_FAST_POLL'
  | 'IORING_FEAT_EXT_ARG'
  | 'IORING_FEAT_CQE_SKIP'
  | 'IORING_FEAT_MIN_TIMEOUT'
  | 'IORING_FEAT_NO_IOWAIT'
  | 'IORING_OFF_SQ_RING'
  | 'IORING_OFF_CQ_RING'
  | 'IORING_OFF_SQES'
  | 'IORING_OP_NOP'
  | 'IORING_OP_POLL_ADD'
  | 'IORING_OP_TIMEOUT'
  | 'IORING_OP_ACCEPT'
  | 'IORING_OP_ASYNC_CANCEL'
  | 'IORING_OP_CONNECT'
  | 'IORING_OP_CLOSE'
  | 'IORING_OP_FILES_UPDATE'
  | 'IORING_OP_SEND'
  | 'IORING_OP_RECV'
  | 'IORING_OP_SHUTDOWN'
  | 'IOSQE_FIXED_FILE'
  | 'IOSQE_IO_LINK'
  | 'IOSQE_IO_HARDLINK'
  | 'IOSQE_ASYNC'
  | 'IOSQE_BUFFER_SELECT'
  | 'IOSQE_CQE_SKIP_SUCCESS'
  | 'IORING_CQE_F_BUFFER'
  | 'IORING_CQE_F_MORE'
  | 'IORING_CQE_F_SOCK_NONEMPTY'
  | 'IORING_CQE_F_NOTIF'
  | 'IORING_CQE_F_BUF_MORE'
  | 'IORING_CQE_BUFFER_SHIFT'
  | 'IORING_REGISTER_FILES'
  | 'IORING_REGISTER_FILES_UPDATE'
  | 'IORING_REGISTER_PROBE'
  | 'IORING_REGISTER_FILES2'
  | 'IORING_REGISTER_RING_FDS'
  | 'IORING_UNREGISTER_RING_FDS'
  | 'IORING_REGISTER_PBUF_RING'
  | 'IORING_UNREGISTER_PBUF_RING'
  | 'IORING_REGISTER_SYNC_CANCEL'
  | 'IO_URING_OP_SUPPORTED'
  | 'IOU_PBUF_RING_INC'
  | 'IORING_SQ_NEED_WAKEUP'
  | 'IORING_SQ_CQ_OVERFLOW'
  | 'IORING_SQ_TASKRUN'
  | 'IORING_RECV_MULTISHOT'
  | 'IORING_RECVSEND_POLL_FIRST'
  | 'IORING_RECVSEND_BUNDLE'
  | 'IORING_ACCEPT_MULTISHOT'
  | 'IORING_ASYNC_CANCEL_ALL'
  | 'IORING_ASYNC_CANCEL_FD'
  | 'IORING_ASYNC_CANCEL_ANY'
  | 'IORING_ASYNC_CANCEL_USERDATA'
  | 'IORING_POLL_ADD_MULTI'
  | 'IORING_TIMEOUT_MULTISHOT'
  | 'IORING_RSRC_REGISTER_SPARSE'
  | 'MAP_SHARED'
  | 'MAP_POPULATE';

/** The structures of io_uring, with the fields that the code reads or writes. */
interface IoUringStructs {
  readonly io_uring_params: StructLayout<
    'sq_entries' | 'cq_entries' | 'flags' | 'features' | 'sq_off' | 'cq_off'
  >;
  readonly io_sqring_offsets: StructLayout<
    'head' | 'tail' | 'ring_mask' | 'ring_entries' | 'flags' | 'dropped' | 'array'
  >;
  readonly io_cqring_offsets: StructLayout<
    'head' | 'tail' | 'ring_mask' | 'ring_entries' | 'overflow' | 'cqes' | 'flags'
  >;
  readonly io_uring_sqe: StructLayout<
    | 'opcode'
    | 'flags'
    | 'ioprio'
    | 'fd'
    | 'off'
    | 'addr'
    | 'len'
    | 'msg_flags'
    | 'user_data'
    | 'buf_index'
    | 'buf_group'
    | 'file_index'
  >;
  readonly io_uring_cqe: StructLayout<'user_data' | 'res' | 'flags'>;
  readonly io_uring_buf: StructLayout<'addr' | 'len' | 'bid'>;
  readonly io_uring_buf_reg: StructLayout<'ring_addr' | 'ring_entries' | 'bgid' | 'flags'>;
  readonly io_uring_buf_ring: StructLayout<'tail'>;
  readonly io_uring_getevents_arg: StructLayout<'sigmask' | 'sigmask_sz' | 'min_wait_usec' | 'ts'>;
  readonly __kernel_timespec: StructLayout<'tv_sec' | 'tv_nsec'>;
  readonly io_uring_probe: StructLayout<'last_op' | 'ops_len'>;
  readonly io_uring_probe_op: StructLayout<'op' | 'flags'>;
  readonly io_uring_rsrc_update: StructLayout<'offset' | 'data'>;
  readonly io_uring_rsrc_register: StructLayout<'nr' | 'flags' | 'data' | 'tags'>;
  readonly io_uring_sync_cancel_reg: StructLayout<'addr' | 'fd' | 'flags' | 'timeout'>;
}

/**
 * io_uring(7): Linux only. The numbers of the system calls, which the C library does not wrap, and
 * their constants and structures. Older kernels lack some of it, and a sandbox may forbid all.
 */
export interface IoUringAbi {
  readonly constants: Readonly<Record<IoUringConstantName, number>>;
  readonly structs: IoUringStructs;
}

/** Differences between kernels that no constant tells. */
export interface Behaviours {
  /** SO_RCVTIMEO bounds accept(2), and SO_SNDTIMEO bounds connect(2): Linux only. */
  readonly timeoutsBoundAcceptAndConnect: boolean;
  /** UNIX names that begin with a NUL byte are outside of the file system: Linux only. */
  readonly abstractUnixNames: boolean;
  /** Whether the kernel spreads connections over the sockets of SO_REUSEPORT. */
  readonly reusePortBalances: boolean;
  /** accept4(2) exists: Linux and FreeBSD. */
  readonly accept4: boolean;
  /** The unit of `l_linger` in SO_LINGER: a second, but a hundredth of one on macOS. */
  readonly lingerTicksPerSecond: number;
  /** Headers and data of control messages begin at multiples of this: CMSG_ALIGN of cmsg(3). */
  readonly controlAlignBytes: 4 | 8;
  /** The width of IP_TOS in a control message that is sent: FreeBSD takes one byte. */
  readonly controlTosBytes: 1 | 4;
  /** An IPv6 socket of both families takes the options of IPv4: Linux only. */
  readonly ipv4OptionsOnIPv6: boolean;
  /** UNIX sockets of SOCK_SEQPACKET exist: Linux and FreeBSD. */
  readonly unixSeqpacket: boolean;
  /** The width of SO_MAX_PACING_RATE's number: a `long` on Linux, 32 bits on FreeBSD. */
  readonly pacingRateBytes: 4 | 8;
}

/** A state of TCP (RFC 9293). */
export type TcpState =
  | 'closed'
  | 'listen'
  | 'syn-sent'
  | 'syn-received'
  | 'established'
  | 'close-wait'
  | 'fin-wait-1'
  | 'closing'
  | 'last-ack'
  | 'fin-wait-2'
  | 'time-wait';

/** What the fields of TCP_INFO and TCP_CONNECTION_INFO mean, which no header's layout tells. */
export interface TcpMeaning {
  readonly option: 'TCP_INFO' | 'TCP_CONNECTION_INFO';
  /** By the number in `tcpi_state`. */
  readonly states: readonly TcpState[];
  /** Microseconds in the unit of its times: 1, but 1000 on macOS. */
  readonly usPerTime: number;
  /** `tcpi_snd_cwnd` counts bytes: the BSDs. Linux counts segments. */
  readonly windowInBytes: boolean;
}

/** The table of a platform. */
export interface Abi {
  readonly platform: PlatformName;
  readonly constants: Constants;
  readonly errno: Readonly<Record<ErrnoName, number>> & Readonly<Record<string, number>>;
  readonly structs: Structs;
  readonly behaviours: Behaviours;
  readonly tcp: TcpMeaning;
  /** Null on macOS and FreeBSD. */
  readonly ioUring: IoUringAbi | null;
  /**
   * The numbers of the socket options of the platform by name (`SO_*`, `TCP_*`, `IP_*`, `IPV6_*`,
   * `LOCAL_*`). `src/socket/options/table.ts` holds their types.
   */
  readonly options: Readonly<Record<string, number>>;
}
