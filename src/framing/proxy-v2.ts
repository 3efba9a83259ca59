import { crc32c } from '../base/crc32c.ts';
import { formatIPv4, formatIPv6 } from '../base/ip-address.ts';
import { ProxyHeaderError } from './proxy-error.ts';
import type { ProxyAddress, ProxyHeader, ProxyTls, ProxyTlv } from './proxy-header.ts';

/** The first bytes of a header of version 2: no protocol begins so. */
export const SIGNATURE = new Uint8Array([
  0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
]);

/** The signature, version and command, family and transport, and the length of the rest. */
export const FIXED_BYTES = 16;

/** The bytes of both addresses, by the number of their family. */
export const ADDRESS_BYTES = { unspecified: 0, IPv4: 12, IPv6: 36, UNIX: 216 } as const;

/** The types that have a meaning here. */
export const CHECKSUM_TYPE = 0x03;
const TLS_TYPE = 0x20;

const FAMILIES = ['unspecified', 'IPv4', 'IPv6', 'UNIX'] as const;
const TRANSPORTS = ['unspecified', 'stream', 'datagram'] as const;

/** A UNIX path is padded with NUL to so many bytes. */
export const PATH_BYTES = 108;

/** Reads `bytes`, which begin with the signature or with all of it that has come. */
export function parseVersion2(bytes: Uint8Array, bytesMax: number): ProxyHeader | null {
  if (bytes.length < FIXED_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const byteLength = FIXED_BYTES + view.getUint16(14);
  if (byteLength > bytesMax) {
    const reason = `it has ${byteLength} bytes, above the limit of ${bytesMax}`;
    throw new ProxyHeaderError('ERR_PROXY_HEADER_TOO_LONG', reason);
  }
  const versionAndCommand = view.getUint8(12);
  const version = versionAndCommand >> 4;
  if (version !== 2) throw invalid(`its version is ${version}, not 2`);
  const command = versionAndCommand & 0x0f;
  if (command > 1) throw invalid(`its command is ${command}, not 0 or 1`);
  const family = FAMILIES[view.getUint8(13) >> 4];
  const transport = TRANSPORTS[view.getUint8(13) & 0x0f];
  if (family === undefined || transport === undefined) {
    throw invalid('its address family or its transport does not exist');
  }
  const isLocal = command === 0;
  const tlvStart = FIXED_BYTES + ADDRESS_BYTES[family];
  if (!isLocal && tlvStart > byteLength) throw invalid('it is too short for its addresses');
  if (bytes.length < byteLength) return null;
  const header = bytes.subarray(0, byteLength);
  if (isLocal) return localHeader(byteLength);
  const tlvs = tlvsOf(header, tlvStart);
  verify(header, tlvStart);
  const [source, destination] = addressesOf(header, family);
  const tls = tlvs.find(({ type }) => type === TLS_TYPE);
  return {
    version: 2,
    command: 'PROXY',
    transport,
    source,
    destination,
    tlvs,
    tls: tls === undefined ? null : tlsOf(tls.value),
    byteLength,
  };
}

/** Whatever else the header says is to be ignored. */
function localHeader(byteLength: number): ProxyHeader {
  const none = { source: null, destination: null, tlvs: [], tls: null };
  return { version: 2, command: 'LOCAL', transport: 'unspecified', ...none, byteLength };
}

type Addresses = readonly [ProxyAddress | null, ProxyAddress | null];

function addressesOf(header: Uint8Array, family: (typeof FAMILIES)[number]): Addresses {
  const at = FIXED_BYTES;
  const port = (offset: number): number => (header[offset] ?? 0) * 256 + (header[offset + 1] ?? 0);
  switch (family) {
    case 'unspecified':
      return [null, null];
    case 'IPv4':
      return [
        { family, address: formatIPv4(header, at), port: port(at + 8) },
        { family, address: formatIPv4(header, at + 4), port: port(at + 10) },
      ];
    case 'IPv6':
      return [
        { family, address: formatIPv6(header, at), port: port(at + 32) },
        { family, address: formatIPv6(header, at + 16), port: port(at + 34) },
      ];
    case 'UNIX':
      return [
        { family, path: pathOf(header, at) },
        { family, path: pathOf(header, at + PATH_BYTES) },
      ];
  }
}

/** A path ends at its first NUL; an abstract name begins with one. */
function pathOf(header: Uint8Array, at: number): string {
  const padded = header.subarray(at, at + PATH_BYTES);
  const end = padded.indexOf(0, 1);
  const path = padded.subarray(0, end < 0 ? PATH_BYTES : end);
  return path.length === 1 && path[0] === 0 ? '' : textOf(path);
}

const text = new TextDecoder('utf-8', { ignoreBOM: true });

function textOf(bytes: Uint8Array): string {
  return text.decode(bytes);
}

/** The fields from `start` to the end of `bytes`, which they have to fill. */
function tlvsOf(bytes: Uint8Array, start: number): ProxyTlv[] {
  const tlvs: ProxyTlv[] = [];
  for (let at = start; at < bytes.length; ) {
    const length = (bytes[at + 1] ?? 0) * 256 + (bytes[at + 2] ?? 0);
    const end = at + 3 + length;
    if (at + 3 > bytes.length || end > bytes.length) throw invalid('a field ends behind its end');
    // A Buffer's own slice() is a view.
    tlvs.push({ type: bytes[at] ?? 0, value: new Uint8Array(bytes.subarray(at + 3, end)) });
    at = end;
  }
  return tlvs;
}

/** Compares the checksum of `header` with each that it brings. */
function verify(header: Uint8Array, start: number): void {
  for (let at = start; at < header.length; ) {
    const end = at + 3 + (header[at + 1] ?? 0) * 256 + (header[at + 2] ?? 0);
    if (header[at] === CHECKSUM_TYPE) compare(header, at + 3, end);
    at = end;
  }
}

/** It was computed with zeros in its own place. */
function compare(header: Uint8Array, start: number, end: number): void {
  if (end - start !== 4) throw invalid('its checksum has not 4 bytes');
  const before = crc32c(header.subarray(0, start));
  const sum = crc32c(header.subarray(end), crc32c(new Uint8Array(4), before));
  const told = new DataView(header.buffer, header.byteOffset).getUint32(start);
  if (sum === told) return;
  throw new ProxyHeaderError('ERR_PROXY_HEADER_CHECKSUM', 'its checksum is wrong');
}

/** Flags, the result of the verification, and fields of its own. */
function tlsOf(value: Uint8Array): ProxyTls {
  if (value.length < 5) throw invalid('its field about TLS is too short');
  const flags = value[0] ?? 0;
  const result = new DataView(value.buffer, value.byteOffset).getUint32(1);
  const fields = tlvsOf(value, 5);
  const named = (type: number): string | null => {
    const field = fields.find((one) => one.type === type);
    return field === undefined ? null : textOf(field.value);
  };
  return {
    isTls: (flags & 0x01) !== 0,
    certificateOnConnection: (flags & 0x02) !== 0,
    certificateInSession: (flags & 0x04) !== 0,
    // Without a certificate the result is 0 too.
    isVerified: result === 0 && (flags & 0x06) !== 0,
    version: named(0x21),
    commonName: named(0x22),
    cipher: named(0x23),
    signatureAlgorithm: named(0x24),
    keyAlgorithm: named(0x25),
  };
}

function invalid(reason: string): ProxyHeaderError {
  return new ProxyHeaderError('ERR_PROXY_HEADER_INVALID', reason);
}
