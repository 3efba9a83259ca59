import type { Abi } from './abi/abi.ts';
import type { CLibrary } from './c-library.ts';
import { lengthIn, requireRoom, requireRoomOf, requireSlots } from './call-arguments.ts';
import { MessageMemory } from './message-memory.ts';
import type { MessageVector } from './message-vector.ts';
import { StableAddress } from './stable-address.ts';
import type { MessageHeader } from './sys.ts';

/** The calls of a C library that send and receive. */
export class NativeMessages {
  readonly abi: Abi;
  readonly #c: CLibrary;
  // The two calls of every message: here they cost one cache line less.
  readonly #sendFrom: CLibrary['sendFrom'];
  readonly #recvInto: CLibrary['recvInto'];
  readonly #sent: StableAddress;
  readonly #received: StableAddress;
  #messageMemory: MessageMemory | null = null;

  constructor(abi: Abi, c: CLibrary) {
    this.abi = abi;
    this.#c = c;
    this.#sendFrom = c.sendFrom;
    this.#recvInto = c.recvInto;
    this.#sent = new StableAddress(c.addressOf);
    this.#received = new StableAddress(c.addressOf);
  }

  send(fd: number, buffer: Uint8Array, offset: number, length: number, flags: number): number {
    requireRoom(buffer.length, offset, length);
    const address = this.#sent.of(buffer);
    if (address !== 0) return this.#checked(this.#sendFrom(fd, address + offset, length, flags));
    const from = offset === 0 ? buffer : buffer.subarray(offset);
    return this.#checked(this.#c.send(fd, from, length, flags));
  }

  recv(fd: number, buffer: Uint8Array, offset: number, length: number, flags: number): number {
    requireRoom(buffer.length, offset, length);
    const address = this.#received.of(buffer);
    if (address !== 0) return this.#checked(this.#recvInto(fd, address + offset, length, flags));
    const into = offset === 0 ? buffer : buffer.subarray(offset);
    return this.#checked(this.#c.recv(fd, into, length, flags));
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
    requireRoom(buffer.length, offset, length);
    const nameLength = address === null ? 0 : addressLength;
    requireRoom(address?.length ?? 0, 0, nameLength);
    const from = offset === 0 ? buffer : buffer.subarray(offset);
    return this.#checked(this.#c.sendto(fd, from, length, flags, address, nameLength));
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
    requireRoom(buffer.length, offset, length);
    if (address !== null) requireRoom(address.length, 0, lengthIn(addressLength));
    const into = offset === 0 ? buffer : buffer.subarray(offset);
    const nameLength = address === null ? null : addressLength;
    return this.#checked(this.#c.recvfrom(fd, into, length, flags, address, nameLength));
  }

  sendmsg(fd: number, message: MessageHeader, flags: number): number {
    const { header } = this.#written(message);
    return this.#checked(this.#c.sendmsg(fd, header, flags));
  }

  recvmsg(fd: number, message: MessageHeader, flags: number): number {
    const memory = this.#written(message);
    const result = this.#checked(this.#c.recvmsg(fd, memory.header, flags));
    if (result >= 0) memory.read(message);
    return result;
  }

  sendmmsg(
    fd: number,
    messages: MessageVector,
    first: number,
    count: number,
    flags: number,
  ): number {
    requireSlots(messages, first, count);
    const send = this.#c.sendmmsg;
    if (send === null) return -this.abi.errno.ENOSYS;
    const address = messages.address + first * messages.recordBytes;
    return this.#checked(send(fd, address, count, flags));
  }

  recvmmsg(fd: number, messages: MessageVector, count: number, flags: number): number {
    requireSlots(messages, 0, count);
    const receive = this.#c.recvmmsg;
    if (receive === null) return -this.abi.errno.ENOSYS;
    return this.#checked(receive(fd, messages.address, count, flags, null));
  }

  #written(message: MessageHeader): MessageMemory {
    requireRoomOf(message);
    this.#messageMemory ??= new MessageMemory(this.abi, this.#c.addressOf);
    this.#messageMemory.write(message);
    return this.#messageMemory;
  }

  /** Reads errno right after the call: the next one overwrites it. */
  #checked(result: number): number {
    return result < 0 ? -this.#c.errno() : result;
  }
}
