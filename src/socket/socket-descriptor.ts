import { viewOf } from '../base/bytes.ts';
import type { Constants } from '../sys/abi/abi.ts';
import type { SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';
import { readName } from './names.ts';
import { readNamed, readOption, writeNamed, writeOption } from './options/calls.ts';
import type { GettableOptionName, OptionValue, SettableOptionName } from './options/table.ts';

/**
 * The descriptor of a socket of any kind: its names, its options, its end.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { Socket } from 'sockloop/socket';
 *
 * using socket = new Socket('IPv4');
 * socket.setSockOpt('SO_KEEPALIVE', true);
 * assert.equal(socket.getSockOpt('SO_KEEPALIVE'), true);
 * assert.deepEqual(socket.getSockName(), { family: 'IPv4', address: '0.0.0.0', port: 0 });
 * ```
 */
export abstract class SocketDescriptor implements Disposable {
  readonly #sys: Sys;
  #fd: number;

  /** The constants of this platform: `MSG_*`, `POLLIN`, ... */
  get constants(): Constants {
    return this.#sys.abi.constants;
  }

  /**
   * Takes over a descriptor.
   *
   * @param sys the system calls to use.
   * @param fd the descriptor.
   */
  protected constructor(sys: Sys, fd: number) {
    this.#sys = sys;
    this.#fd = fd;
  }

  /**
   * close(2). A second call does nothing.
   *
   * @throws SysError `EBADF`, `EIO`; the descriptor is closed all the same.
   */
  close(): void {
    if (this.#fd < 0) return;
    const result = this.#sys.close(this.detach());
    // Closed even if interrupted. FreeBSD reports a reset by the peer here.
    const { EINTR, EINPROGRESS, ECONNRESET } = this.#sys.abi.errno;
    if (result >= 0 || [EINTR, EINPROGRESS, ECONNRESET].includes(-result)) return;
    throw sysError(this.#sys, result, 'close', 'close a socket');
  }

  /** The same as {@link close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * The descriptor, which the socket still owns.
   *
   * @returns the descriptor, -1 once the socket is closed.
   */
  fileno(): number {
    return this.#fd;
  }

  /**
   * Gives the descriptor to the caller, who has to close it, and leaves the socket closed.
   *
   * @returns the descriptor, -1 if the socket was closed.
   */
  detach(): number {
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  /**
   * getsockname(2): the socket's own address.
   *
   * @returns the address; of an unbound UNIX socket an empty path.
   * @throws SysError `EBADF` on a closed socket.
   */
  getSockName(): SocketAddress {
    return readName(this.#sys, this.#fd, 'getsockname');
  }

  /**
   * getpeername(2): the address of the peer.
   *
   * @returns the address; of an unbound UNIX socket an empty path.
   * @throws SysError `ENOTCONN` without a peer, or once the peer has reset the connection.
   */
  getPeerName(): SocketAddress {
    return readName(this.#sys, this.#fd, 'getpeername');
  }

  /**
   * getsockopt(2): the value of an option of `socketOptions`.
   *
   * @param optionName its name in the man pages: `SO_RCVBUF`, `TCP_INFO`.
   * @returns the value, in the type and unit of the table.
   * @throws SysError `ENOPROTOOPT`, `EOPNOTSUPP` if this kernel or family does not have it.
   * @throws RangeError if this platform does not have it, TypeError if it cannot be read.
   */
  getSockOpt<Name extends GettableOptionName>(optionName: Name): OptionValue<Name> {
    return readNamed(this.#sys, this.#fd, optionName);
  }

  /**
   * setsockopt(2): sets an option of `socketOptions`.
   *
   * @param optionName its name in the man pages: `TCP_NODELAY`.
   * @param value the value, in the type and unit of the table.
   * @throws SysError as {@link getSockOpt}, and `EINVAL`, `EPERM`, ...
   * @throws RangeError, TypeError as {@link getSockOpt}, and for a wrong value.
   */
  setSockOpt<Name extends SettableOptionName>(optionName: Name, value: OptionValue<Name>): void {
    writeNamed(this.#sys, this.#fd, optionName, value);
  }

  /**
   * getsockopt(2) with numbers and bytes, as in C.
   *
   * @param level the number of `SOL_SOCKET`, `IPPROTO_TCP`, ...
   * @param optionNumber the number of the option.
   * @param value room for the value.
   * @returns how many bytes of `value` the kernel wrote.
   * @throws SysError `ENOPROTOOPT`, ...
   */
  getSockOptRaw(level: number, optionNumber: number, value: ArrayBufferView): number {
    const bytes = viewOf(value);
    return readOption(this.#sys, this.#fd, [level, optionNumber], bytes, bytes.length);
  }

  /**
   * setsockopt(2) with numbers and bytes, as in C.
   *
   * @param level the number of `SOL_SOCKET`, `IPPROTO_TCP`, ...
   * @param optionNumber the number of the option.
   * @param value the bytes of the value.
   * @throws SysError `ENOPROTOOPT`, `EINVAL`, ...
   */
  setSockOptRaw(level: number, optionNumber: number, value: ArrayBufferView): void {
    const bytes = viewOf(value);
    writeOption(this.#sys, this.#fd, [level, optionNumber], bytes, bytes.length);
  }
}
