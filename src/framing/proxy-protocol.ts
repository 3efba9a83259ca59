import { parseIPv4, parseIPv6 } from '../base/ip-address.ts';
import { PROXY_HEADER_BYTES_MAX, PROXY_V1_BYTES_MAX } from './limits.ts';
import { ProxyHeaderError } from './proxy-error.ts';
import type { ProxyAddress, ProxyHeader } from './proxy-header.ts';
import { parseVersion2, SIGNATURE } from './proxy-v2.ts';

/**
 * Reads a header of the PROXY protocol, of version 1 or 2, at the start of a connection; no I/O.
 *
 * Call it with everything that has come so far until it returns the header or throws. Believe a
 * header only where it comes from a proxy of your own: anybody can send one.
 *
 * @param bytes what the connection has brought, from its first byte on.
 * @param bytesMax the longest header of version 2: 16 to 65,551. Default: 4096. One of version 1
 *   has at most 107 bytes.
 * @returns the header, whose memory is its own; null while it is incomplete.
 * @throws ProxyHeaderError where the bytes do not begin with a header (`ERR_PROXY_HEADER_ABSENT`),
 *   with one that breaks the rules (`ERR_PROXY_HEADER_INVALID`), that is longer than `bytesMax`
 *   (`ERR_PROXY_HEADER_TOO_LONG`) or whose checksum is wrong (`ERR_PROXY_HEADER_CHECKSUM`).
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { parseProxyHeader } from 'sockloop';
 *
 * const bytes = Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.9 4711 443\r\nhello');
 * assert.equal(parseProxyHeader(bytes.subarray(0, 20)), null);
 * const header = parseProxyHeader(bytes);
 * assert.deepEqual(header?.source, { family: 'IPv4', address: '192.0.2.1', port: 4711 });
 * assert.equal(bytes.toString('utf8', header.byteLength), 'hello');
 * ```
 */
export function parseProxyHeader(
  bytes: Uint8Array,
  bytesMax: number = PROXY_HEADER_BYTES_MAX,
): ProxyHeader | null {
  if (begins(bytes, SIGNATURE)) return parseVersion2(bytes, bytesMax);
  if (begins(bytes, PROXY)) return parseVersion1(bytes);
  throw new ProxyHeaderError('ERR_PROXY_HEADER_ABSENT', 'the connection does not begin with one');
}

/** Whether `bytes` begin with `signature`, or with all of it that has come. */
function begins(bytes: Uint8Array, signature: Uint8Array): boolean {
  const length = Math.min(bytes.length, signature.length);
  for (let at = 0; at < length; at++) {
    if (bytes[at] !== signature[at]) return false;
  }
  return true;
}

/** The start of a header of version 1. */
const PROXY = new TextEncoder().encode('PROXY ');
const LF = 0x0a;
const CR = 0x0d;

function parseVersion1(bytes: Uint8Array): ProxyHeader | null {
  const seen = bytes.subarray(0, PROXY_V1_BYTES_MAX);
  const end = seen.indexOf(LF);
  if (end < 0) {
    if (seen.length < PROXY_V1_BYTES_MAX) return null;
    const reason = `its line is longer than ${PROXY_V1_BYTES_MAX} bytes`;
    throw new ProxyHeaderError('ERR_PROXY_HEADER_TOO_LONG', reason);
  }
  if (seen[end - 1] !== CR) throw invalid('its line does not end with CR LF');
  const line = String.fromCharCode(...seen.subarray(PROXY.length, end - 1));
  const shared = {
    version: 1,
    command: 'PROXY',
    tlvs: [],
    tls: null,
    byteLength: end + 1,
  } as const;
  if (line === 'UNKNOWN' || line.startsWith('UNKNOWN ')) {
    return { ...shared, transport: 'unspecified', source: null, destination: null };
  }
  const [protocol, from, to, fromPort, toPort, ...more] = line.split(' ');
  const family = protocol === 'TCP4' ? 'IPv4' : protocol === 'TCP6' ? 'IPv6' : null;
  if (family === null) throw invalid('its protocol is not TCP4, TCP6 or UNKNOWN');
  if (more.length > 0) throw invalid('it has more than two addresses and two ports');
  const source: ProxyAddress = {
    family,
    address: addressOf(from, family),
    port: portOf(fromPort),
  };
  const destination: ProxyAddress = {
    family,
    address: addressOf(to, family),
    port: portOf(toPort),
  };
  return { ...shared, transport: 'stream', source, destination };
}

const parsed = new Uint8Array(16);

function addressOf(text = '', family: 'IPv4' | 'IPv6'): string {
  const isOne = family === 'IPv4' ? parseIPv4(text, parsed, 0) : parseIPv6(text, parsed, 0);
  if (!isOne) throw invalid(`one of its addresses is not an ${family} address`);
  return text;
}

function portOf(text = ''): number {
  if (/^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535) return Number(text);
  throw invalid('one of its ports is not a number from 0 to 65535');
}

function invalid(reason: string): ProxyHeaderError {
  return new ProxyHeaderError('ERR_PROXY_HEADER_INVALID', reason);
}
