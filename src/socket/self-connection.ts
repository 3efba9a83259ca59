import { SOCKADDR_BYTES_MAX, type SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { SysError, sysError } from '../sys/sys-error.ts';
import { writeNamed } from './options/calls.ts';
import type { Socket } from './socket.ts';

// A TCP socket connects to itself if nobody listens on the port and the kernel chose the same port
// as the local one: its SYN meets itself, a simultaneous open (RFC 9293, section 3.5). It then
// receives what it sends.

const own = new Uint8Array(SOCKADDR_BYTES_MAX);
const peer = new Uint8Array(SOCKADDR_BYTES_MAX);
const length = new Int32Array(1);

/**
 * Connects `socket` to a peer other than itself. Throws as {@link Socket.connect}, and ECONNREFUSED
 * for a self-connection; the caller closes the socket.
 */
export function connectToPeer(sys: Sys, socket: Socket, address: SocketAddress): void {
  socket.connect(address);
  const fd = socket.fileno();
  if (!isSelfConnected(sys, fd, address)) return;
  dropAtClose(sys, fd);
  throw selfConnectionError(sys, address);
}

/**
 * Whether `fd`, just connected to `target`, is its own peer. Costs one getsockname(2), and a
 * getpeername(2) if the ports are equal.
 */
export function isSelfConnected(sys: Sys, fd: number, target: SocketAddress): boolean {
  if (target.family === 'UNIX') return false;
  length[0] = own.length;
  if (sys.getsockname(fd, own, length) < 0) return false;
  const { sockaddr_in: four, sockaddr_in6: six } = sys.abi.structs;
  const isFour = target.family === 'IPv4';
  const portAt = (isFour ? four.fields.sin_port : six.fields.sin6_port).offset;
  if (own[portAt] !== target.port >> 8 || own[portAt + 1] !== (target.port & 0xff)) return false;
  // Not `target`: 0.0.0.0 and :: mean an address of this machine.
  length[0] = peer.length;
  if (sys.getpeername(fd, peer, length) < 0) return false;
  const { offset: at, size } = isFour ? four.fields.sin_addr : six.fields.sin6_addr;
  for (let index = at; index < at + size; index += 1) {
    if (own[index] !== peer[index]) return false;
  }
  return true;
}

/** Makes the close(2) of a self-connected `fd` a reset, which frees its port. */
export function dropAtClose(sys: Sys, fd: number): void {
  try {
    writeNamed(sys, fd, 'SO_LINGER', 0);
  } catch (error) {
    // The port then stays in TIME_WAIT; a server with SO_REUSEADDR can still listen on it.
    if (!(error instanceof SysError)) throw error;
  }
}

/** The error of a self-connection: nobody listens on `target`. */
export function selfConnectionError(sys: Sys, target: SocketAddress): SysError {
  const reason = 'nobody listens: the socket connected to itself';
  return sysError(sys, -sys.abi.errno.ECONNREFUSED, 'connect', 'connect to', target, reason);
}
