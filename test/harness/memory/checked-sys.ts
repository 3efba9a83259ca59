/**
 * The calls of this machine, with the memory of each checked: a length within its buffer, an
 * address in memory that is mapped or referenced, a descriptor that is one. What the kernel is to
 * fill is poisoned before. Anonymous memory is mapped between two pages that nobody may touch.
 */

import type { MessageVector } from '#src/sys/message-vector.js';
import { readUnsigned } from '#src/sys/struct.js';
import type { Sys } from '#src/sys/sys.js';
import { BatchCheck } from './batch-check.ts';
import { Guards } from './guards.ts';
import { KnownMemory, memoryFault } from './known-memory.ts';
import { RingCheck } from './ring-check.ts';

/** Calls whose first argument is a descriptor; fcntl(2) asks whether a number is one. */
const OF_DESCRIPTORS = new Set([
  ...['bind', 'listen', 'accept', 'accept4', 'connect', 'send', 'recv', 'sendto', 'recvfrom'],
  ...['sendmsg', 'recvmsg', 'sendmmsg', 'recvmmsg', 'shutdown', 'close', 'getsockname'],
  ...['getpeername', 'getsockopt', 'setsockopt', 'ioctl', 'epoll_ctl', 'epoll_wait'],
  ...['timerfd_settime', 'read', 'write', 'dup', 'io_uring_register', 'io_uring_enter', 'kevent'],
]);

/** Calls with a buffer, an offset and a length behind the descriptor. */
const OF_BUFFERS = new Set(['send', 'recv', 'sendto', 'recvfrom', 'read', 'write']);

/** Checks before a call, by its name. */
type Checks = Partial<{
  [Name in keyof Sys]: Sys[Name] extends (...args: infer Args) => unknown
    ? (...args: Args) => ReturnType<Sys[Name]>
    : never;
}>;

/** What is checked besides memory. */
interface CheckedOptions {
  /** Loops call no descriptor below 0; a closed socket of a user does, for its EBADF. */
  readonly descriptors: boolean;
}

const made = new WeakMap<Sys, Sys>();

/** The same for each `sys`, so that memory of one loop is known to the next. */
export function checkedSys(sys: Sys, { descriptors }: CheckedOptions = { descriptors: true }): Sys {
  const before = made.get(sys);
  if (before !== undefined) return before;
  const checks = checksOf(sys);
  const checked = new Proxy(sys, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function' || typeof key !== 'string') return value;
      const call = Object.hasOwn(checks, key)
        ? (Reflect.get(checks, key) as (...args: unknown[]) => unknown)
        : (value.bind(target) as (...args: unknown[]) => unknown);
      if (!OF_DESCRIPTORS.has(key)) return call;
      return (...args: unknown[]): unknown => {
        if (descriptors) checkDescriptor(key, args[0]);
        if (OF_BUFFERS.has(key)) checkBuffer(key, args);
        return call(...args);
      };
    },
  });
  made.set(sys, checked);
  // A suite that asks for it under the preload of `make memory` has it already.
  made.set(checked, checked);
  return checked;
}

function checkDescriptor(name: string, fd: unknown): void {
  if (!Number.isInteger(fd) || (fd as number) < 0) memoryFault(`${name} of descriptor ${fd}`);
}

function checkBuffer(name: string, [, ...others]: readonly unknown[]): void {
  const [buffer, offset, length] = others as [Uint8Array, number, number];
  const fits = offset >= 0 && length >= 0 && offset + length <= buffer.byteLength;
  if (!fits) memoryFault(`${name}: ${length} bytes at ${offset} of ${buffer.byteLength}`);
}

/** The calls that hand out addresses, or are handed some. */
function checksOf(sys: Sys): Checks {
  const known = new KnownMemory((address, length) => sys.view(address, length));
  const guards = new Guards(sys);
  const rings = new Map<number, RingCheck>();
  const batch = new BatchCheck(sys.abi, known);
  return {
    mmap: (length, protection, flags, fd, offset) => {
      if (fd >= 0) {
        const queues = sys.mmap(length, protection, flags, fd, offset);
        if (queues >= 0) rings.get(fd)?.mapped(offset, queues, length);
        return queues;
      }
      const address = guards.map(length, protection, flags);
      if (address >= 0) known.mapped(address, length, `mapped memory of ${length} bytes`);
      return address;
    },
    munmap: (address, length) => {
      known.unmapped(address);
      return guards.unmap(address, length);
    },
    address: (buffer) => {
      const address = sys.address(buffer);
      known.lent(address, buffer);
      return address;
    },
    batch: (records, count) => {
      batch.check(records, count);
      return sys.batch(records, count);
    },
    sendmmsg: (fd, messages, first, count, flags) => {
      checkMessages(sys, known, messages, first, count);
      return sys.sendmmsg(fd, messages, first, count, flags);
    },
    recvmmsg: (fd, messages, count, flags) => {
      checkMessages(sys, known, messages, 0, count);
      return sys.recvmmsg(fd, messages, count, flags);
    },
    ...ringChecks(sys, known, rings),
  };
}

function ringChecks(sys: Sys, known: KnownMemory, byFd: Map<number, RingCheck>): Checks {
  /** Rings registered with the thread, by their index there. */
  const byIndex = new Map<number, RingCheck>();
  const { ioUring } = sys.abi;
  if (ioUring === null) return {};
  const { constants, structs } = ioUring;
  return {
    io_uring_setup: (entries, params) => {
      const fd = sys.io_uring_setup(entries, params);
      if (fd >= 0) byFd.set(fd, new RingCheck(sys, ioUring, known, params));
      return fd;
    },
    io_uring_register: (fd, opcode, arg, count) => {
      if (arg !== 0) known.require(arg, 1, 'what is registered with a ring');
      const result = sys.io_uring_register(fd, opcode, arg, count);
      const ring = byFd.get(fd);
      if (result < 0 || ring === undefined) return result;
      if (opcode === constants.IORING_REGISTER_PBUF_RING) ring.buffersRegistered(arg);
      if (opcode === constants.IORING_REGISTER_RING_FDS && result === 1) {
        const { size, fields } = structs.io_uring_rsrc_update;
        const update = sys.view(arg, size);
        const view = new DataView(update.buffer, update.byteOffset, size);
        byIndex.set(readUnsigned(view, 0, fields.offset), ring);
      }
      return result;
    },
    io_uring_enter: (fd, toSubmit, minComplete, flags, arg, argBytes) => {
      const isIndex = (flags & constants.IORING_ENTER_REGISTERED_RING) !== 0;
      (isIndex ? byIndex : byFd).get(fd)?.enter(flags, arg);
      return sys.io_uring_enter(fd, toSubmit, minComplete, flags, arg, argBytes);
    },
    close: (fd) => {
      const ring = byFd.get(fd);
      byFd.delete(fd);
      for (const [index, other] of byIndex) if (other === ring) byIndex.delete(index);
      return sys.close(fd);
    },
  };
}

/** Checks that each part of the messages lies in the memory of their vector. */
function checkMessages(
  sys: Sys,
  known: KnownMemory,
  messages: MessageVector,
  first: number,
  count: number,
): void {
  const { msghdr, iovec } = sys.abi.structs;
  const { fields } = msghdr;
  const start = messages.address + first * messages.recordBytes;
  const records = known.bytes(start, count * messages.recordBytes, 'the messages of a call');
  for (let slot = 0; slot < count; slot += 1) {
    const recordAt = records.byteOffset + slot * messages.recordBytes;
    const header = new DataView(records.buffer, recordAt, msghdr.size);
    const require = (at: number, length: number, what: string): void => {
      if (at !== 0) known.require(at, length, what);
    };
    const names = readUnsigned(header, 0, fields.msg_namelen);
    require(readUnsigned(header, 0, fields.msg_name), names, 'the name of a message');
    const controls = readUnsigned(header, 0, fields.msg_controllen);
    require(readUnsigned(header, 0, fields.msg_control), controls, 'the control of a message');
    const vectors = readUnsigned(header, 0, fields.msg_iov);
    const parts = known.bytes(vectors, iovec.size, 'the iovec of a message');
    const part = new DataView(parts.buffer, parts.byteOffset, iovec.size);
    const length = readUnsigned(part, 0, iovec.fields.iov_len);
    known.require(readUnsigned(part, 0, iovec.fields.iov_base), length, 'the bytes of a message');
  }
}
