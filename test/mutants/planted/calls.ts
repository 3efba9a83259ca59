import type { PlantedFile } from './planted-file.ts';

const kind = 'a field, an offset or a flag of a call';

/** System calls, their structures, and what sockets and framing make of them. */
export const calls: readonly PlantedFile[] = [
  {
    kind,
    path: 'dist/src/sys/native-messages.js',
    changes: [
      ['this.#sendFrom(fd, address + offset', 'this.#sendFrom(fd, address'],
      ['this.#recvInto(fd, address + offset', 'this.#recvInto(fd, address'],
      ['messages.address + first * messages.recordBytes', 'messages.address'],
      ['address === null ? 0 : addressLength', 'addressLength'],
      ['if (result >= 0) memory.read(message);', ''],
    ],
  },
  {
    kind,
    path: 'dist/src/sys/native-sys.js',
    changes: [
      ['Math.ceil(nfds / 64) * 8', 'Math.ceil(nfds / 8)'],
      ['count * this.abi.structs.pollfd.size', 'count'],
      ['maxevents * this.#epollEventBytes', 'this.#epollEventBytes'],
      ['enter(call, fd, toSubmit, minComplete', 'enter(call, fd, minComplete, toSubmit'],
      ['this.#c.timerfd_create(clockid, flags)', 'this.#c.timerfd_create(flags, clockid)'],
      ['this.#c.getpeername(fd, address, length)', 'this.#c.getsockname(fd, address, length)'],
    ],
  },
  {
    kind,
    path: 'dist/src/sys/descriptors.js',
    changes: [
      ['if (second >= 0) sys.close(right);', ''],
      ['set === -sys.abi.errno.EINVAL ? 0 : set', 'set'],
      ['result < 0 ? -sys.abi.errno.ECONNABORTED : result', 'result'],
      ['nonblocking ? SOCK_CLOEXEC | SOCK_NONBLOCK : SOCK_CLOEXEC', 'SOCK_CLOEXEC | SOCK_NONBLOCK'],
      ['flags & ~O_NONBLOCK', '0'],
    ],
  },
  {
    kind,
    path: 'dist/src/sys/socket-queues.js',
    changes: [['Math.max(0, bytes - 1)', 'bytes']],
  },
  {
    kind,
    path: 'dist/src/sys/message-vector.js',
    changes: [
      ['slot * this.#recordWords + this.#lengthWord] ?? 0', 'slot + this.#lengthWord] ?? 0'],
      ['words[record + flagsWord] = 0; }', '}'],
      [
        'else if (was === 0) this.#point(record + this.#controlWord',
        'else if (false) this.#point(record + this.#controlWord',
      ],
      ['words[record + nameLengthWord] = nameBytes;', ''],
      ['this.#high + carry', 'this.#high'],
    ],
  },
  {
    kind,
    path: 'dist/src/sys/message-memory.js',
    changes: [
      ["this.#addressFor('buffer', buffer) + offset", "this.#addressFor('buffer', buffer)"],
      ['PARTS.indexOf(part) * COPY_BYTES', '0'],
      ['readUnsigned(this.#view, 0, fields.msg_controllen)', 'message.controlLength'],
    ],
  },
  {
    kind,
    path: 'dist/src/sys/control/times.js',
    changes: [["('SCM_TIMESTAMP', timeval, 1000)", "('SCM_TIMESTAMP', timeval, 1)"]],
  },
  {
    kind,
    path: 'dist/src/sys/control/addresses.js',
    changes: [
      [
        'localAddress: formatIPv4(bytesUnder(data), ipi_spec_dst.offset)',
        'localAddress: formatIPv4(bytesUnder(data), ipi_addr.offset)',
      ],
    ],
  },
  {
    kind,
    path: 'dist/src/sys/control/reader.js',
    changes: [
      ['header += this.#aligned(bytes);', 'header += bytes;'],
      ['&& header + bytes <= end', ''],
      ['header + this.#headerBytes <= end', 'header + this.#headerBytes < end'],
    ],
  },
  {
    kind,
    path: 'dist/src/sys/sockaddr.js',
    changes: [
      [
        'into[at] = port >> 8; into[at + 1] = port & 0xff;',
        'into[at + 1] = port >> 8; into[at] = port & 0xff;',
      ],
      ['abstract ? sun_path.size : sun_path.size - 1', 'sun_path.size'],
      [
        'setUint32(fields.sin6_scope_id.offset, scopeId, true)',
        'setUint32(fields.sin6_scope_id.offset, scopeId, false)',
      ],
    ],
  },
  {
    kind: 'bytes of a frame',
    path: 'dist/src/framing/line-buffer.js',
    changes: [
      ['length > this.lineBytesMax;', 'length >= this.lineBytesMax;'],
      ['this.#searched = 0; return this.take(length);', 'return this.take(length);'],
    ],
  },
  {
    kind: 'bytes of a frame',
    path: 'dist/src/framing/receive-buffer.js',
    changes: [
      ['this.#end -= this.#start;', ''],
      ['needed <= this.bytes.length / 2 ||', ''],
      ['this.bytes.length - this.#end >= bytes', 'this.bytes.length - this.#end > bytes'],
    ],
  },
  {
    kind: 'bytes of a frame',
    path: 'dist/src/framing/length-prefix.js',
    changes: [
      ['this.length < this.prefixBytes + length', 'this.length <= this.prefixBytes + length'],
      ['length < 0 || length > this.frameBytesMax', 'length < 0 || length >= this.frameBytesMax'],
    ],
  },
  {
    kind: 'bytes of a frame',
    path: 'dist/src/framing/proxy-v2.js',
    changes: [
      ['value.length < 5', 'value.length <= 5'],
      ['port(at + 10)', 'port(at + 8)'],
      ['result === 0 && (flags & 0x06) !== 0', 'result === 0'],
      ['byteLength > bytesMax', 'byteLength >= bytesMax'],
    ],
  },
  {
    kind: 'a call that waits',
    path: 'dist/src/socket/wait.js',
    changes: [
      ['Math.min(Math.ceil(timeoutMs)', 'Math.min(Math.floor(timeoutMs)'],
      ['this.#left -= 1;', ''],
      ['early.count < EARLY_ENDS_MAX', 'early.count <= EARLY_ENDS_MAX'],
      ['leftMs(sys, deadlineMs))', 'timeoutMs)'],
      ["interruptible && kind === 'passing'", "kind === 'passing'"],
      ['(came & sys.abi.constants.POLLNVAL) === 0 ? came : -sys.abi.errno.EBADF', 'came'],
    ],
  },
  {
    kind: 'a call that waits',
    path: 'dist/src/socket/blocking-call.js',
    changes: [
      ['result !== -EAGAIN || timeoutMs === null', 'result !== -EAGAIN'],
      ['if (waits) return endedError', 'if (!waits) return endedError'],
      ['EINTR || socket.interruptible) return false', 'EINTR) return false'],
    ],
  },
  {
    kind: 'a call that waits',
    path: 'dist/src/socket/messages.js',
    changes: [
      ['(flags & MSG_CTRUNC) !== 0', '(flags & MSG_TRUNC) !== 0'],
      ['header.controlLength = header.control?.length ?? 0;', ''],
      ['header.flags & ~(MSG_CMSG_CLOEXEC ?? 0)', 'header.flags'],
    ],
  },
];
