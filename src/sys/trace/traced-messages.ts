import type { Abi } from '../abi/abi.ts';
import type { MessageVector } from '../message-vector.ts';
import type { MessageHeader, Sys } from '../sys.ts';
import * as format from './format.ts';
import { messageHeader, receivedHeader, vectorMessages } from './message.ts';

/** The calls of a traced Sys that send and receive, and what all of its calls do: count, print. */
export class TracedMessages {
  readonly abi: Abi;
  /** How often each call was made, by name. */
  readonly counts = new Map<string, number>();
  readonly #sys: Sys;
  readonly #print: (line: string) => void;

  constructor(sys: Sys, print: (line: string) => void) {
    this.abi = sys.abi;
    this.#sys = sys;
    this.#print = print;
  }

  send(fd: number, buffer: Uint8Array, offset: number, length: number, flags: number): number {
    const result = this.#sys.send(fd, buffer, offset, length, flags);
    const bytes = format.bytesLiteral(buffer, offset, length);
    return this.traced('send', `${fd}, ${bytes}, ${length}, ${this.#flags(flags)}`, result);
  }

  recv(fd: number, buffer: Uint8Array, offset: number, length: number, flags: number): number {
    const result = this.#sys.recv(fd, buffer, offset, length, flags);
    const bytes = result < 0 ? '?' : format.bytesLiteral(buffer, offset, result);
    return this.traced('recv', `${fd}, ${bytes}, ${length}, ${this.#flags(flags)}`, result);
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
    const result = this.#sys.sendto(fd, buffer, offset, length, flags, address, addressLength);
    const bytes = format.bytesLiteral(buffer, offset, length);
    const to =
      address === null
        ? 'NULL, 0'
        : `${format.sockaddr(this.abi, address, addressLength)}, ${addressLength}`;
    const shown = `${fd}, ${bytes}, ${length}, ${this.#flags(flags)}, ${to}`;
    return this.traced('sendto', shown, result);
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
    const result = this.#sys.recvfrom(fd, buffer, offset, length, flags, address, addressLength);
    const bytes = result < 0 ? '?' : format.bytesLiteral(buffer, offset, result);
    const from =
      address === null
        ? 'NULL, NULL'
        : `${format.filled(this.abi, address, addressLength, result)}, [${addressLength[0]}]`;
    const shown = `${fd}, ${bytes}, ${length}, ${this.#flags(flags)}, ${from}`;
    return this.traced('recvfrom', shown, result);
  }

  sendmsg(fd: number, message: MessageHeader, flags: number): number {
    const shown = messageHeader(this.abi, message, message.length);
    const result = this.#sys.sendmsg(fd, message, flags);
    return this.traced('sendmsg', `${fd}, ${shown}, ${this.#flags(flags)}`, result);
  }

  recvmsg(fd: number, message: MessageHeader, flags: number): number {
    const result = this.#sys.recvmsg(fd, message, flags);
    const shown = receivedHeader(this.abi, message, result);
    return this.traced('recvmsg', `${fd}, ${shown}, ${this.#flags(flags)}`, result);
  }

  sendmmsg(
    fd: number,
    messages: MessageVector,
    first: number,
    count: number,
    flags: number,
  ): number {
    const result = this.#sys.sendmmsg(fd, messages, first, count, flags);
    const shown = vectorMessages(this.abi, messages, first, count, Math.max(result, 0));
    return this.traced('sendmmsg', `${fd}, ${shown}, ${count}, ${this.#flags(flags)}`, result);
  }

  recvmmsg(fd: number, messages: MessageVector, count: number, flags: number): number {
    const result = this.#sys.recvmmsg(fd, messages, count, flags);
    const shown = result < 0 ? '?' : vectorMessages(this.abi, messages, 0, result, result);
    const shownFlags = this.#flags(flags);
    return this.traced('recvmmsg', `${fd}, ${shown}, ${count}, ${shownFlags}, NULL`, result);
  }

  #flags(flags: number): string {
    return format.flags(this.abi, flags, format.MESSAGE_FLAGS);
  }

  /** Counts and prints a call with the arguments `shown`. Returns its result. */
  protected traced(name: string, shown: string, result: number, extra = ''): number {
    this.note(name, `${shown})${format.outcome(this.#sys, result)}${extra}`);
    return result;
  }

  /** Counts a call and prints it; `rest` is what follows the opening bracket. */
  protected note(name: string, rest: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.#print(`${name}(${rest}`);
  }
}
