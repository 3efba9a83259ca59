import type { EventEmitter } from 'node:events';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import type { TlsStreamConnection } from './tls-stream-connection.ts';

/** What a server takes of node:tls: the options of `tls.createServer` that concern TLS. */
export type ServerTls = Omit<
  TlsOptions,
  | 'secureContext'
  | 'handshakeTimeout'
  | 'allowHalfOpen'
  | 'pauseOnConnect'
  | 'noDelay'
  | 'keepAlive'
  | 'keepAliveInitialDelay'
  | 'highWaterMark'
>;

/**
 * Stores a session under its id, as the listeners of node:tls's event `newSession` do.
 *
 * @param sessionId the id.
 * @param sessionData the session.
 * @param callback to be called once it is stored: the handshake waits for it.
 */
export type NewSession = (sessionId: Buffer, sessionData: Buffer, callback: () => void) => void;

/**
 * Finds a session by its id, as the listeners of node:tls's event `resumeSession` do.
 *
 * @param sessionId the id.
 * @param callback to be called with the session, or null where there is none.
 */
export type ResumeSession = (
  sessionId: Buffer,
  callback: (error: Error | null, sessionData: Buffer | null) => void,
) => void;

/** node:tls has a deadline of its own, which a client that sends a byte at a time never meets. */
const NO_TIMEOUT = -1;

/**
 * A server of node:tls that does not listen: it has the context, the names of SNI and the sessions.
 *
 * @throws what node:tls throws for wrong options.
 */
export function tlsServer(
  tls: ServerTls,
  newSession: NewSession | undefined,
  resumeSession: ResumeSession | undefined,
): Server {
  const server = createServer({ ...tls, handshakeTimeout: NO_TIMEOUT });
  if (newSession !== undefined) server.on('newSession', newSession);
  if (resumeSession !== undefined) server.on('resumeSession', resumeSession);
  return server;
}

/**
 * Has `server` make a handshake on `connection`.
 *
 * node:tls takes connections by the event `connection`, and reports by events of its server. Each
 * connection gets a server of its own, whose prototype is `server`, so that it hears of itself.
 */
export function acceptTls<Data>(
  server: Server,
  connection: TlsStreamConnection<Data>,
  timeoutMs: number,
): void {
  const own: EventEmitter = Object.create(server);
  own.emit = (event: string, ...values: unknown[]): boolean => {
    if (event === 'secureConnection') {
      const socket = values[0] as TLSSocket;
      // A client of TLS 1.2 could have the server compute for nothing.
      socket.disableRenegotiation();
      connection.secured(socket);
    } else if (event === 'tlsClientError') {
      connection.broken(refusal(values[1] as TLSSocket) ?? values[0]);
    } else {
      return server.emit(event, ...values);
    }
    return true;
  };
  connection.begin(timeoutMs, (transport) => {
    const emit = server.emit as unknown as (event: string, stream: unknown) => boolean;
    emit.call(own, 'connection', transport);
  });
}

/** Why a client was refused that node:tls has hung up on without a reason. */
function refusal(socket: TLSSocket): Error | null {
  // A code, whatever the types say.
  const code: unknown = socket.authorizationError;
  if (typeof code !== 'string') return null;
  const message = "the client's certificate was not verified";
  return Object.assign(new Error(message), { code });
}
