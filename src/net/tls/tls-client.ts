import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, createSecureContext, type SecureContext } from 'node:tls';
import type { TlsStreamConnection } from './tls-stream-connection.ts';

/** What a client takes of node:tls: the options of `tls.connect` that concern TLS. */
export type ClientTls = Omit<
  ConnectionOptions,
  'host' | 'port' | 'path' | 'socket' | 'lookup' | 'timeout' | 'SNICallback' | 'requestCert'
>;

// Reading keys and certificates takes milliseconds: once for each object of options.
const contexts = new WeakMap<ClientTls, SecureContext>();

/** The context of the options; all that were made of the same object are one. */
export function contextOf(tls: ClientTls): SecureContext {
  const context = tls.secureContext ?? contexts.get(tls) ?? createSecureContext(tls);
  contexts.set(tls, context);
  return context;
}

/** Has node:tls make a handshake as the client of `connection`, whose server is to be `host`. */
export function connectTls<Data>(
  tls: ClientTls,
  host: string | null,
  connection: TlsStreamConnection<Data>,
  timeoutMs: number,
): void {
  const named = host === null ? {} : { host };
  const isName = host !== null && host !== '' && isIP(host.split('%')[0] ?? '') === 0;
  const servername = tls.servername ?? (isName ? host : undefined);
  connection.begin(timeoutMs, (transport) => {
    const socket = connect({
      ...tls,
      ...named,
      ...(servername === undefined ? {} : { servername }),
      secureContext: contextOf(tls),
      socket: transport as unknown as Duplex,
    });
    connection.attach(socket);
    socket.on('secureConnect', () => connection.secured(socket));
  });
}
