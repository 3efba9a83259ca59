import { lstatSync } from 'node:fs';
import { hasFile } from '../../socket/socket-file.ts';
import {
  encodeSockaddr,
  SOCKADDR_BYTES_MAX,
  type SocketAddress,
  type UnixAddress,
} from '../../sys/sockaddr.ts';
import type { Sys } from '../../sys/sys.ts';

/** Whether `address` is the file of a UNIX socket of datagrams that no process has open. */
export function isStaleSocket(sys: Sys, address: SocketAddress): address is UnixAddress {
  if (!hasFile(address)) return false;
  // Linux gives ECONNREFUSED for any other file too.
  if (lstatSync(address.path, { throwIfNoEntry: false })?.isSocket() !== true) return false;
  const { AF_UNIX, SOCK_DGRAM, SOCK_CLOEXEC = 0 } = sys.abi.constants;
  const probe = sys.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return false;
  const name = new Uint8Array(SOCKADDR_BYTES_MAX);
  const result = sys.connect(probe, name, encodeSockaddr(sys.abi, address, name));
  sys.close(probe);
  return result === -sys.abi.errno.ECONNREFUSED;
}
