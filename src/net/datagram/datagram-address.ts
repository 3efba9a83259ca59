import { isIP } from 'node:net';
import { requireText, shown } from '../../base/arguments.ts';
import type { EncodedAddress } from '../../loop/datagram/contract.ts';
import { zoneResolved } from '../../socket/zone.ts';
import type { Abi } from '../../sys/abi/abi.ts';
import { nativeSys } from '../../sys/native.ts';
import {
  type AddressFamily,
  decodeSockaddr,
  encodeSockaddr,
  formatAddress,
  hostText,
  SOCKADDR_BYTES_MAX,
  type SocketAddress,
} from '../../sys/sockaddr.ts';

/** An address from the bytes of its sockaddr, which the caller leaves to it. */
export let addressFrom: (abi: Abi, sockaddr: Uint8Array) => DatagramAddress;

const scratch = new Uint8Array(SOCKADDR_BYTES_MAX);

/** An address of `address`. Throws as `encodeSockaddr`. */
export function addressFor(abi: Abi, address: SocketAddress): DatagramAddress {
  return addressFrom(abi, scratch.slice(0, encodeSockaddr(abi, address, scratch)));
}

/**
 * Where datagrams go to or come from: an address with its form for the kernel, so that no send has
 * to make it. It never changes. Those that a socket gives are the same object for the same peer,
 * mostly: compare them by {@link toString}.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { DatagramAddress } from 'sockloop';
 *
 * const peer = DatagramAddress.of('::1', 5353);
 * assert.equal(peer.family, 'IPv6');
 * assert.equal(String(peer), '[::1]:5353');
 * ```
 */
export class DatagramAddress implements EncodedAddress {
  /** The sockaddr of this platform: read it only. */
  readonly sockaddr: Uint8Array;
  readonly #abi: Abi;
  #decoded: SocketAddress | null = null;

  static {
    addressFrom = (abi, sockaddr) => new DatagramAddress(abi, sockaddr);
  }

  private constructor(abi: Abi, sockaddr: Uint8Array) {
    this.#abi = abi;
    this.sockaddr = sockaddr;
    Object.freeze(this);
  }

  /**
   * The address of a port.
   *
   * @param host a numeric address, which may have a zone (`fe80::1%eth0`); no name.
   * @param port 0 to 65535.
   * @returns the address.
   * @throws RangeError for a host that is no address or a port out of its range, TypeError for
   *   another type.
   */
  static of(host: string, port: number): DatagramAddress {
    const sys = nativeSys();
    return addressFor(sys.abi, zoneResolved(numericAddress(host, port), sys));
  }

  /**
   * The address of a UNIX socket.
   *
   * @param path its path; with a NUL byte first, an abstract name.
   * @returns the address.
   * @throws RangeError for a path that is too long, TypeError for another type.
   */
  static ofPath(path: string): DatagramAddress {
    return addressFor(nativeSys().abi, { family: 'UNIX', path });
  }

  get #address(): SocketAddress {
    this.#decoded ??= decodeSockaddr(this.#abi, this.sockaddr, this.sockaddr.length);
    return this.#decoded;
  }

  /** `IPv4`, `IPv6` or `UNIX`. */
  get family(): AddressFamily {
    return this.#address.family;
  }

  /** The numeric host, with its zone if it has one; empty for a UNIX socket. */
  get host(): string {
    const address = this.#address;
    return address.family === 'UNIX' ? '' : hostText(address);
  }

  /** The port; 0 for a UNIX socket. */
  get port(): number {
    const address = this.#address;
    return address.family === 'UNIX' ? 0 : address.port;
  }

  /** The path of a UNIX socket, empty for one without a name, and for other families. */
  get path(): string {
    const address = this.#address;
    return address.family === 'UNIX' ? address.path : '';
  }

  /**
   * The address as text.
   *
   * @returns `127.0.0.1:7007`, `[::1]:7007`, `/run/log.sock`, or `@name` for an abstract name.
   */
  toString(): string {
    return formatAddress(this.#address);
  }
}

/** An address of a numeric host. */
export function numericAddress(host: string, port: number): SocketAddress {
  requireText('a host', host);
  const family = isIP(host);
  if (family === 0) {
    throw new RangeError(`a datagram is sent to a numeric host, not to ${shown(host)}`);
  }
  return { family: family === 4 ? 'IPv4' : 'IPv6', address: host, port };
}
