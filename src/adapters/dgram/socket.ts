import { channel } from 'node:diagnostics_channel';
import { blockedAddress } from '../arguments.ts';
import {
  checkedPort,
  checkSocketOptions,
  checkString,
  messageBytes,
  messagePart,
} from './arguments.ts';
import { addressError, alreadyConnected } from './errors.ts';
import type { Message, RemoteInfo, SendCallback, SocketOptions, SocketType } from './options.ts';
import { Peers } from './peers.ts';
import { isBlocked, LOOPBACK, SocketStates } from './socket-states.ts';

/** Node's own: those who hear of its sockets hear of these. */
const made = channel('udp.socket');

/**
 * A UDP socket of node:dgram's make, on a loop of sockloop: its methods, events and error codes are
 * those of `dgram.Socket`. docs/dgram.md lists what differs.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { once } from 'node:events';
 * import { createSocket } from 'sockloop/dgram';
 *
 * const echo = createSocket('udp4', (message, { port, address }) => {
 *   echo.send(message, port, address);
 * });
 * echo.bind(0, '127.0.0.1');
 * await once(echo, 'listening');
 *
 * const client = createSocket('udp4');
 * client.send('hello', echo.address().port, '127.0.0.1');
 * const [answer] = await once(client, 'message');
 * assert.equal(String(answer), 'hello');
 * client.close();
 * echo.close();
 * ```
 */
export class Socket extends SocketStates {
  readonly #peers: Peers;

  /**
   * A socket that is not bound.
   *
   * @param type the family, or the options.
   * @param listener hears of each message.
   * @throws TypeError or RangeError for a wrong option, with the code of Node's.
   */
  constructor(
    type: SocketType | SocketOptions,
    listener?: (message: Buffer, info: RemoteInfo) => void,
  ) {
    const options = typeof type === 'object' && type !== null ? type : { type };
    super(checkSocketOptions(options), options);
    this.#peers = new Peers(this.sys, this.type);
    if (typeof listener === 'function') this.on('message', listener);
    if (options.signal !== undefined) this.closeOn(options.signal);
    if (made.hasSubscribers) made.publish({ socket: this });
  }

  /**
   * Sends a message to a port. A socket that is not bound is bound to a free port first.
   *
   * @param message the message, or its parts; they are copied.
   * @param port 1 to 65535.
   * @param address a name or an address. Default: the loopback address.
   * @param callback is called once the system has taken the message or refused it.
   * @throws RangeError and TypeError with the codes of Node's for a wrong argument.
   * @throws Error `ERR_SOCKET_DGRAM_NOT_RUNNING`, `ERR_SOCKET_DGRAM_IS_CONNECTED`.
   */
  send(
    message: Message | readonly Message[],
    port: number,
    address?: string,
    callback?: SendCallback,
  ): void;
  /**
   * Sends a message to a port of the loopback address.
   *
   * @param message the message, or its parts; they are copied.
   * @param port 1 to 65535.
   * @param callback is called once the system has taken the message or refused it.
   * @throws as with an address.
   */
  send(message: Message | readonly Message[], port: number, callback?: SendCallback): void;
  /**
   * Sends a message to the peer of a connected socket.
   *
   * @param message the message, or its parts; they are copied.
   * @param callback is called once the system has taken the message or refused it.
   * @throws as with an address.
   */
  send(message: Message | readonly Message[], callback?: SendCallback): void;
  /**
   * Sends a part of a message to a port; without one, to the peer of a connected socket.
   *
   * @param message the message.
   * @param offset where the part begins, in bytes.
   * @param length the length of the part, in bytes.
   * @param port 1 to 65535.
   * @param address a name or an address. Default: the loopback address.
   * @param callback is called once the system has taken the message or refused it.
   * @throws as with a whole message, and RangeError `ERR_BUFFER_OUT_OF_BOUNDS`.
   */
  send(
    message: Message,
    offset: number,
    length: number,
    port?: number,
    address?: string,
    callback?: SendCallback,
  ): void;
  /**
   * Sends a part of a message to a port of the loopback address.
   *
   * @param message the message.
   * @param offset where the part begins, in bytes.
   * @param length the length of the part, in bytes.
   * @param port 1 to 65535.
   * @param callback is called once the system has taken the message or refused it.
   * @throws as with an address.
   */
  send(
    message: Message,
    offset: number,
    length: number,
    port: number,
    callback?: SendCallback,
  ): void;
  /**
   * Sends a part of a message to the peer of a connected socket.
   *
   * @param message the message.
   * @param offset where the part begins, in bytes.
   * @param length the length of the part, in bytes.
   * @param callback is called once the system has taken the message or refused it.
   * @throws as with an address.
   */
  send(message: Message, offset: number, length: number, callback?: SendCallback): void;
  send(
    message: unknown,
    second?: unknown,
    third?: unknown,
    fourth?: unknown,
    fifth?: unknown,
    sixth?: unknown,
  ): void {
    if (this.connection === 'connected') {
      this.#sendToPeer(message, second, third, fourth, fifth);
      return;
    }
    const isPart = Boolean(fifth) || (Boolean(fourth) && typeof fourth !== 'function');
    const bytes = isPart ? messagePart(message, second, third) : messageBytes(message);
    const port = checkedPort(isPart ? fourth : second);
    const address = isPart ? fifth : third;
    const last = isPart ? sixth : fourth;
    const callback = typeof address === 'function' ? address : last;
    if (typeof address !== 'function' && address !== undefined && address !== null) {
      checkString(address, 'address');
    }
    this.checkRunning();
    this.#sendTo(
      bytes,
      port,
      typeof address === 'string' ? address : undefined,
      typeof callback === 'function' ? (callback as SendCallback) : undefined,
    );
  }

  #sendTo(bytes: Uint8Array, port: number, address?: string, callback?: SendCallback): void {
    if (this.bound === null) {
      this.bindAnywhere();
      // The program may write to its own bytes by then.
      const copy = new Uint8Array(bytes);
      this.enqueue(() => this.#sendTo(copy, port, address, callback));
      return;
    }
    const host = address || LOOPBACK[this.type];
    const known = this.hosts.known(host);
    if (known !== null) {
      this.#sendToAddress(known, bytes, port, address, callback);
      return;
    }
    const copy = new Uint8Array(bytes);
    this.hosts.find(host, (error, found) => {
      if (error) this.#notSent(error, callback);
      else if (this.isOpen) this.#sendToAddress(found, copy, port, address, callback);
    });
  }

  #sendToAddress(
    found: string,
    bytes: Uint8Array,
    port: number,
    address: string | undefined,
    callback: SendCallback | undefined,
  ): void {
    const { sendBlockList } = this.options;
    if (sendBlockList !== undefined && isBlocked(sendBlockList, found)) {
      this.#notSent(blockedAddress(found), callback);
      return;
    }
    const to = this.#peers.find(found, port);
    if (to !== null) {
      this.bound?.sends.send(bytes, to, callback, address, port);
    } else if (callback !== undefined) {
      const { abi } = this.sys;
      const error = addressError(abi, abi.errno.EINVAL, 'send', address, port);
      process.nextTick(callback, error);
    }
  }

  /** No call was made for a message. */
  #notSent(error: Error, callback: SendCallback | undefined): void {
    if (callback !== undefined) process.nextTick(callback, error);
    else process.nextTick(() => this.emit('error', error));
  }

  #sendToPeer(
    message: unknown,
    second: unknown,
    third: unknown,
    fourth: unknown,
    fifth: unknown,
  ): void {
    const isPart = typeof third === 'number';
    const callback = isPart ? fourth : second;
    const bytes = isPart ? messagePart(message, second, third) : messageBytes(message);
    const named = isPart && typeof fourth === 'function' ? undefined : fourth;
    if (named || fifth) throw alreadyConnected();
    this.checkRunning();
    const heard = typeof callback === 'function' ? (callback as SendCallback) : undefined;
    this.bound?.sends.send(bytes, null, heard);
  }
}
