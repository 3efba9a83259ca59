import { requireObject } from '../base/arguments.ts';
import { crc32c } from '../base/crc32c.ts';
import { parseIPv4, parseIPv6 } from '../base/ip-address.ts';
import type { ProxyAddress, ProxyTlv } from './proxy-header.ts';
import { ADDRESS_BYTES, CHECKSUM_TYPE, FIXED_BYTES, PATH_BYTES, SIGNATURE } from './proxy-v2.ts';

/** What a header of the PROXY protocol says. */
export interface ProxyHeaderOptions {
  /** 1, a line of text, or 2, binary. Default: 2. */
  readonly version?: 1 | 2;
  /**
   * The client. Default: none, with no `destination` either: the header then says that the proxy
   * speaks for itself (`LOCAL`), in version 1 that the client is unknown.
   */
  readonly source?: ProxyAddress | null;
  /** Where the client has connected to: of the same family as `source`. */
  readonly destination?: ProxyAddress | null;
  /** Fields to add, in version 2. */
  readonly tlvs?: readonly ProxyTlv[];
  /** Whether to add a checksum, in version 2. Default: false. */
  readonly checksum?: boolean;
}

/**
 * Makes a header of the PROXY protocol, to send as the first bytes of a connection.
 *
 * @param options the version, the addresses and the fields.
 * @returns the header, in memory of its own.
 * @throws RangeError for addresses that are no addresses or of two families, for a UNIX path, a
 *   field or a checksum in version 1, and for fields that are too long.
 * @throws TypeError where `options` is no object.
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { encodeProxyHeader, parseProxyHeader } from 'sockloop';
 *
 * const header = encodeProxyHeader({
 *   source: { family: 'IPv6', address: '2001:db8::1', port: 4711 },
 *   destination: { family: 'IPv6', address: '2001:db8::9', port: 443 },
 *   tlvs: [{ type: 2, value: new TextEncoder().encode('example.org') }],
 *   checksum: true,
 * });
 * const { source, tlvs } = parseProxyHeader(header) ?? {};
 * assert.equal(source?.family === 'IPv6' && source.address, '2001:db8::1');
 * assert.deepEqual(tlvs?.map(({ type }) => type), [2, 3]);
 * ```
 */
export function encodeProxyHeader(options: ProxyHeaderOptions): Uint8Array {
  requireObject('proxyProtocol', options);
  const { version = 2, source = null, destination = null } = options;
  if (source?.family !== destination?.family) {
    throw new RangeError('the source and the destination of a PROXY header have one family');
  }
  if (version === 1) return encodeVersion1(source, destination, options);
  if (version === 2) return encodeVersion2(source, destination, options);
  throw new RangeError(`the version of a PROXY header is 1 or 2, not ${String(version)}`);
}

function encodeVersion1(
  source: ProxyAddress | null,
  destination: ProxyAddress | null,
  { tlvs = [], checksum = false }: ProxyHeaderOptions,
): Uint8Array {
  if (tlvs.length > 0 || checksum) {
    throw new RangeError('a PROXY header of version 1 has no fields and no checksum');
  }
  const text = new TextEncoder();
  if (source === null || destination === null) return text.encode('PROXY UNKNOWN\r\n');
  if (source.family === 'UNIX' || destination.family === 'UNIX') {
    throw new RangeError('a PROXY header of version 1 has no UNIX paths');
  }
  for (const address of [source, destination]) checkedAddress(address, new Uint8Array(16), 0);
  const protocol = source.family === 'IPv4' ? 'TCP4' : 'TCP6';
  const addresses = `${source.address} ${destination.address}`;
  return text.encode(`PROXY ${protocol} ${addresses} ${source.port} ${destination.port}\r\n`);
}

const FAMILY_NUMBERS = { IPv4: 1, IPv6: 2, UNIX: 3 } as const;

function encodeVersion2(
  source: ProxyAddress | null,
  destination: ProxyAddress | null,
  { tlvs = [], checksum = false }: ProxyHeaderOptions,
): Uint8Array {
  const fields = checksum ? [...tlvs, { type: CHECKSUM_TYPE, value: new Uint8Array(4) }] : tlvs;
  const family = source?.family ?? 'unspecified';
  const start = FIXED_BYTES + ADDRESS_BYTES[family];
  const length = fields.reduce((sum, { value }) => sum + 3 + value.length, start);
  if (length - FIXED_BYTES > 65_535) {
    throw new RangeError(`a PROXY header has at most 65551 bytes, not ${length}`);
  }
  const header = new Uint8Array(length);
  const view = new DataView(header.buffer);
  header.set(SIGNATURE);
  view.setUint8(12, source === null && fields.length === 0 ? 0x20 : 0x21);
  view.setUint8(13, source === null ? 0 : FAMILY_NUMBERS[source.family] * 16 + 1);
  view.setUint16(14, length - FIXED_BYTES);
  if (source !== null && destination !== null) {
    encodeAddress(header, source, 0);
    encodeAddress(header, destination, 1);
  }
  let at = start;
  for (const { type, value } of fields) {
    if (!Number.isInteger(type) || type < 0 || type > 255) {
      throw new RangeError(`the type of a field is 0 to 255, not ${type}`);
    }
    view.setUint8(at, type);
    view.setUint16(at + 1, value.length);
    header.set(value, at + 3);
    at += 3 + value.length;
  }
  if (checksum) view.setUint32(length - 4, crc32c(header));
  return header;
}

/** Writes the source (0) or the destination (1). */
function encodeAddress(header: Uint8Array, address: ProxyAddress, which: 0 | 1): void {
  if (address.family === 'UNIX') {
    const path = new TextEncoder().encode(address.path);
    if (path.length > PATH_BYTES) {
      throw new RangeError(`a PROXY header has UNIX paths of at most ${PATH_BYTES} bytes`);
    }
    header.set(path, FIXED_BYTES + which * PATH_BYTES);
    return;
  }
  const bytes = address.family === 'IPv4' ? 4 : 16;
  checkedAddress(address, header, FIXED_BYTES + which * bytes);
  const view = new DataView(header.buffer);
  view.setUint16(FIXED_BYTES + 2 * bytes + 2 * which, address.port);
}

function checkedAddress(
  address: Exclude<ProxyAddress, { readonly family: 'UNIX' }>,
  into: Uint8Array,
  at: number,
): void {
  const { family, address: text, port } = address;
  const isOne = family === 'IPv4' ? parseIPv4(text, into, at) : parseIPv6(text, into, at);
  if (!isOne) throw new RangeError(`"${text}" is not an ${family} address`);
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return;
  throw new RangeError(`a port is a number from 0 to 65535, not ${port}`);
}
