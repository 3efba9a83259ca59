// Goal: IP addresses are parsed and printed as usual.
// Method: any bytes and any text, against three oracles: WHATWG URLs, the C library, node:net.

import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from '#src/base/ip-address.js';
import { nativeSys } from '#src/sys/native.js';
import { encodeSockaddr, SOCKADDR_BYTES_MAX } from '#src/sys/sockaddr.js';
import { leakCheck } from '#test/harness/leaks.js';

const quads = fc.uint8Array({ minLength: 4, maxLength: 4 });

/** Addresses with runs of zeros, IPv4-mapped and IPv4-compatible ones, and any others. */
const sixteens = fc.oneof(
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  fc
    .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
      minLength: 8,
      maxLength: 8,
    })
    .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]))),
  quads.map((quad) => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...quad)),
  quads.map((quad) => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...quad)),
);

/** Text that is an address or nearly one: a character more, less, or another one. */
function nearly(texts: fc.Arbitrary<string>, alphabet: string): fc.Arbitrary<string> {
  const strange = fc.constantFrom('', ...alphabet);
  const cut = fc.nat({ max: 1 });
  return fc
    .tuple(texts, fc.nat({ max: 48 }), cut, strange)
    .map(([text, at, gone, more]) => text.slice(0, at) + more + text.slice(at + gone));
}

const nearlyIPv4 = fc.oneof(nearly(fc.ipV4(), '0123456789. -x'), nearly(fc.ipV4Extended(), '.'));
const nearlyIPv6 = fc.oneof(
  nearly(fc.ipV6(), '0123456789abcdefABCDEFg:.[] '),
  nearly(
    sixteens.map((bytes) => formatIPv6(bytes, 0)),
    '01f:.g',
  ),
  fc.string({ unit: fc.constantFrom('0', 'f', '1', ':', '::', '1.2.3.4'), maxLength: 16 }),
);

function parsed(text: string): Uint8Array | null {
  const bytes = new Uint8Array(16);
  return parseIPv6(text, bytes, 0) ? bytes : null;
}

/** What the C library prints, without a zone. */
function printedByC(address: string): string {
  const sys = nativeSys();
  const bytes = new Uint8Array(SOCKADDR_BYTES_MAX);
  const family = address.includes(':') ? 'IPv6' : 'IPv4';
  const length = encodeSockaddr(sys.abi, { family, address, port: 1 }, bytes);
  const results = { host: '', errno: 0 };
  assert.equal(sys.getnameinfo(bytes, length, sys.abi.constants.NI_NUMERICHOST, results), 0);
  return results.host;
}

test('ip-address: every IPv4 address comes back, and prints as the C library prints it', (t) => {
  leakCheck(t);
  fc.assert(
    fc.property(quads, fc.nat({ max: 8 }), (quad, at) => {
      const text = formatIPv4(quad, 0);
      const into = new Uint8Array(16).fill(0xa5);
      assert.ok(parseIPv4(text, into, at));
      assert.deepEqual(into.subarray(at, at + 4), quad);
      into.fill(0xa5, at, at + 4);
      assert.ok(
        into.every((byte) => byte === 0xa5),
        'it writes four bytes',
      );
      assert.equal(printedByC(text), text);
    }),
  );
});

test('ip-address: every IPv6 address comes back', (t) => {
  leakCheck(t);
  fc.assert(
    fc.property(sixteens, fc.nat({ max: 8 }), (bytes, at) => {
      const shifted = new Uint8Array(24);
      shifted.set(bytes, at);
      const text = formatIPv6(shifted, at);
      assert.ok(text.length <= 39, text);
      const into = new Uint8Array(24).fill(0xa5);
      assert.ok(parseIPv6(text, into, at), text);
      assert.deepEqual(into.subarray(at, at + 16), bytes);
      into.fill(0xa5, at, at + 16);
      assert.ok(
        into.every((byte) => byte === 0xa5),
        'it writes sixteen bytes',
      );
    }),
    { numRuns: 500 },
  );
});

test('ip-address: IPv6 is compressed as a URL compresses it', (t) => {
  leakCheck(t);
  fc.assert(
    fc.property(sixteens, (bytes) => {
      const text = formatIPv6(bytes, 0);
      // URLs have no dotted quad: RFC 5952, section 5, is a recommendation.
      fc.pre(!text.includes('.'));
      assert.equal(`[${text}]`, new URL(`http://[${text}]/`).hostname);
    }),
    { numRuns: 500 },
  );
});

test('ip-address: IPv6 prints as the C library prints it', (t) => {
  leakCheck(t);
  fc.assert(
    fc.property(sixteens, (bytes) => {
      // Some C libraries print the zone of a link-local address.
      fc.pre(bytes[0] !== 0xfe && bytes[0] !== 0xff);
      const text = formatIPv6(bytes, 0);
      const oracle = printedByC(text);
      // They differ only for the deprecated IPv4-compatible addresses.
      const compatible = bytes.subarray(0, 12).every((byte) => byte === 0) && oracle.includes('.');
      if (compatible) assert.deepEqual(parsed(oracle), bytes);
      else assert.equal(text, oracle);
    }),
    { numRuns: 500 },
  );
});

test('ip-address: what parses as IPv4 is what node:net and the C library take', (t) => {
  leakCheck(t);
  fc.assert(
    fc.property(nearlyIPv4, (text) => {
      assert.equal(parseIPv4(text, new Uint8Array(4), 0), isIPv4(text), JSON.stringify(text));
    }),
    { numRuns: 2000 },
  );
});

test('ip-address: what parses as IPv6 is what node:net takes, and means what a URL means', (t) => {
  leakCheck(t);
  let accepted = 0;
  fc.assert(
    fc.property(nearlyIPv6, (text) => {
      const bytes = parsed(text);
      assert.equal(bytes !== null, isIPv6(text), JSON.stringify(text));
      if (bytes === null) return;
      accepted += 1;
      const hostname = new URL(`http://[${text}]/`).hostname;
      assert.deepEqual(parsed(hostname.slice(1, -1)), bytes, text);
    }),
    { numRuns: 3000 },
  );
  assert.ok(accepted > 300, `only ${accepted} of the texts were addresses`);
});

test('ip-address: a zone is not part of an address, though node:net takes one', (t) => {
  leakCheck(t);
  for (const text of ['fe80::1%1', 'fe80::1%eth0', '::1%']) assert.equal(parsed(text), null, text);
  assert.ok(isIPv6('fe80::1%eth0'));
});

test('ip-address: a refused text leaves the buffer alone', (t) => {
  leakCheck(t);
  const into = new Uint8Array(16).fill(7);
  for (const text of ['', '1.2.3', '1.2.3.4.5', '01.2.3.4', '1.2.3.256', ' 1.2.3.4', '1.2.3.4\n']) {
    assert.equal(parseIPv4(text, into, 0), false, JSON.stringify(text));
  }
  const wrong = ['', ':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '::12345'];
  const stranger = ['1:2:3:4:5:6:7:8::', '1.2.3.4::', '::1.2.3', '::1.2.3.4:5', '[::1]', '::1\n'];
  for (const text of [...wrong, ...stranger]) {
    assert.equal(parseIPv6(text, into, 0), false, JSON.stringify(text));
  }
  assert.ok(into.every((byte) => byte === 7));
});

test('ip-address: the forms of RFC 5952, one by one', (t) => {
  leakCheck(t);
  const forms: readonly (readonly [string, string])[] = [
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['2001:DB8::0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['::ffff:102:304', '::ffff:1.2.3.4'],
    ['::FFFF:1.2.3.4', '::ffff:1.2.3.4'],
    ['::1.2.3.4', '::102:304'],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
  ];
  for (const [text, canonical] of forms) {
    const bytes = parsed(text);
    assert.ok(bytes !== null, text);
    assert.equal(formatIPv6(bytes, 0), canonical);
  }
});
