// Goal: options of multicast have the layouts of each platform, and name what is wrong in a value.
// Method: golden bytes of six tables.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SettableOptionName, socketOptions } from '#src/socket/options/table.js';
import { encodeOptionValue, OPTION_SIZE_BYTES_MAX } from '#src/socket/options/values.js';
import type { Abi } from '#src/sys/abi/abi.js';
import { abis } from '#src/sys/abi/index.js';

const bytes = new Uint8Array(OPTION_SIZE_BYTES_MAX);

function encoded(abi: Abi, name: SettableOptionName, value: unknown): string {
  const length = encodeOptionValue(abi, name, value as never, bytes);
  return Buffer.from(bytes.subarray(0, length)).toString('hex');
}

test('a group has the bytes that the kernels expect', () => {
  const group = { group: '239.1.2.3', interfaceAddress: '127.0.0.1', interfaceIndex: 258 };
  const source = { group: '232.1.2.3', source: '10.0.0.1', interfaceAddress: '127.0.0.1' };
  const groupIPv6 = { group: 'ff02::1:2', interfaceIndex: 258 };
  const ipv6 = 'ff02000000000000000000000001000202010000';
  for (const abi of abis) {
    assert.equal(encoded(abi, 'IP_ADD_MEMBERSHIP', group), 'ef0102037f00000102010000');
    const any = { group: '239.1.2.3' };
    assert.equal(encoded(abi, 'IP_DROP_MEMBERSHIP', any), 'ef0102030000000000000000');
    assert.equal(encoded(abi, 'IPV6_JOIN_GROUP', groupIPv6), ipv6);
    assert.equal(encoded(abi, 'IPV6_LEAVE_GROUP', groupIPv6), ipv6);
    assert.equal(encoded(abi, 'IP_MULTICAST_IF', '127.0.0.1'), '7f000001');
    const isLinux = abi.platform.startsWith('linux');
    const expected = isLinux ? 'e80102037f0000010a000001' : 'e80102030a0000017f000001';
    for (const name of ['IP_ADD_SOURCE_MEMBERSHIP', 'IP_BLOCK_SOURCE'] as const) {
      assert.equal(encoded(abi, name, source), expected, name);
    }
  }
});

test('a wrong group, source or interface is named', () => {
  const wrong: readonly (readonly [SettableOptionName, unknown, ErrorConstructor, string])[] = [
    ['IP_ADD_MEMBERSHIP', { group: '239.1.2' }, RangeError, 'an IPv4 address, not "239.1.2"'],
    [
      'IP_BLOCK_SOURCE',
      { group: '232.0.0.1', source: '::1' },
      RangeError,
      'an IPv4 address, not "::1"',
    ],
    ['IP_MULTICAST_IF', 'lo', RangeError, 'an IPv4 address, not "lo"'],
    ['IPV6_JOIN_GROUP', { group: '1.2.3.4' }, RangeError, 'an IPv6 address, not "1.2.3.4"'],
    [
      'IPV6_JOIN_GROUP',
      { group: 'ff02::1', interfaceIndex: -1 },
      RangeError,
      'the index of an interface from 0 to 4294967295, not -1',
    ],
    ['IP_ADD_MEMBERSHIP', '1.2.3.4', TypeError, 'an object with a group, not "1.2.3.4"'],
    ['IP_ADD_MEMBERSHIP', {}, TypeError, 'an IPv4 address, not undefined'],
    [
      'IP_ADD_SOURCE_MEMBERSHIP',
      { group: '232.0.0.1' },
      TypeError,
      'an IPv4 address, not undefined',
    ],
    ['IPV6_JOIN_GROUP', { group: 5 }, TypeError, 'an IPv6 address, not 5'],
    [
      'IPV6_JOIN_GROUP',
      { group: 'ff02::1', interfaceIndex: 'lo' },
      TypeError,
      'the index of an interface from 0 to 4294967295, not "lo"',
    ],
  ];
  for (const abi of abis) {
    for (const [name, value, kind, words] of wrong) {
      assert.throws(() => encoded(abi, name, value), new kind(`${name} takes ${words}`));
    }
  }
});

test('a group can be joined, not read', () => {
  for (const [name, { kind, access }] of Object.entries(socketOptions)) {
    if (/group$/i.test(kind)) assert.equal(access, 'set', name);
  }
});
