import { decodeSockaddr, SOCKADDR_BYTES_MAX, type SocketAddress } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';

type NameCall = 'getsockname' | 'getpeername';

const ATTEMPTS: Readonly<Record<NameCall, string>> = {
  getsockname: 'read the name of a socket',
  getpeername: 'read the name of a peer',
};

const name = new Uint8Array(SOCKADDR_BYTES_MAX);
const length = new Int32Array(1);

/** The address that `call` gives for `fd`. Throws a SysError. */
export function readName(sys: Sys, fd: number, call: NameCall): SocketAddress {
  length[0] = name.length;
  const result = sys[call](fd, name, length);
  if (result < 0) throw sysError(sys, result, call, ATTEMPTS[call]);
  return decodeSockaddr(sys.abi, name, length[0]);
}

/** As {@link readName}; undefined after an error. */
export function nameOrNone(sys: Sys, fd: number, call: NameCall): SocketAddress | undefined {
  length[0] = name.length;
  const result = sys[call](fd, name, length);
  return result < 0 ? undefined : decodeSockaddr(sys.abi, name, length[0]);
}
