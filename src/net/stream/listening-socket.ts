import type { AcceptSink, Subscription } from '../../loop/backend.ts';
import type { Loop } from '../../loop/loop.ts';
import { tooHigh } from '../../loop/watchable.ts';
import {
  createServer,
  type Endpoint,
  type ServerOptions,
  socketFileOf,
} from '../../socket/create.ts';
import { prepareInherited } from '../../socket/inherited.ts';
import type { SocketFile } from '../../socket/socket-file.ts';
import type { SocketAddress } from '../../sys/sockaddr.ts';
import { inheritedBy } from './inherited.ts';

/** A socket that listens already: one of the program that started this one, such as systemd. */
export interface InheritedEndpoint {
  /** Its descriptor, which the listener owns, and closes, once `listen` has returned. */
  readonly fd: number;
}

/** Connections that come from elsewhere: another thread accepts them. */
export interface ConnectionSource {
  /** Where that thread listens. */
  readonly address: SocketAddress;
  /** Has `sink` get the connections, in turns of `loop`, until the subscription is closed. */
  subscribe(loop: Loop, sink: AcceptSink): Subscription;
}

/** A listener without a socket: what {@link ConnectionSource} gives. */
interface SourceEndpoint {
  readonly source: ConnectionSource;
}

/** Where to listen, and how. */
export type ListeningOptions = (Endpoint | InheritedEndpoint | SourceEndpoint) &
  Pick<ServerOptions, 'backlog' | 'reusePort' | 'ipv6Only'>;

/** What a loop accepts connections from. */
export interface ListeningSocket {
  /** The listening socket, or what takes its place. */
  readonly from: number | ConnectionSource;
  readonly address: SocketAddress;
  /** The file of a UNIX socket, unless it is another program's. */
  readonly file: SocketFile | null;
}

/** Whether connections of a listener at `where` are of TCP. Throws where `where` is unusable. */
export function isTcp(loop: Loop, where: ListeningOptions): boolean {
  if ('source' in where) return where.source.address.family !== 'UNIX';
  if (!('fd' in where)) return !('path' in where);
  return inheritedBy(loop, where.fd, 'listen on').family !== 'UNIX';
}

/** Opens the socket, or takes it over. After an error an inherited one is still the caller's. */
export function openListening(
  loop: Loop,
  options: ListeningOptions,
  noDelay: boolean,
): ListeningSocket {
  if ('source' in options) {
    return { from: options.source, address: options.source.address, file: null };
  }
  if ('fd' in options) return takeOver(loop, options, noDelay);
  const { sys, backend } = loop;
  const socket = createServer(options, { ...options, noDelay, sys });
  const file = socketFileOf(socket);
  try {
    if (socket.fileno() >= backend.fdLimit) throw tooHigh(socket.fileno(), backend);
    const address = socket.getSockName();
    socket.setBlocking(false);
    return { from: socket.detach(), address, file };
  } catch (error) {
    file?.remove();
    socket.close();
    throw error;
  }
}

function takeOver(
  loop: Loop,
  options: InheritedEndpoint & ListeningOptions,
  noDelay: boolean,
): ListeningSocket {
  const { fd, backlog, reusePort } = options;
  if ('host' in options || 'path' in options) {
    throw new RangeError('a listener has a host, a path or a descriptor, and one of them only');
  }
  if (backlog !== undefined || reusePort !== undefined) {
    throw new RangeError(
      `backlog and reusePort are for new sockets: descriptor ${fd} listens already`,
    );
  }
  const address = inheritedBy(loop, fd, 'listen on');
  prepareInherited(loop.sys, fd, 'listen on', noDelay);
  return { from: fd, address, file: null };
}
