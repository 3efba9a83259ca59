import { controlSpace, decodeControl, encodeControl } from '#src/sys/control-messages.js';
import type { MessageVector } from '#src/sys/message-vector.js';
import type { MessageHeader } from '#src/sys/sys.js';
import { controlOf, controlOfEntry } from './datagram-control.ts';
import { type Datagram, DatagramSocket, type Outgoing } from './datagram-sockets.ts';
import { type Kernel, PENDING } from './kernel.ts';
import type { OpenFile } from './open-file.ts';
import type { SocketCalls } from './socket-calls.ts';

/** The calls that move messages: sendmsg(2), recvmsg(2) and those like them. */
export class MessageCalls {
  readonly #kernel: Kernel;
  readonly #sockets: SocketCalls;

  constructor(kernel: Kernel, sockets: SocketCalls) {
    this.#kernel = kernel;
    this.#sockets = sockets;
  }

  /** The socket of datagrams of a descriptor, or `-errno`. */
  #at(fd: number): DatagramSocket | number {
    const socket = this.#sockets.at(fd);
    if (typeof socket === 'number' || socket instanceof DatagramSocket) return socket;
    return -(this.#kernel.errno['EOPNOTSUPP'] ?? this.#kernel.errno.EINVAL);
  }

  sendmsg(fd: number, message: MessageHeader, flags: number): number {
    const socket = this.#at(fd);
    if (typeof socket === 'number') return socket;
    const outgoing = this.#outgoing(socket, message);
    if (typeof outgoing === 'number') return outgoing;
    const result = this.#send(socket, outgoing, flags);
    if (result < 0) for (const file of outgoing.files) file.release();
    return result;
  }

  #outgoing(socket: DatagramSocket, message: MessageHeader): Outgoing | number {
    const { name, nameLength, buffer, offset, length } = message;
    const named = name !== null && nameLength > 0;
    const to = named ? this.#sockets.decode(socket, name, nameLength) : null;
    if (typeof to === 'number') return to;
    const { control, controlLength } = message;
    const messages =
      control === null ? [] : decodeControl(this.#kernel.abi, control, controlLength);
    const files: OpenFile[] = [];
    for (const one of messages) {
      if (one.kind !== 'SCM_RIGHTS') continue;
      const passed = one.fds.map((fd) => this.#kernel.descriptors.get(fd));
      if (passed.includes(undefined)) return -this.#kernel.errno.EBADF;
      files.push(...passed.filter((file) => file !== undefined));
    }
    for (const file of files) file.references += 1;
    return { bytes: buffer.slice(offset, offset + length), to, control: messages, files };
  }

  #send(socket: DatagramSocket, outgoing: Outgoing, flags: number): number {
    const { EAGAIN, EPIPE } = this.#kernel.errno;
    const { MSG_DONTWAIT, MSG_NOSIGNAL = 0 } = this.#kernel.abi.constants;
    const waits = !socket.nonblocking && (flags & MSG_DONTWAIT) === 0;
    const fruitless = waits ? 0 : this.#sockets.fruitless(true);
    if (fruitless !== 0) return fruitless;
    const scan = (): number => {
      const result = socket.sendMessage(outgoing);
      return waits && result === -EAGAIN ? PENDING : result;
    };
    const result = this.#kernel.wait('send', scan, waits ? socket.sendTimeoutNs : 0);
    const quiet = (flags & MSG_NOSIGNAL) !== 0 || socket.flag('SO_NOSIGPIPE');
    if (result === -EPIPE && !quiet) this.#kernel.sigpipes += 1;
    return result === PENDING ? -EAGAIN : result;
  }

  recvmsg(fd: number, message: MessageHeader, flags: number): number {
    const { MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE = 0 } = this.#kernel.abi.constants;
    const socket = this.#at(fd);
    if (typeof socket === 'number') return socket;
    if ((flags & MSG_ERRQUEUE) !== 0) return this.#receiveError(socket, message);
    const waited = this.#waitFor(socket, flags);
    if (waited < 0) return waited;
    if (socket.error !== 0) return -socket.takeError();
    const peek = (flags & MSG_PEEK) !== 0;
    const datagram = socket.take(peek);
    if (datagram === undefined) return this.#receivedNothing(socket, message);
    const count = this.#give(datagram.bytes, message);
    if (count < datagram.bytes.length) message.flags |= MSG_TRUNC;
    this.#name(datagram, message);
    this.#giveControl(controlOf(this.#kernel, socket, datagram), message);
    if (!peek) this.#giveFiles(datagram.files, message, flags);
    return this.#asksLength(flags) ? datagram.bytes.length : count;
  }

  /** MSG_TRUNC as a flag of the call: Linux returns the real length. */
  #asksLength(flags: number): boolean {
    return this.#kernel.isLinux && (flags & this.#kernel.abi.constants.MSG_TRUNC) !== 0;
  }

  #receivedNothing(socket: DatagramSocket, message: MessageHeader): number {
    message.nameLength = 0;
    message.controlLength = 0;
    message.flags = 0;
    return socket.nothing;
  }

  /** Waits until there is something to receive: 0 or `-errno`. */
  #waitFor(socket: DatagramSocket, flags: number): number {
    const { EAGAIN } = this.#kernel.errno;
    const waits = !socket.nonblocking && (flags & this.#kernel.abi.constants.MSG_DONTWAIT) === 0;
    if (!waits) return this.#sockets.fruitless(socket.readable);
    const scan = (): number => (socket.readable ? 0 : PENDING);
    const result = this.#kernel.wait('recv', scan, socket.receiveTimeoutNs);
    return result === PENDING ? -EAGAIN : result;
  }

  #receiveError(socket: DatagramSocket, message: MessageHeader): number {
    const { MSG_ERRQUEUE = 0, MSG_TRUNC } = this.#kernel.abi.constants;
    const entry = socket.takeEntry();
    if (entry === undefined) return -this.#kernel.errno.EAGAIN;
    const count = this.#give(entry.bytes, message);
    this.#sockets.encode(entry.to, message);
    message.flags |= MSG_ERRQUEUE | (count < entry.bytes.length ? MSG_TRUNC : 0);
    this.#giveControl(controlOfEntry(this.#kernel, entry), message);
    return count;
  }

  #give(bytes: Uint8Array, message: MessageHeader): number {
    const count = Math.min(bytes.length, message.length);
    message.buffer.set(bytes.subarray(0, count), message.offset);
    message.flags = 0;
    return count;
  }

  #name({ from }: Datagram, message: MessageHeader): void {
    if (from === null) message.nameLength = 0;
    else this.#sockets.encode(from, message);
  }

  /** Copies the control messages that have room, in order. */
  #giveControl(parts: readonly Uint8Array[], message: MessageHeader): void {
    const room = message.control === null ? 0 : message.controlLength;
    const cut = parts.length > 0 && room > 0 && this.#kernel.faults.fires('controlCut');
    const kept = cut ? parts.slice(0, -1) : parts;
    if (cut) message.flags |= this.#kernel.abi.constants.MSG_CTRUNC;
    message.controlLength = 0;
    for (const part of kept) this.#append(part, message, room);
  }

  /** Returns whether there was room. */
  #append(part: Uint8Array, message: MessageHeader, room: number): boolean {
    if (message.control === null || message.controlLength + part.length > room) {
      message.flags |= this.#kernel.abi.constants.MSG_CTRUNC;
      return false;
    }
    message.control.set(part, message.controlLength);
    message.controlLength += part.length;
    return true;
  }

  /** SCM_RIGHTS: descriptors for the files; those without room are closed. */
  #giveFiles(files: readonly OpenFile[], message: MessageHeader, flags: number): void {
    if (files.length === 0) return;
    const { abi, descriptors } = this.#kernel;
    const room = message.control?.length ?? 0;
    const closeOnExec = (flags & (abi.constants.MSG_CMSG_CLOEXEC ?? 0)) !== 0;
    const fits = message.controlLength + controlSpace(abi, 4 * files.length) <= room;
    const fds = fits ? files.map((file) => descriptors.open(file, closeOnExec)) : [];
    const given = fds.filter((fd) => fd >= 0);
    for (const file of files) file.release();
    if (given.length < files.length) message.flags |= abi.constants.MSG_CTRUNC;
    if (given.length === 0) return;
    this.#append(encodeControl(abi, [{ kind: 'SCM_RIGHTS', fds: given }]), message, room);
  }

  sendmmsg(
    fd: number,
    messages: MessageVector,
    first: number,
    count: number,
    flags: number,
  ): number {
    for (let sent = 0; sent < count; sent += 1) {
      const result = this.sendmsg(fd, slotOf(messages, first + sent), flags);
      if (result < 0) return sent > 0 ? sent : result;
    }
    return count;
  }

  recvmmsg(fd: number, messages: MessageVector, count: number, flags: number): number {
    for (let slot = 0; slot < count; slot += 1) {
      const message = slotOf(messages, slot);
      const result = this.recvmsg(fd, message, flags);
      if (result < 0) return slot > 0 ? slot : result;
      messages.setReceived(slot, result, message.flags);
      messages.setLengths(slot, message.nameLength, message.controlLength);
    }
    return count;
  }
}

/** A message of a vector, by the offsets of its parts. */
function slotOf(messages: MessageVector, slot: number): MessageHeader {
  const nameLength = messages.nameLength(slot);
  const controlLength = messages.controlLength(slot);
  const part = (at: number, length: number): Uint8Array | null =>
    length === 0 ? null : messages.bytes.subarray(at, at + length);
  return {
    name: part(messages.nameAt(slot), nameLength),
    nameLength,
    buffer: messages.bytes,
    offset: messages.bufferOffset(slot),
    length: messages.bufferLength(slot),
    control: part(messages.controlAt(slot), controlLength),
    controlLength,
    flags: 0,
  };
}
