import { resolve, Socket } from 'sockloop/socket';
import { type SocketAddress, type Sys, SysError } from 'sockloop/sys';
import { hasFile, ifLeftBehind } from '#src/socket/socket-file.js';
import type { DatagramPlan } from './plan.ts';

/** Records that wait for their server to accept the connection. */
const BACKLOG = 128;

/**
 * Binds a socket with blocking calls: of datagrams, or one that listens for connections of records.
 * The file that a dead server has left is taken over. Throws a SysError or ResolveError.
 */
export function listeningSocket({ kind, endpoint }: DatagramPlan, sys: Sys): Socket {
  if (kind === 'udp' && 'host' in endpoint) return boundToFirst(endpoint.host, endpoint.port, sys);
  if (!('path' in endpoint)) throw new RangeError(`${kind} is for UNIX sockets`);
  const address = { family: 'UNIX', path: endpoint.path } as const;
  const type = kind === 'seqpacket' ? 'SOCK_SEQPACKET' : 'SOCK_DGRAM';
  const socket = new Socket('UNIX', { type, sys });
  try {
    bindToPath(socket, address, kind, sys);
    if (kind === 'seqpacket') socket.listen(BACKLOG);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function boundToFirst(host: string, port: number, sys: Sys): Socket {
  let failure: unknown;
  for (const address of resolve(host, port, { passive: true, sys })) {
    const socket = new Socket(address.family, { type: 'SOCK_DGRAM', sys });
    try {
      socket.bind(address);
      return socket;
    } catch (error) {
      socket.close();
      failure ??= error;
    }
  }
  throw failure;
}

function bindToPath(
  socket: Socket,
  address: Extract<SocketAddress, { family: 'UNIX' }>,
  kind: DatagramPlan['kind'],
  sys: Sys,
): void {
  try {
    socket.bind(address);
  } catch (error) {
    const taken = error instanceof SysError && error.code === 'EADDRINUSE';
    if (!taken || !hasFile(address)) throw error;
    const bindAnew = (): void => {
      sys.unlink(address.path);
      socket.bind(address);
    };
    const type = kind === 'dgram' ? 'SOCK_DGRAM' : 'SOCK_STREAM';
    if (!ifLeftBehind(address, sys, bindAnew, type)) throw error;
  }
}
