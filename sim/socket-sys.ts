import type { Abi } from '#src/sys/abi/abi.js';
import type { MessageVector } from '#src/sys/message-vector.js';
import type { MessageHeader } from '#src/sys/sys.js';
import { DatagramSocket } from './datagram-sockets.ts';
import type { Kernel } from './kernel.ts';
import { requireRoom } from './room.ts';
import { SocketCalls } from './socket-calls.ts';
import { TransferCalls } from './transfer-calls.ts';

/** The system calls of sockets. Each adds its line to the trace. */
export class SocketSys {
  readonly abi: Abi;
  readonly kernel: Kernel;
  readonly sockets: SocketCalls;
  protected readonly transfers: TransferCalls;

  constructor(kernel: Kernel) {
    this.abi = kernel.abi;
    this.kernel = kernel;
    this.sockets = new SocketCalls(kernel);
    this.transfers = new TransferCalls(kernel, this.sockets);
  }

  socket(domain: number, type: number, protocol: number): number {
    this.kernel.enter();
    return this.note('socket', domain, type, protocol, this.sockets.socket(domain, type));
  }

  socketpair(domain: number, type: number, protocol: number, pair: Int32Array): number {
    requireRoom(pair.length, 0, 2);
    this.kernel.enter();
    const result = this.sockets.socketpair(domain, type, pair);
    return this.note('socketpair', domain, type, protocol, result);
  }

  bind(fd: number, address: Uint8Array, length: number): number {
    requireRoom(address.length, 0, length);
    this.kernel.enter();
    return this.note('bind', fd, length, 0, this.sockets.bind(fd, address, length));
  }

  listen(fd: number, backlog: number): number {
    this.kernel.enter();
    return this.note('listen', fd, backlog, 0, this.sockets.listen(fd, backlog));
  }

  accept(fd: number, address: Uint8Array, length: Int32Array): number {
    requireRoom(address.length, 0, length[0] ?? 0);
    this.kernel.enter();
    return this.note('accept', fd, 0, 0, this.sockets.accept(fd, address, length, null));
  }

  accept4(fd: number, address: Uint8Array, length: Int32Array, flags: number): number {
    requireRoom(address.length, 0, length[0] ?? 0);
    this.kernel.enter();
    const exists = this.abi.behaviours.accept4;
    const result = exists ? this.sockets.accept(fd, address, length, flags) : this.missing;
    return this.note('accept4', fd, flags, 0, result);
  }

  connect(fd: number, address: Uint8Array, length: number): number {
    requireRoom(address.length, 0, length);
    this.kernel.enter();
    return this.note('connect', fd, length, 0, this.sockets.connect(fd, address, length));
  }

  send(fd: number, buffer: Uint8Array, offset: number, length: number, flags: number): number {
    requireRoom(buffer.length, offset, length);
    this.kernel.enter();
    const result = this.transfers.send(fd, buffer, offset, length, flags);
    return this.moved('send', fd, buffer, offset, length, flags, result);
  }

  recv(fd: number, buffer: Uint8Array, offset: number, length: number, flags: number): number {
    requireRoom(buffer.length, offset, length);
    this.kernel.enter();
    const result = this.transfers.recv(fd, buffer, offset, length, flags);
    return this.moved('recv', fd, buffer, offset, length, flags, result);
  }

  sendmsg(fd: number, message: MessageHeader, flags: number): number {
    requireParts(message);
    this.kernel.enter();
    const result = this.transfers.messages.sendmsg(fd, message, flags);
    const { buffer, offset, length } = message;
    return this.moved('sendmsg', fd, buffer, offset, length, flags, result);
  }

  recvmsg(fd: number, message: MessageHeader, flags: number): number {
    requireParts(message);
    this.kernel.enter();
    const result = this.transfers.messages.recvmsg(fd, message, flags);
    const { buffer, offset, length } = message;
    return this.moved('recvmsg', fd, buffer, offset, length, flags, Math.min(result, length));
  }

  sendto(
    fd: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    flags: number,
    address: Uint8Array | null,
    addressLength: number,
  ): number {
    requireRoom(address?.length ?? 0, 0, address === null ? 0 : addressLength);
    if (address === null || !this.#isDatagram(fd)) {
      return this.send(fd, buffer, offset, length, flags);
    }
    requireRoom(buffer.length, offset, length);
    this.kernel.enter();
    const parts = { control: null, controlLength: 0, flags: 0 };
    const message = { name: address, nameLength: addressLength, buffer, offset, length, ...parts };
    const result = this.transfers.messages.sendmsg(fd, message, flags);
    return this.moved('sendto', fd, buffer, offset, length, flags, result);
  }

  recvfrom(
    fd: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    flags: number,
    address: Uint8Array | null,
    addressLength: Int32Array,
  ): number {
    const nameLength = addressLength[0] ?? 0;
    requireRoom(address?.length ?? 0, 0, address === null ? 0 : nameLength);
    if (address === null || !this.#isDatagram(fd)) {
      if (address !== null) addressLength[0] = 0;
      return this.recv(fd, buffer, offset, length, flags);
    }
    requireRoom(buffer.length, offset, length);
    this.kernel.enter();
    const parts = { control: null, controlLength: 0, flags: 0 };
    const message = { name: address, nameLength, buffer, offset, length, ...parts };
    const result = this.transfers.messages.recvmsg(fd, message, flags);
    if (result >= 0) addressLength[0] = message.nameLength;
    return this.moved('recvfrom', fd, buffer, offset, length, flags, result);
  }

  #isDatagram(fd: number): boolean {
    return this.kernel.descriptors.get(fd) instanceof DatagramSocket;
  }

  sendmmsg(
    fd: number,
    messages: MessageVector,
    first: number,
    count: number,
    flags: number,
  ): number {
    requireRoom(messages.count, first, count);
    this.kernel.enter();
    const exists = this.abi.structs.mmsghdr !== undefined;
    const result = exists
      ? this.transfers.messages.sendmmsg(fd, messages, first, count, flags)
      : this.missing;
    return this.note('sendmmsg', fd, count, flags, result);
  }

  recvmmsg(fd: number, messages: MessageVector, count: number, flags: number): number {
    requireRoom(messages.count, 0, count);
    this.kernel.enter();
    const exists = this.abi.structs.mmsghdr !== undefined;
    const result = exists
      ? this.transfers.messages.recvmmsg(fd, messages, count, flags)
      : this.missing;
    return this.note('recvmmsg', fd, count, flags, result);
  }

  read(fd: number, buffer: Uint8Array, offset: number, length: number): number {
    requireRoom(buffer.length, offset, length);
    this.kernel.enter();
    const result = this.transfers.read(fd, buffer, offset, length);
    return this.moved('read', fd, buffer, offset, length, 0, result);
  }

  write(fd: number, buffer: Uint8Array, offset: number, length: number): number {
    requireRoom(buffer.length, offset, length);
    this.kernel.enter();
    const result = this.transfers.write(fd, buffer, offset, length);
    return this.moved('write', fd, buffer, offset, length, 0, result);
  }

  shutdown(fd: number, how: number): number {
    this.kernel.enter();
    return this.note('shutdown', fd, how, 0, this.sockets.shutdown(fd, how));
  }

  getsockname(fd: number, address: Uint8Array, length: Int32Array): number {
    requireRoom(address.length, 0, length[0] ?? 0);
    this.kernel.enter();
    return this.note('getsockname', fd, 0, 0, this.sockets.getsockname(fd, address, length));
  }

  getpeername(fd: number, address: Uint8Array, length: Int32Array): number {
    requireRoom(address.length, 0, length[0] ?? 0);
    this.kernel.enter();
    return this.note('getpeername', fd, 0, 0, this.sockets.getpeername(fd, address, length));
  }

  getsockopt(
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    length: Int32Array,
  ): number {
    requireRoom(value.length, 0, length[0] ?? 0);
    this.kernel.enter();
    const result = this.sockets.getsockopt(fd, level, name, value, length);
    this.kernel.trace.mix(value[0] ?? 0);
    return this.note('getsockopt', fd, level, name, result);
  }

  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number {
    requireRoom(value.length, 0, length);
    this.kernel.enter();
    const result = this.sockets.setsockopt(fd, level, name, value, length);
    return this.note('setsockopt', fd, level, name, result);
  }

  /** The result of a call that the platform lacks. */
  protected get missing(): number {
    return -this.abi.errno.ENOSYS;
  }

  protected moved(
    name: string,
    fd: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    flags: number,
    result: number,
  ): number {
    if (result > 0) {
      this.kernel.trace.mix((buffer[offset] ?? 0) * 256 + (buffer[offset + result - 1] ?? 0));
    }
    return this.note(name, fd, length, flags, result);
  }

  protected note(
    name: string,
    first: number,
    second: number,
    third: number,
    result: number,
  ): number {
    this.kernel.trace.note(this.kernel.clock.nowNs, name, first, second, third, result);
    return result;
  }
}

/** Throws where a part of a message is shorter than it says. */
function requireParts(message: MessageHeader): void {
  const { name, nameLength, buffer, offset, length, control, controlLength } = message;
  requireRoom(buffer.length, offset, length);
  if (name !== null) requireRoom(name.length, 0, nameLength);
  if (control !== null) requireRoom(control.length, 0, controlLength);
}
