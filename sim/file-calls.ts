import { readSigned, readUnsigned, writeInteger } from '#src/sys/struct.js';
import { DatagramSocket } from './datagram-sockets.ts';
import type { Kernel } from './kernel.ts';
import { NullFile, type OpenFile } from './open-file.ts';
import { createPipe, EventFile } from './pipes.ts';
import type { SocketCalls } from './socket-calls.ts';
import { TimerFile } from './timer-file.ts';

/** The hard limit of descriptors of a simulated process. */
const HARD_LIMIT = 1_048_576;
const NS_PER_S = 1_000_000_000;

/** The calls on descriptors of any kind, and on memory. */
export class FileCalls {
  readonly #kernel: Kernel;
  readonly #sockets: SocketCalls;

  constructor(kernel: Kernel, sockets: SocketCalls) {
    this.#kernel = kernel;
    this.#sockets = sockets;
  }

  close(fd: number): number {
    const result = this.#kernel.descriptors.close(fd);
    const interrupted = result === 0 && this.#kernel.faults.fires('interruptedClose');
    return interrupted ? -this.#kernel.errno.EINTR : result;
  }

  fcntl(fd: number, command: number, argument: number): number {
    const { F_GETFD, F_SETFD, F_GETFL, F_SETFL, FD_CLOEXEC, O_NONBLOCK } =
      this.#kernel.abi.constants;
    const { descriptors, errno } = this.#kernel;
    const file = descriptors.get(fd);
    if (file === undefined) return -errno.EBADF;
    switch (command) {
      case F_GETFD:
        return descriptors.closeOnExec(fd) ? FD_CLOEXEC : 0;
      case F_SETFD:
        descriptors.setCloseOnExec(fd, (argument & FD_CLOEXEC) !== 0);
        return 0;
      case F_GETFL:
        return file.accessMode | (file.nonblocking ? O_NONBLOCK : 0);
      case F_SETFL:
        file.nonblocking = (argument & O_NONBLOCK) !== 0;
        return 0;
      default:
        return -errno.EINVAL;
    }
  }

  ioctl(fd: number, request: number, value: Int32Array): number {
    this.#kernel.enter();
    const { FIONREAD, FIONWRITE, SIOCOUTQ } = this.#kernel.abi.constants;
    const socket = this.#sockets.at(fd);
    if (typeof socket === 'number') return socket;
    const toRead = socket instanceof DatagramSocket ? socket.firstBytes : socket.received.length;
    if (request === FIONREAD) value[0] = toRead;
    else if (request === SIOCOUTQ) value[0] = socket.unsent + (socket.finUnsent ? 1 : 0);
    else if (request === FIONWRITE) value[0] = socket.unsent;
    else return -this.#kernel.errno.EINVAL;
    return 0;
  }

  dup(fd: number): number {
    const { descriptors, errno } = this.#kernel;
    const file = descriptors.get(fd);
    if (file === undefined) return -errno.EBADF;
    return this.#sockets.refusal() || descriptors.open(file, false);
  }

  /** Opens a descriptor for a new file. */
  install(file: OpenFile, nonblocking: boolean, closeOnExec: boolean): number {
    const refused = this.#sockets.refusal();
    if (refused !== 0) return refused;
    file.nonblocking = nonblocking;
    return this.#kernel.descriptors.open(file, closeOnExec);
  }

  eventfd(initial: number, flags: number): number {
    const { EFD_CLOEXEC, EFD_NONBLOCK } = this.#kernel.abi.constants;
    if (EFD_CLOEXEC === undefined || EFD_NONBLOCK === undefined) return -this.#kernel.errno.ENOSYS;
    const file = new EventFile(this.#kernel, initial);
    return this.install(file, (flags & EFD_NONBLOCK) !== 0, (flags & EFD_CLOEXEC) !== 0);
  }

  timerfd_create(clockid: number, flags: number): number {
    const { CLOCK_MONOTONIC, TFD_CLOEXEC, TFD_NONBLOCK = 0 } = this.#kernel.abi.constants;
    if (TFD_CLOEXEC === undefined) return -this.#kernel.errno.ENOSYS;
    if (clockid !== CLOCK_MONOTONIC) return -this.#kernel.errno.EINVAL;
    const file = new TimerFile(this.#kernel);
    return this.install(file, (flags & TFD_NONBLOCK) !== 0, (flags & TFD_CLOEXEC) !== 0);
  }

  /** timerfd_settime(2) of relative times. */
  timerfd_settime(fd: number, flags: number, value: Uint8Array): number {
    const { descriptors, errno, abi } = this.#kernel;
    const file = descriptors.get(fd);
    if (file === undefined) return -errno.EBADF;
    if (!(file instanceof TimerFile) || flags !== 0) return -errno.EINVAL;
    const { size, fields } = abi.structs.timespec;
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    const [periodNs = 0, firstNs = 0] = [0, size].map(
      (base) =>
        readSigned(view, base, fields.tv_sec) * NS_PER_S + readSigned(view, base, fields.tv_nsec),
    );
    file.set(firstNs, periodNs);
    return 0;
  }

  pipe(pair: Int32Array, flags: number): number {
    const { O_NONBLOCK, O_CLOEXEC } = this.#kernel.abi.constants;
    const refused = this.#sockets.refusal();
    if (refused !== 0) return refused;
    const [reader, writer] = createPipe(this.#kernel);
    reader.nonblocking = (flags & O_NONBLOCK) !== 0;
    writer.nonblocking = reader.nonblocking;
    const closeOnExec = (flags & O_CLOEXEC) !== 0;
    const first = this.#kernel.descriptors.open(reader, closeOnExec);
    const second = this.#kernel.descriptors.open(writer, closeOnExec);
    if (second < 0) {
      this.#kernel.descriptors.close(first);
      return second;
    }
    pair[0] = first;
    pair[1] = second;
    return 0;
  }

  /** The only file is /dev/null. */
  open(path: string, flags: number): number {
    if (path !== '/dev/null') return -this.#kernel.errno.ENOENT;
    const closeOnExec = (flags & this.#kernel.abi.constants.O_CLOEXEC) !== 0;
    return this.install(new NullFile(this.#kernel), false, closeOnExec);
  }

  getrlimit(resource: number, limit: Uint8Array): number {
    const { rlimit } = this.#kernel.abi.structs;
    if (resource !== this.#kernel.abi.constants.RLIMIT_NOFILE) return -this.#kernel.errno.EINVAL;
    const view = new DataView(limit.buffer, limit.byteOffset, limit.length);
    writeInteger(view, 0, rlimit.fields.rlim_cur, this.#kernel.descriptors.limit);
    writeInteger(view, 0, rlimit.fields.rlim_max, HARD_LIMIT);
    return 0;
  }

  setrlimit(resource: number, limit: Uint8Array): number {
    const { rlimit } = this.#kernel.abi.structs;
    const { EINVAL, EPERM = 1 } = this.#kernel.errno;
    if (resource !== this.#kernel.abi.constants.RLIMIT_NOFILE) return -EINVAL;
    const view = new DataView(limit.buffer, limit.byteOffset, limit.length);
    const soft = readUnsigned(view, 0, rlimit.fields.rlim_cur);
    const hard = readUnsigned(view, 0, rlimit.fields.rlim_max);
    if (soft > hard) return -EINVAL;
    if (hard > HARD_LIMIT) return -EPERM;
    this.#kernel.descriptors.limit = soft;
    return 0;
  }

  /** Anonymous memory, or the queues of a ring: no other file can be mapped. */
  mmap(length: number, fd: number, offset: number): number {
    const { memory, descriptors, errno } = this.#kernel;
    const { EINVAL, EBADF, ENODEV = EINVAL } = errno;
    if (length <= 0) return -EINVAL;
    if (fd === -1) return memory.map(length);
    const file = descriptors.get(fd);
    if (file === undefined) return -EBADF;
    const bytes = file.mapping(offset);
    if (bytes === null) return -ENODEV;
    return length > bytes.length ? -EINVAL : memory.map(length, bytes);
  }

  munmap(address: number): number {
    return this.#kernel.memory.unmap(address) ? 0 : -this.#kernel.errno.EINVAL;
  }
}
