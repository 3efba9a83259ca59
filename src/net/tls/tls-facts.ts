import type { CipherNameAndProtocol, PeerCertificate, TLSSocket } from 'node:tls';
import type { ProxyHeader } from '../../framing/proxy-header.ts';
import type {
  GettableOptionName,
  OptionValue,
  SettableOptionName,
} from '../../socket/options/table.ts';
import type { SocketAddress } from '../../sys/sockaddr.ts';
import type { Connection } from '../stream/connection.ts';
import type { ConnectionInfo } from '../stream/connection-info.ts';
import { TlsError, withPeer } from './tls-error.ts';

/** What a TLS connection tells of the connection below, and of the socket of node:tls. */
export abstract class TlsFacts {
  protected readonly connection: Connection<unknown>;
  /** Unknown until the handshake is done, on the side of the server. */
  protected socket: TLSSocket | null = null;

  /** The handshake is under way. */
  protected isHandshaking = true;

  constructor(connection: Connection<unknown>) {
    this.connection = connection;
  }

  protected failure(code: string, reason: string): TlsError {
    return new TlsError(withPeer(this.attempt, this.remoteAddress), code, reason);
  }

  protected hangup(how: string): TlsError {
    return this.failure('ECONNRESET', `the connection was ${how} before the handshake was done`);
  }

  protected get attempt(): string {
    return this.isHandshaking ? 'make a TLS handshake' : 'keep the TLS connection';
  }

  get fd(): number {
    return this.connection.fd;
  }

  get remoteAddress(): SocketAddress | null {
    return this.connection.remoteAddress;
  }

  get localAddress(): SocketAddress | null {
    return this.connection.localAddress;
  }

  get unacknowledgedBytes(): number | null {
    return this.connection.unacknowledgedBytes;
  }

  setTimeout(idleMs: number | null): void {
    this.connection.setTimeout(idleMs);
  }

  get proxy(): ProxyHeader | null {
    return this.connection.proxy;
  }

  info(): ConnectionInfo | null {
    return this.connection.info();
  }

  getSockOpt<Name extends GettableOptionName>(optionName: Name): OptionValue<Name> {
    return this.connection.getSockOpt(optionName);
  }

  setSockOpt<Name extends SettableOptionName>(optionName: Name, value: OptionValue<Name>): void {
    this.connection.setSockOpt(optionName, value);
  }

  get tlsSocket(): TLSSocket {
    if (this.socket === null) throw new Error('unreachable: a handler runs before the handshake');
    return this.socket;
  }

  get alpnProtocol(): string | null {
    return this.tlsSocket.alpnProtocol || null;
  }

  get servername(): string | null {
    const { servername } = this.tlsSocket as unknown as { readonly servername: string | false };
    return servername || null;
  }

  get authorized(): boolean {
    return this.tlsSocket.authorized;
  }

  get authorizationError(): string | null {
    // A code, whatever the types say.
    const error: unknown = this.tlsSocket.authorizationError;
    return error === null || error === undefined ? null : String(error);
  }

  get protocol(): string | null {
    return this.tlsSocket.getProtocol();
  }

  get cipher(): CipherNameAndProtocol | null {
    return this.tlsSocket.getCipher() ?? null;
  }

  get session(): Uint8Array | null {
    return this.tlsSocket.getSession() ?? null;
  }

  get isSessionReused(): boolean {
    return this.tlsSocket.isSessionReused();
  }

  get peerCertificate(): PeerCertificate | null {
    const certificate = this.tlsSocket.getPeerCertificate(true);
    return certificate && Object.keys(certificate).length > 0 ? certificate : null;
  }
}
