// Goal: a header of the PROXY protocol is read as the specification says, from any pieces, and what
// is no header is never taken for one. Method: what the encoder makes, cut at every byte; headers
// written by hand; anything else from fast-check.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { crc32c } from '#src/base/crc32c.js';
import { encodeProxyHeader, type ProxyHeaderOptions } from '#src/framing/proxy-encoder.js';
import { ProxyHeaderError, type ProxyHeaderErrorCode } from '#src/framing/proxy-error.js';
import type { ProxyAddress, ProxyHeader } from '#src/framing/proxy-header.js';
import { parseProxyHeader } from '#src/framing/proxy-protocol.js';
import { leakCheck } from '#test/harness/leaks.js';

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
const HEADER_BYTES_MAX = 65_551;

const ports = fc.integer({ min: 0, max: 65_535 });
const ipv4 = fc.record({ family: fc.constant('IPv4' as const), address: fc.ipV4(), port: ports });
const ipv6 = fc.record({ family: fc.constant('IPv6' as const), address: fc.ipV6(), port: ports });
const paths = fc
  .tuple(fc.constantFrom('/', '\0'), fc.stringMatching(/^[a-z/]{1,60}$/))
  .map(([start, rest]) => start + rest);
const unix = fc.record({ family: fc.constant('UNIX' as const), path: paths });
const ends: fc.Arbitrary<[ProxyAddress, ProxyAddress]> = fc.oneof(
  fc.tuple(ipv4, ipv4),
  fc.tuple(ipv6, ipv6),
  fc.tuple(unix, unix),
);
const tlvs = fc.array(
  fc.record({
    type: fc.integer({ min: 0, max: 255 }).filter((type) => type !== 3 && type !== 0x20),
    value: fc.uint8Array({ maxLength: 300 }),
  }),
  { maxLength: 6 },
);
const headers: fc.Arbitrary<ProxyHeaderOptions> = fc.oneof(
  fc
    .tuple(fc.oneof(fc.tuple(ipv4, ipv4), fc.tuple(ipv6, ipv6)), fc.constant(1 as const))
    .map(([[source, destination], version]) => ({ version, source, destination })),
  fc.tuple(ends, tlvs, fc.boolean()).map(([[source, destination], fields, checksum]) => {
    return { version: 2 as const, source, destination, tlvs: fields, checksum };
  }),
);

/** The header in `bytes`, which have come in two pieces cut anywhere: incomplete until the end. */
function readAtEveryCut(bytes: Uint8Array, byteLength: number): ProxyHeader {
  for (let cut = 0; cut < byteLength; cut++) {
    assert.equal(parseProxyHeader(bytes.subarray(0, cut), HEADER_BYTES_MAX), null, `cut at ${cut}`);
  }
  const header = parseProxyHeader(bytes, HEADER_BYTES_MAX);
  assert.ok(header !== null);
  assert.equal(header.byteLength, byteLength);
  return header;
}

function refused(bytes: Uint8Array, code: ProxyHeaderErrorCode, bytesMax?: number): void {
  assert.throws(
    () => parseProxyHeader(bytes, bytesMax),
    (error) => error instanceof ProxyHeaderError && error.code === code && error.reason !== '',
    JSON.stringify(Buffer.from(bytes.subarray(0, 120)).toString('latin1')),
  );
}

/** A header of version 2 by hand. */
function binary(command: number, family: number, rest: Uint8Array): Buffer {
  const length = [rest.length >> 8, rest.length & 0xff];
  const fixed = Buffer.from(SIGNATURE, 'latin1');
  return Buffer.concat([fixed, Buffer.from([command, family, ...length]), rest]);
}

const IPV4_ENDS = Buffer.from([192, 0, 2, 1, 192, 0, 2, 9, 0x12, 0x67, 0x01, 0xbb]);

test('proxy protocol: what is encoded is read again, cut at every byte, data behind it', (t) => {
  leakCheck(t);
  fc.assert(
    fc.property(headers, fc.uint8Array({ maxLength: 40 }), (options, data) => {
      const bytes = encodeProxyHeader(options);
      const header = readAtEveryCut(Buffer.concat([bytes, data]), bytes.length);
      assert.equal(header.version, options.version);
      assert.equal(header.command, 'PROXY');
      assert.equal(header.transport, 'stream');
      const same = (read: ProxyAddress | null, given: ProxyAddress | null = null): void => {
        assert.equal(read?.family, given?.family);
        // An IPv6 address has many texts.
        const again = { version: 2 as const, source: read, destination: read };
        const first = { version: 2 as const, source: given, destination: given };
        assert.deepEqual(encodeProxyHeader(again), encodeProxyHeader(first));
      };
      same(header.source, options.source);
      same(header.destination, options.destination);
      const fields = header.tlvs.filter(({ type }) => type !== 3);
      const given = (options.tlvs ?? []).map(({ type, value }) => [type, ...value]);
      assert.deepEqual(
        fields.map(({ type, value }) => [type, ...value]),
        given,
      );
      assert.equal(header.tlvs.length - fields.length, options.checksum ? 1 : 0);
    }),
    { numRuns: 200 },
  );
});

test('proxy protocol: any bytes give a header, wait for more, or are refused', (t) => {
  leakCheck(t);
  const begun = fc.constantFrom('PROXY ', 'PROXY TCP4 ', SIGNATURE, `${SIGNATURE}!\x11\0\x20`);
  const anything = fc.tuple(begun, fc.uint8Array({ maxLength: 200 })).map(([start, rest]) => {
    return Buffer.concat([Buffer.from(start, 'latin1'), rest]);
  });
  fc.assert(
    fc.property(fc.oneof(anything, fc.uint8Array({ maxLength: 300 })), (bytes) => {
      try {
        const header = parseProxyHeader(bytes);
        assert.ok(header === null || header.byteLength <= bytes.length);
      } catch (error) {
        assert.ok(error instanceof ProxyHeaderError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('proxy protocol: one byte of a checked header is changed, and it is refused', (t) => {
  leakCheck(t);
  const source = { family: 'IPv4', address: '192.0.2.1', port: 4711 } as const;
  const value = new TextEncoder().encode('example.org');
  const bytes = encodeProxyHeader({
    source,
    destination: source,
    tlvs: [{ type: 2, value }],
    checksum: true,
  });
  // With another type, the checksum is none.
  const typeAt = bytes.length - 7;
  for (let at = 16; at < bytes.length; at++) {
    if (at === typeAt) continue;
    const forged = bytes.slice();
    forged[at] = (forged[at] ?? 0) ^ 0x04;
    assert.throws(() => parseProxyHeader(forged), ProxyHeaderError, `byte ${at}`);
  }
});

test('proxy protocol: the forms of version 1, one by one', (t) => {
  leakCheck(t);
  const line = (text: string): Buffer => Buffer.from(text, 'latin1');
  const header = readAtEveryCut(line('PROXY TCP6 2001:db8::1 ::1 65535 0\r\n'), 36);
  assert.deepEqual(header.source, { family: 'IPv6', address: '2001:db8::1', port: 65535 });
  assert.deepEqual(header.destination, { family: 'IPv6', address: '::1', port: 0 });
  for (const words of ['UNKNOWN', 'UNKNOWN anything at all ffff::']) {
    const unknown = readAtEveryCut(line(`PROXY ${words}\r\n`), 8 + words.length);
    assert.equal(unknown.source, null);
    assert.equal(unknown.transport, 'unspecified');
  }
  const longest = line(`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`);
  assert.equal(longest.length, 107);
  readAtEveryCut(longest, 107);
  refused(line(`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`), 'ERR_PROXY_HEADER_TOO_LONG');
  refused(line(`PROXY TCP4 ${'1'.repeat(10_000)}`), 'ERR_PROXY_HEADER_TOO_LONG');
  for (const words of [
    'TCP4 192.0.2.1 192.0.2.9 1\r\n',
    'TCP4 192.0.2.1 192.0.2.9 1 2 3\r\n',
    'TCP4 192.0.2.1 192.0.2.9 1 65536\r\n',
    'TCP4 192.0.2.1 192.0.2.9 1 02\r\n',
    'TCP4 192.0.2.1 192.0.2.9 1 -2\r\n',
    'TCP4 192.0.2.256 192.0.2.9 1 2\r\n',
    'TCP4 ::1 ::1 1 2\r\n',
    'TCP6 192.0.2.1 192.0.2.9 1 2\r\n',
    'TCP4  192.0.2.1 192.0.2.9 1 2\r\n',
    'tcp4 192.0.2.1 192.0.2.9 1 2\r\n',
    'UDP4 192.0.2.1 192.0.2.9 1 2\r\n',
    'TCP4 192.0.2.1 192.0.2.9 1 2\n',
    'UNKNOWNS\r\n',
    '\r\n',
  ]) {
    refused(line(`PROXY ${words}`), 'ERR_PROXY_HEADER_INVALID');
  }
  for (const words of ['GET / HTTP/1.1', 'PROXX', 'proxy ', '\r\n\r\nX', '\0']) {
    refused(line(words), 'ERR_PROXY_HEADER_ABSENT');
  }
});

test('proxy protocol: the forms of version 2, one by one', (t) => {
  leakCheck(t);
  const plain = readAtEveryCut(binary(0x21, 0x11, IPV4_ENDS), 28);
  assert.deepEqual(plain.source, { family: 'IPv4', address: '192.0.2.1', port: 4711 });
  assert.deepEqual(plain.destination, { family: 'IPv4', address: '192.0.2.9', port: 443 });
  assert.equal(readAtEveryCut(binary(0x21, 0x12, IPV4_ENDS), 28).transport, 'datagram');
  // LOCAL: whatever else it says is ignored, fields that end nowhere too.
  const local = readAtEveryCut(binary(0x20, 0x11, Buffer.from([1, 2, 3])), 19);
  assert.equal(local.command, 'LOCAL');
  assert.equal(local.source, null);
  assert.deepEqual(local.tlvs, []);
  readAtEveryCut(binary(0x20, 0x00, Buffer.alloc(0)), 16);
  // UNSPEC: no addresses, and fields at once.
  const unspecified = readAtEveryCut(binary(0x21, 0x00, Buffer.from([0xe0, 0, 1, 7])), 20);
  assert.equal(unspecified.source, null);
  assert.deepEqual(unspecified.tlvs, [{ type: 0xe0, value: new Uint8Array([7]) }]);
  const names = Buffer.alloc(216);
  names.write('/run/client.sock', 0);
  names.write('\0abstract', 108);
  const unix = readAtEveryCut(binary(0x21, 0x31, names), 232);
  assert.deepEqual(unix.source, { family: 'UNIX', path: '/run/client.sock' });
  assert.deepEqual(unix.destination, { family: 'UNIX', path: '\0abstract' });
  for (const [command, family, rest] of [
    [0x11, 0x11, IPV4_ENDS],
    [0x31, 0x11, IPV4_ENDS],
    [0x22, 0x11, IPV4_ENDS],
    [0x21, 0x41, IPV4_ENDS],
    [0x21, 0x13, IPV4_ENDS],
    [0x21, 0x11, IPV4_ENDS.subarray(1)],
    [0x21, 0x21, IPV4_ENDS],
    [0x21, 0x31, IPV4_ENDS],
    [0x21, 0x11, Buffer.concat([IPV4_ENDS, Buffer.from([1])])],
    [0x21, 0x11, Buffer.concat([IPV4_ENDS, Buffer.from([1, 0, 2, 9])])],
    [0x21, 0x11, Buffer.concat([IPV4_ENDS, Buffer.from([3, 0, 1, 9])])],
    [0x21, 0x11, Buffer.concat([IPV4_ENDS, Buffer.from([0x20, 0, 4, 1, 0, 0, 0])])],
    [0x21, 0x11, Buffer.concat([IPV4_ENDS, Buffer.from([0x20, 0, 6, 1, 0, 0, 0, 0, 0x21])])],
  ] as const) {
    refused(binary(command, family, rest), 'ERR_PROXY_HEADER_INVALID');
  }
  const sum = Buffer.from([3, 0, 4, 1, 2, 3, 4]);
  refused(binary(0x21, 0x11, Buffer.concat([IPV4_ENDS, sum])), 'ERR_PROXY_HEADER_CHECKSUM');
  // Its length alone says so, before the rest has come.
  const long = binary(0x21, 0x11, Buffer.concat([IPV4_ENDS, Buffer.alloc(10_000)]));
  refused(long.subarray(0, 16), 'ERR_PROXY_HEADER_TOO_LONG');
  refused(binary(0x21, 0x11, IPV4_ENDS), 'ERR_PROXY_HEADER_TOO_LONG', 27);
  assert.equal(parseProxyHeader(binary(0x21, 0x11, IPV4_ENDS), 28)?.byteLength, 28);
});

test('proxy protocol: what a header says of TLS', (t) => {
  leakCheck(t);
  const field = (type: number, text: string): number[] => [
    type,
    0,
    text.length,
    ...Buffer.from(text),
  ];
  const parts = [
    ...field(0x21, 'TLSv1.3'),
    ...field(0x22, 'client.example'),
    ...field(0x23, 'TLS_AES_256_GCM_SHA384'),
    ...field(0x24, 'SHA256'),
    ...field(0x25, 'RSA2048'),
  ];
  const tls = (flags: number, result: number): ProxyHeader['tls'] => {
    const value = Buffer.from([flags, 0, 0, 0, result, ...parts]);
    const fields = Buffer.concat([Buffer.from([0x20, 0, value.length]), value]);
    return parseProxyHeader(binary(0x21, 0x11, Buffer.concat([IPV4_ENDS, fields])))?.tls ?? null;
  };
  assert.deepEqual(tls(7, 0), {
    isTls: true,
    certificateOnConnection: true,
    certificateInSession: true,
    isVerified: true,
    version: 'TLSv1.3',
    commonName: 'client.example',
    cipher: 'TLS_AES_256_GCM_SHA384',
    signatureAlgorithm: 'SHA256',
    keyAlgorithm: 'RSA2048',
  });
  assert.equal(tls(7, 1)?.isVerified, false);
  assert.equal(tls(1, 0)?.isVerified, false, 'no certificate, nothing to verify');
  // It may have no fields of its own, and not be shorter.
  const bare = (bytes: number) => {
    const fields = Buffer.concat([IPV4_ENDS, Buffer.from([0x20, 0, bytes]), Buffer.alloc(bytes)]);
    return parseProxyHeader(binary(0x21, 0x11, fields))?.tls;
  };
  assert.deepEqual([bare(5)?.isTls, bare(5)?.version], [false, null]);
  assert.throws(() => bare(4), { code: 'ERR_PROXY_HEADER_INVALID' });
});

test('proxy protocol: the encoder refuses what no header can say', (t) => {
  leakCheck(t);
  const four = { family: 'IPv4', address: '192.0.2.1', port: 1 } as const;
  const six = { family: 'IPv6', address: '::1', port: 1 } as const;
  const unixPath = { family: 'UNIX', path: '/run/a.sock' } as const;
  const wrong: readonly ProxyHeaderOptions[] = [
    { source: four, destination: six },
    { source: four },
    { version: 3 as unknown as 2, source: four, destination: four },
    { version: 1, source: unixPath, destination: unixPath },
    { version: 1, source: four, destination: four, checksum: true },
    { version: 1, source: four, destination: four, tlvs: [{ type: 1, value: new Uint8Array() }] },
    { source: { ...four, address: '192.0.2' }, destination: four },
    { source: { ...four, port: 65_536 }, destination: four },
    { source: { ...unixPath, path: 'x'.repeat(109) }, destination: unixPath },
    { source: four, destination: four, tlvs: [{ type: 256, value: new Uint8Array() }] },
    { source: four, destination: four, tlvs: [{ type: 1, value: new Uint8Array(65_536) }] },
  ];
  for (const options of wrong) assert.throws(() => encodeProxyHeader(options), RangeError);
  const local = encodeProxyHeader({});
  assert.equal(parseProxyHeader(local)?.command, 'LOCAL');
  assert.equal(Buffer.from(encodeProxyHeader({ version: 1 })).toString(), 'PROXY UNKNOWN\r\n');
});

test('crc32c: the check values of RFC 3720', (t) => {
  leakCheck(t);
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(Buffer.from('56789'), crc32c(Buffer.from('1234'))), 0xe3069283);
});

test('proxy: UNIX paths have up to 108 bytes, which end at no NUL then', () => {
  for (const length of [107, 108]) {
    const source = { family: 'UNIX', path: `/${'s'.repeat(length - 1)}` } as const;
    const destination = { family: 'UNIX', path: `/${'d'.repeat(length - 1)}` } as const;
    const header = parseProxyHeader(encodeProxyHeader({ source, destination }));
    assert.deepEqual([header?.source, header?.destination], [source, destination]);
  }
  const long = { family: 'UNIX', path: `/${'s'.repeat(108)}` } as const;
  assert.throws(() => encodeProxyHeader({ source: long, destination: long }), RangeError);
});

test('proxy: fields without addresses are read, for the proxy speaks for a client', () => {
  const value = new Uint8Array([1]);
  const header = parseProxyHeader(encodeProxyHeader({ tlvs: [{ type: 1, value }] }));
  assert.deepEqual(
    [header?.command, header?.source, header?.tlvs],
    ['PROXY', null, [{ type: 1, value }]],
  );
  assert.equal(parseProxyHeader(encodeProxyHeader({}))?.command, 'LOCAL');
});

test('proxy: a checksum has four bytes', () => {
  for (const length of [3, 5]) {
    const bytes = encodeProxyHeader({ tlvs: [{ type: 3, value: new Uint8Array(length) }] });
    assert.throws(() => parseProxyHeader(bytes), { code: 'ERR_PROXY_HEADER_INVALID' });
  }
});

test('proxy: a certificate was shown on this connection, or in its session', () => {
  for (const [flags, onConnection, inSession] of [
    [0x01, false, false],
    [0x03, true, false],
    [0x05, false, true],
  ] as const) {
    const value = new Uint8Array([flags, 0, 0, 0, 0]);
    const tls = parseProxyHeader(encodeProxyHeader({ tlvs: [{ type: 0x20, value }] }))?.tls;
    assert.deepEqual(
      [tls?.certificateOnConnection, tls?.certificateInSession, tls?.isVerified],
      [onConnection, inSession, flags > 0x01],
    );
  }
});
