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

/** The own address of `fd`: getsockname(2). Null if there is none. */
export function ownName(sys: Sys, fd: number): SocketAddress | null {
  length[0] = name.length;
  return sys.getsockname(fd, name, length) < 0 ? null : decodeSockaddr(sys.abi, name, length[0]);
}

/** Per kernel, whether it forgets the address of a peer that resets the connection. */
const answers = new WeakMap<Sys, boolean>();

/**
 * Whether the kernel forgets the address of a peer that resets the connection: all but Linux do,
 * and emulations of it (qemu-user 7.2) that lack SO_PEERNAME. Asked once, of the TCP connection
 * `fd`.
 */
export function forgetsPeers(sys: Sys, fd: number): boolean {
  const known = answers.get(sys);
  if (known !== undefined) return known;
  const answer = ask(sys, fd);
  if (answer !== null) answers.set(sys, answer);
  return answer ?? true;
}

/** Null if it cannot be told from `fd`, whose peer has reset it already. */
function ask(sys: Sys, fd: number): boolean | null {
  const { SOL_SOCKET, SO_PEERNAME } = sys.abi.constants;
  if (SO_PEERNAME === undefined) return true;
  length[0] = name.length;
  if (sys.getpeername(fd, name, length) < 0) return null;
  const remembered = new Uint8Array(SOCKADDR_BYTES_MAX);
  const size = length[0];
  if (sys.getsockopt(fd, SOL_SOCKET, SO_PEERNAME, remembered, length) < 0) return true;
  return length[0] !== size || remembered.some((byte, at) => at < size && byte !== name[at]);
}
