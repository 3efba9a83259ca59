import { decodeSockaddr, SOCKADDR_BYTES_MAX, type SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';

const name = new Uint8Array(SOCKADDR_BYTES_MAX);
const length = new Int32Array(1);

/**
 * The address of the peer of `fd`: getpeername(2), or SO_PEERNAME, which Linux remembers after a
 * reset of a TCP connection. Null if it is forgotten.
 */
export function peerName(sys: Sys, fd: number): SocketAddress | null {
  length[0] = name.length;
  if (sys.getpeername(fd, name, length) >= 0) return decodeSockaddr(sys.abi, name, length[0]);
  const { SOL_SOCKET, SO_PEERNAME } = sys.abi.constants;
  if (SO_PEERNAME === undefined) return null;
  const { sockaddr_in: four, sockaddr_in6: six } = sys.abi.structs;
  // The kernel refuses a length above that of the address.
  for (const size of [six.size, four.size]) {
    length[0] = size;
    if (sys.getsockopt(fd, SOL_SOCKET, SO_PEERNAME, name, length) < 0) continue;
    return decodeSockaddr(sys.abi, name, size);
  }
  return null;
}

/** Whether the kernel forgets the address of a peer that resets the connection. */
export function forgetsPeers(sys: Sys): boolean {
  return sys.abi.constants.SO_PEERNAME === undefined;
}
