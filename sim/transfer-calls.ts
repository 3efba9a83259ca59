import type { MessageHeader } from '#src/sys/sys.js';
import { DatagramSocket } from './datagram-sockets.ts';
import { type Kernel, PENDING } from './kernel.ts';
import { MessageCalls } from './message-calls.ts';
import { type OpenFile, Ready } from './open-file.ts';
import type { SocketCalls } from './socket-calls.ts';
import { SimSocket } from './sockets.ts';

/** The calls that move bytes: send(2), recv(2), read(2), write(2). */
export class TransferCalls {
  readonly #kernel: Kernel;
  readonly #sockets: SocketCalls;
  readonly messages: MessageCalls;

  constructor(kernel: Kernel, sockets: SocketCalls) {
    this.#kernel = kernel;
    this.#sockets = sockets;
    this.messages = new MessageCalls(kernel, sockets);
  }

  send(fd: number, from: Uint8Array, offset: number, length: number, flags: number): number {
    const { MSG_DONTWAIT } = this.#kernel.abi.constants;
    const socket = this.#sockets.at(fd);
    if (typeof socket === 'number') return socket;
    if (socket instanceof DatagramSocket) {
      return this.messages.sendmsg(fd, bare(from, offset, length), flags);
    }
    const waits = !socket.nonblocking && (flags & MSG_DONTWAIT) === 0;
    return this.sendOn(socket, from, offset, length, flags, waits);
  }

  /** The same for a socket of streams, which `waits` or does not. */
  sendOn(
    socket: SimSocket,
    from: Uint8Array,
    offset: number,
    length: number,
    flags: number,
    waits: boolean,
  ): number {
    const { MSG_NOSIGNAL = 0 } = this.#kernel.abi.constants;
    const result = this.#put(socket, from, offset, length, waits, socket.sendTimeoutNs);
    const quiet = (flags & MSG_NOSIGNAL) !== 0 || socket.flag('SO_NOSIGPIPE');
    if (result === -this.#kernel.errno.EPIPE && !quiet) this.#kernel.sigpipes += 1;
    return result;
  }

  write(fd: number, from: Uint8Array, offset: number, length: number): number {
    const file = this.#kernel.descriptors.get(fd);
    if (file === undefined) return -this.#kernel.errno.EBADF;
    if (file instanceof SimSocket) return this.send(fd, from, offset, length, 0);
    return this.#put(file, from, offset, length, !file.nonblocking, Number.POSITIVE_INFINITY);
  }

  #put(
    file: OpenFile,
    from: Uint8Array,
    offset: number,
    length: number,
    waits: boolean,
    timeoutNs: number,
  ): number {
    const { EAGAIN } = this.#kernel.errno;
    const room = this.#disturb(file, Ready.out);
    if (!waits) {
      const refusal = length > 0 ? this.#disturbed(file, room) : 0;
      if (refusal !== 0) return refusal;
      if (room && this.#kernel.faults.fires('memoryShort')) return -this.#kernel.errno.ENOBUFS;
      return file.write(from, offset, this.#shortened(file, length, 'partialSend'));
    }
    // A blocking send takes all; the next call reports an error in between.
    let total = 0;
    const scan = (): number => {
      const result = file.write(from, offset + total, length - total);
      if (result === -EAGAIN) return PENDING;
      if (result < 0) return total > 0 ? this.#keepError(file, result, total) : result;
      total += result;
      return total === length ? total : PENDING;
    };
    const outcome = this.#kernel.wait('send', scan, timeoutNs);
    if (outcome === PENDING) return total > 0 ? total : -EAGAIN;
    return outcome < 0 && total > 0 ? total : outcome;
  }

  #keepError(file: OpenFile, result: number, total: number): number {
    if (file instanceof SimSocket && result !== -this.#kernel.errno.EPIPE) file.error = -result;
    return total;
  }

  recv(fd: number, into: Uint8Array, offset: number, length: number, flags: number): number {
    const { MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_OOB } = this.#kernel.abi.constants;
    const socket = this.#sockets.at(fd);
    if (typeof socket === 'number') return socket;
    if (socket instanceof DatagramSocket) {
      return this.messages.recvmsg(fd, bare(into, offset, length), flags);
    }
    if ((flags & MSG_OOB) !== 0) return -this.#kernel.errno.EINVAL;
    const waits = !socket.nonblocking && (flags & MSG_DONTWAIT) === 0;
    const peek = (flags & MSG_PEEK) !== 0;
    const all = waits && !peek && (flags & MSG_WAITALL) !== 0;
    const give = (at: number, count: number): number => socket.receive(into, at, count, peek);
    return this.#get(socket, give, offset, length, waits, all, socket.receiveTimeoutNs);
  }

  /** recv(2) of a socket of streams, without waiting. */
  receiveFrom(socket: SimSocket, into: Uint8Array): number {
    const give = (at: number, count: number): number => socket.receive(into, at, count, false);
    return this.#get(socket, give, 0, into.length, false, false, 0);
  }

  read(fd: number, into: Uint8Array, offset: number, length: number): number {
    const file = this.#kernel.descriptors.get(fd);
    if (file === undefined) return -this.#kernel.errno.EBADF;
    if (file instanceof DatagramSocket) return this.recv(fd, into, offset, length, 0);
    const timeoutNs = file instanceof SimSocket ? file.receiveTimeoutNs : Number.POSITIVE_INFINITY;
    const give = (at: number, count: number): number => file.read(into, at, count);
    return this.#get(file, give, offset, length, !file.nonblocking, false, timeoutNs);
  }

  #get(
    file: OpenFile,
    give: (at: number, count: number) => number,
    offset: number,
    length: number,
    waits: boolean,
    all: boolean,
    timeoutNs: number,
  ): number {
    const { EAGAIN } = this.#kernel.errno;
    const ready = this.#disturb(file, Ready.in);
    if (!waits) {
      const refusal = this.#disturbed(file, ready);
      if (refusal !== 0) return refusal;
      return give(offset, this.#shortened(file, length, 'shortReceive'));
    }
    let total = 0;
    const scan = (): number => {
      const wanted = all ? length - total : this.#shortened(file, length, 'shortReceive');
      const result = give(offset + total, wanted);
      if (result === -EAGAIN) return PENDING;
      if (result <= 0) return total > 0 ? total : result;
      total += result;
      return !all || total === length ? total : PENDING;
    };
    const outcome = this.#kernel.wait('recv', scan, timeoutNs);
    if (outcome === PENDING) return total > 0 ? total : -EAGAIN;
    return outcome < 0 && total > 0 ? total : outcome;
  }

  #disturbed(file: OpenFile, ready: boolean): number {
    return file instanceof SimSocket ? this.#sockets.fruitless(ready) : 0;
  }

  /** Breaks the connection if that fault fires. Returns whether it is ready. */
  #disturb(file: OpenFile, bit: number): boolean {
    if (!(file instanceof SimSocket)) return false;
    if (file.breakable && this.#kernel.faults.fires('connectionReset')) file.breakDown();
    return file.phase === 'connected' && (file.poll() & bit) !== 0;
  }

  /** The part of `length` bytes that is transferred: at least one byte. */
  #shortened(file: OpenFile, length: number, kind: 'partialSend' | 'shortReceive'): number {
    if (!(file instanceof SimSocket)) return length;
    const most = kind === 'partialSend' ? file.sendRoom : file.received.length;
    const count = Math.min(length, most);
    if (count <= 1 || !this.#kernel.faults.fires(kind)) return length;
    // The rest of a short receive arrives later, with its own edge.
    if (kind === 'shortReceive') this.#sockets.nudgeSoon(file);
    return this.#kernel.faults.dice(kind).between(1, count - 1);
  }
}

/** A message without a name and without control messages. */
function bare(buffer: Uint8Array, offset: number, length: number): MessageHeader {
  const none = { name: null, nameLength: 0, control: null, controlLength: 0, flags: 0 };
  return { ...none, buffer, offset, length };
}
