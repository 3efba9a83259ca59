import type { EventEmitter } from 'node:events';
import { normalized } from './arguments.ts';
import type {
  ListenOptions,
  ServerOptions,
  SocketConnectOptions,
  SocketOptions,
} from './options.ts';
import { Server } from './server.ts';
import { Socket } from './socket.ts';

/**
 * Makes a server, as `net.createServer` does.
 *
 * @param options those of `net.createServer`, or the listener.
 * @param listener hears of each connection.
 * @returns the server, which does not listen yet.
 * @throws TypeError for an option of a wrong type.
 */
export function createServer(
  options?: ServerOptions | ((socket: Socket) => void) | null,
  listener?: (socket: Socket) => void,
): Server {
  return new Server(options, listener);
}

/**
 * Makes a socket and connects it, as `net.connect` does.
 *
 * @param options where to connect to, and how; and those of the socket.
 * @param listener is called when the connection stands.
 * @returns the socket.
 * @throws TypeError or RangeError for a wrong option, with the code of Node's.
 */
export function createConnection(
  options: SocketConnectOptions & SocketOptions,
  listener?: () => void,
): Socket;
/**
 * Makes a socket and connects it to a host.
 *
 * @param port the port, 0 to 65535.
 * @param host a name or an address.
 * @param listener is called when the connection stands.
 * @returns the socket.
 */
export function createConnection(
  port: number | string,
  host: string,
  listener?: () => void,
): Socket;
/**
 * Makes a socket and connects it to a port of `localhost`, or to the path of a UNIX socket.
 *
 * @param where the port or the path.
 * @param listener is called when the connection stands.
 * @returns the socket.
 */
export function createConnection(where: number | string, listener?: () => void): Socket;
export function createConnection(...args: unknown[]): Socket {
  const [options, listener] = normalized<SocketConnectOptions & SocketOptions>(args);
  const socket = new Socket(options);
  if (options.timeout) socket.setTimeout(options.timeout);
  return socket.connect(options, listener ?? undefined);
}

export { createConnection as connect };

/**
 * Serves an HTTP server of Node's own (http, https, http2, or anything with the event `connection`)
 * on a listener of sockloop.
 *
 * The HTTP server itself does not listen: close the one that is returned, and the connections of
 * the HTTP server by `closeIdleConnections()` or `closeAllConnections()`.
 *
 * @param httpServer gets each socket by its event `connection`, and `listening` once it may: its
 *   timeouts count from then on. Its own `address()` stays null.
 * @param options where to listen, and the settings of the sockets; `noDelay` is true by default.
 * @returns the server that listens.
 * @throws as {@link Server.listen}.
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { once } from 'node:events';
 * import { createServer } from 'node:http';
 * import { serveOn } from 'sockloop/net';
 *
 * const httpServer = createServer((_, response) => response.end('hello'));
 * const server = serveOn(httpServer, { port: 0, host: '127.0.0.1' });
 * await once(server, 'listening');
 * const address = server.address();
 * assert(typeof address === 'object' && address !== null);
 * const answer = await fetch(`http://127.0.0.1:${address.port}/`);
 * assert.equal(await answer.text(), 'hello');
 * server.close();
 * httpServer.closeAllConnections();
 * ```
 */
export function serveOn(httpServer: EventEmitter, options: ListenOptions & ServerOptions): Server {
  const { allowHalfOpen = true } = httpServer as { allowHalfOpen?: boolean };
  // The setting is that of a socket of TLS. The one below stays open for what TLS has to write.
  const isTls = 'setSecureContext' in httpServer;
  const server = new Server({ noDelay: true, allowHalfOpen: allowHalfOpen || isTls, ...options });
  server.on('connection', (socket) => {
    if (isTls) socket.allowHalfOpen = allowHalfOpen;
    httpServer.emit('connection', socket);
    if (isTls) socket.allowHalfOpen = true;
  });
  // It is what Node tracks the connections from, for timeouts and closeIdleConnections().
  server.on('listening', () => httpServer.emit('listening'));
  return server.listen(options);
}
