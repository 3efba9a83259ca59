// Goal: an address becomes the sockaddr of each platform, and comes back as it was.
// Method: properties over the tables of all platforms, and the exact bytes of some addresses.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatIPv6 } from '#src/base/ip-address.js';
import type { Abi } from '#src/sys/abi/abi.js';
import { abis } from '#src/sys/abi/index.js';
import {
  decodeSockaddr,
  encodeSockaddr,
  formatAddress,
  SOCKADDR_BYTES_MAX,
  type SocketAddress,
} from '#src/sys/sockaddr.js';
import { leakCheck } from '#test/harness/leaks.js';

const ports = fc.oneof(fc.constantFrom(0, 1, 255, 256, 65535), fc.nat({ max: 65535 }));
const words = fc.integer({ min: 1, max: 2 ** 32 - 1 });
const ipv4 = fc.record(
  { family: fc.constant('IPv4' as const), address: fc.ipV4(), port: ports },
  { noNullPrototype: true },
);
const ipv6 = fc.record(
  {
    family: fc.constant('IPv6' as const),
    address: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => formatIPv6(bytes, 0)),
    port: ports,
    flowInfo: words,
    scopeId: words,
  },
  { requiredKeys: ['family', 'address', 'port'], noNullPrototype: true },
);

/** Paths of whole characters that fit, of at most `bytesMax` bytes. */
function paths(bytesMax: number): fc.Arbitrary<string> {
  const characters = fc.oneof(
    fc.constantFrom('/', '.', ' ', '"', '\n', '\u{e4}', '\u{feff}', '\u{1f600}'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  );
  return fc
    .array(characters, { maxLength: bytesMax })
    .map((list) => list.join('').replaceAll('\0', ''))
    .filter((path) => Buffer.byteLength(path) <= bytesMax);
}

function encoded(abi: Abi, address: SocketAddress): Uint8Array {
  const buffer = new Uint8Array(SOCKADDR_BYTES_MAX + 9).fill(0xa5);
  const into = buffer.subarray(1, 1 + SOCKADDR_BYTES_MAX + 4);
  const length = encodeSockaddr(abi, address, into);
  assert.ok(
    into.subarray(SOCKADDR_BYTES_MAX).every((byte) => byte === 0xa5),
    'it writes nothing else',
  );
  assert.ok(
    into.subarray(length, SOCKADDR_BYTES_MAX).every((byte) => byte === 0),
    'all zero',
  );
  return into.slice(0, length);
}

function there(abi: Abi, address: SocketAddress): SocketAddress {
  const bytes = encoded(abi, address);
  // The kernel writes into a larger buffer that held another address before.
  const buffer = new Uint8Array(SOCKADDR_BYTES_MAX).fill(0x5a);
  buffer.set(bytes);
  return decodeSockaddr(abi, buffer, bytes.length);
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('sockaddr', () => {
  for (const abi of abis) {
    const bsd = abi.platform.startsWith('linux') ? 0 : 1;
    const [inet, inet6] = [abi.constants.AF_INET, abi.constants.AF_INET6];
    const pathBytesMax = bsd === 0 ? 107 : 103;

    it(`every IP address comes back: ${abi.platform}`, (t) => {
      leakCheck(t);
      fc.assert(
        fc.property(fc.oneof(ipv4, ipv6), (address) => {
          assert.deepEqual(there(abi, address), address);
        }),
        { numRuns: 50 },
      );
    });

    it(`every path comes back: ${abi.platform}`, (t) => {
      leakCheck(t);
      fc.assert(
        fc.property(paths(pathBytesMax), (path) => {
          const address = { family: 'UNIX', path } as const;
          assert.deepEqual(there(abi, address), address);
          const bytes = Buffer.byteLength(path);
          assert.equal(encoded(abi, address).length, bytes === 0 ? 2 : 2 + bytes + 1);
        }),
        { numRuns: 30 },
      );
    });

    it(`any bytes are an address or refused, whatever lies beside them: ${abi.platform}`, (t) => {
      leakCheck(t);
      const families = fc.constantFrom(inet, inet6, abi.constants.AF_UNIX, 0, 99);
      const anyBytes = fc.uint8Array({ maxLength: SOCKADDR_BYTES_MAX });
      fc.assert(
        fc.property(families, anyBytes, fc.nat({ max: 140 }), (family, bytes, length) => {
          bytes.fill(family, bsd, bsd + 1);
          bytes.fill(0, 1 - bsd, 1 - bsd + (bsd === 0 ? 1 : 0));
          // What the kernel has not written may be anything.
          const bytesThere = bytes.subarray(0, Math.min(length, bytes.length));
          const among = (neighbour: number): SocketAddress | RangeError => {
            const memory = new Uint8Array(300).fill(neighbour);
            memory.set(bytesThere, 20);
            try {
              return decodeSockaddr(abi, memory.subarray(20, 20 + bytes.length), length);
            } catch (error) {
              assert.ok(error instanceof RangeError, String(error));
              return error;
            }
          };
          const address = among(0x11);
          assert.deepEqual(among(0xee), address);
          if (!(address instanceof Error) && bytesThere.length > 2) formatAddress(address);
        }),
        { numRuns: 200 },
      );
    });

    it(`the header has the length and the family: ${abi.platform}`, (t) => {
      leakCheck(t);
      const header = (length: number, family: number) =>
        bsd === 0 ? [family, 0] : [length, family];
      const four = encoded(abi, { family: 'IPv4', address: '1.2.3.4', port: 0x1234 });
      assert.deepEqual([...four.subarray(0, 8)], [...header(16, inet), 0x12, 0x34, 1, 2, 3, 4]);
      assert.equal(four.length, 16);
      const local = { family: 'IPv6', address: 'fe80::9', port: 80 } as const;
      const six = encoded(abi, { ...local, flowInfo: 0x01020304, scopeId: 5 });
      assert.deepEqual([...six.subarray(0, 8)], [...header(28, inet6), 0, 80, 1, 2, 3, 4]);
      assert.deepEqual([...six.subarray(22)], [0, 9, 5, 0, 0, 0]);
      const unix = encoded(abi, { family: 'UNIX', path: '/a' });
      assert.deepEqual([...unix], [...header(5, 1), 47, 97, 0]);
    });

    it(`a path may be so long and no longer: ${abi.platform}`, (t) => {
      leakCheck(t);
      const longest = 'p'.repeat(pathBytesMax);
      assert.deepEqual(there(abi, { family: 'UNIX', path: longest }).family, 'UNIX');
      for (const path of [`${longest}p`, `${longest.slice(1)}\u{e4}`]) {
        assert.throws(() => encoded(abi, { family: 'UNIX', path }), {
          name: 'RangeError',
          message: `a UNIX path takes at most ${pathBytesMax} bytes on ${abi.platform}, not ${
            pathBytesMax + 1
          }`,
        });
      }
    });

    it(`abstract names: ${abi.platform}`, (t) => {
      leakCheck(t);
      const abstract = (path: string): SocketAddress => ({ family: 'UNIX', path: `\0${path}` });
      if (bsd === 1) {
        const message = `abstract UNIX names do not exist on ${abi.platform}`;
        assert.throws(() => encoded(abi, abstract('name')), new RangeError(message));
        return;
      }
      for (const path of ['', 'name', 'with\0inside', '\0', 'end\0', 'x'.repeat(107)]) {
        assert.deepEqual(there(abi, abstract(path)), abstract(path));
        assert.equal(encoded(abi, abstract(path)).length, 2 + 1 + path.length);
      }
      assert.throws(() => encoded(abi, abstract('x'.repeat(108))), /at most 108 bytes .* not 109$/);
    });

    it(`a socket without a name has the empty path: ${abi.platform}`, (t) => {
      leakCheck(t);
      const unnamed = { family: 'UNIX', path: '' };
      assert.deepEqual(decodeSockaddr(abi, new Uint8Array(128).fill(0xa5), 0), unnamed);
      const bytes = encoded(abi, { family: 'UNIX', path: '' });
      assert.equal(bytes.length, 2);
      assert.deepEqual(decodeSockaddr(abi, bytes, 2), unnamed);
      // The BSDs report sixteen bytes of which the path is all zero.
      const long = new Uint8Array(16);
      long.set(bytes);
      if (bsd === 1) assert.deepEqual(decodeSockaddr(abi, long, 16), unnamed);
    });

    it(`what is no address is refused: ${abi.platform}`, (t) => {
      leakCheck(t);
      for (const port of [-1, 65536, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        const message = `a port is a number from 0 to 65535, not ${port}`;
        const four = { family: 'IPv4', address: '127.0.0.1', port } as const;
        const six = { family: 'IPv6', address: '::1', port } as const;
        assert.throws(() => encoded(abi, four), new RangeError(message));
        assert.throws(() => encoded(abi, six), new RangeError(message));
      }
      for (const address of ['localhost', '', '::1', '127.1']) {
        const wrong = { family: 'IPv4', address, port: 1 } as const;
        const error = new RangeError(`"${address}" is not an IPv4 address`);
        assert.throws(() => encoded(abi, wrong), error);
      }
      for (const address of ['localhost', '', '127.0.0.1', '[::1]', 'fe80::1%1']) {
        const wrong = { family: 'IPv6', address, port: 1 } as const;
        const error = new RangeError(`"${address}" is not an IPv6 address`);
        assert.throws(() => encoded(abi, wrong), error);
      }
      const inside = new RangeError('a UNIX path cannot hold a NUL byte');
      assert.throws(() => encoded(abi, { family: 'UNIX', path: '/a\0b' }), inside);
      const foreign = new Uint8Array(16);
      foreign.fill(99, bsd, bsd + 1);
      assert.throws(
        () => decodeSockaddr(abi, foreign, 16),
        new RangeError('address family 99 is not one of AF_INET, AF_INET6 and AF_UNIX'),
      );
    });

    it(`a scope or a flow label out of range is refused: ${abi.platform}`, (t) => {
      leakCheck(t);
      for (const value of [-1, 2 ** 32, 0.5, Number.NaN]) {
        const six = { family: 'IPv6', address: '::1', port: 1 } as const;
        const range = `is a number from 0 to 4294967295, not ${value}`;
        const [flow, scope] = [`a flow label ${range}`, `a scope ${range}`];
        assert.throws(() => encoded(abi, { ...six, flowInfo: value }), new RangeError(flow));
        assert.throws(() => encoded(abi, { ...six, scopeId: value }), new RangeError(scope));
      }
    });
  }

  it('addresses read as people write them', (t) => {
    leakCheck(t);
    const forms: readonly (readonly [SocketAddress, string])[] = [
      [{ family: 'IPv4', address: '127.0.0.1', port: 7007 }, '127.0.0.1:7007'],
      [{ family: 'IPv6', address: '::1', port: 0 }, '[::1]:0'],
      [{ family: 'IPv6', address: 'fe80::1', port: 7, scopeId: 3 }, '[fe80::1%3]:7'],
      [{ family: 'UNIX', path: '/run/echo.sock' }, '/run/echo.sock'],
      [{ family: 'UNIX', path: '\0echo' }, '@echo'],
      [{ family: 'UNIX', path: '' }, 'an unnamed UNIX socket'],
    ];
    for (const [address, text] of forms) assert.equal(formatAddress(address), text);
  });
});
