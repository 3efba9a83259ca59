/** An address in a header of the PROXY protocol: a SocketAddress without flow label and zone. */
export type ProxyAddress =
  | { readonly family: 'IPv4'; readonly address: string; readonly port: number }
  | { readonly family: 'IPv6'; readonly address: string; readonly port: number }
  | { readonly family: 'UNIX'; readonly path: string };

/** A field of a header of version 2, as it came: type, length, value. */
export interface ProxyTlv {
  /** The type, 0 to 255: 1 ALPN, 2 authority, 5 unique ID, 0x20 TLS, 0x30 network namespace, ... */
  readonly type: number;
  /** The value, a copy. */
  readonly value: Uint8Array;
}

/** What a header says of the TLS between the client and the proxy: field 0x20. */
export interface ProxyTls {
  /** Whether the client uses TLS. */
  readonly isTls: boolean;
  /** Whether it has shown a certificate on this connection. */
  readonly certificateOnConnection: boolean;
  /** Whether it has shown one in this session. */
  readonly certificateInSession: boolean;
  /** Whether it has shown one that the proxy has verified. */
  readonly isVerified: boolean;
  /** The version: `TLSv1.3`. */
  readonly version: string | null;
  /** The common name of the certificate. */
  readonly commonName: string | null;
  /** The cipher: `TLS_AES_256_GCM_SHA384`. */
  readonly cipher: string | null;
  /** The algorithm that has signed the certificate: `SHA256`. */
  readonly signatureAlgorithm: string | null;
  /** The algorithm of its key: `RSA2048`. */
  readonly keyAlgorithm: string | null;
}

/** A header of the PROXY protocol: for whom a proxy has made the connection. */
export interface ProxyHeader {
  /** 1 is a line of text, 2 is binary. */
  readonly version: 1 | 2;
  /** `LOCAL`: the proxy speaks for itself, as in a health check. */
  readonly command: 'PROXY' | 'LOCAL';
  /** What the client speaks to the proxy: TCP is a stream. */
  readonly transport: 'stream' | 'datagram' | 'unspecified';
  /** The client; null for `LOCAL`, and where the proxy does not say. */
  readonly source: ProxyAddress | null;
  /** Where the client has connected to; null as `source` is. */
  readonly destination: ProxyAddress | null;
  /** All fields of version 2, in their order, unknown ones too; none for `LOCAL`. */
  readonly tlvs: readonly ProxyTlv[];
  /** The field about TLS, decoded; null without one. */
  readonly tls: ProxyTls | null;
  /** The bytes of the header: the client's own begin behind them. */
  readonly byteLength: number;
}
