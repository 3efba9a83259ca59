// Goal: every kind of control message has the bytes of its platform, and comes back as it was sent;
// what a kernel cuts off, or a forger makes up, is never read beyond its end.
// Method: golden bytes, round trips and random bytes over six tables.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Abi, PlatformName } from '#src/sys/abi/abi.js';
import { abis } from '#src/sys/abi/index.js';
import type { ControlKind, ControlMessage } from '#src/sys/control/message.js';
import { decodeControl, encodeControl } from '#src/sys/control-messages.js';
import { leakCheck } from '#test/harness/leaks.js';

type Known = Exclude<ControlKind, 'other'>;
type System = 'linux' | 'darwin' | 'freebsd';

const systemOf = (abi: Abi): System => abi.platform.replace(/-.*/, '') as System;

const refusal: ControlMessage = {
  kind: 'IP_RECVERR',
  errno: 111,
  code: 'ECONNREFUSED',
  origin: 'icmp',
  icmpType: 3,
  icmpCode: 3,
  info: 0,
  data: 0,
  offender: { family: 'IPv4', address: '127.0.0.1', port: 0 },
};

const credentials = { pid: 258, uid: 1000, gid: 100 } as const;
const seconds = '0100000000000000';

/** A message of each kind, and its data in hexadecimal by system; absent where there is none. */
const golden: readonly (readonly [ControlMessage, Partial<Record<System, string>>])[] = [
  [
    { kind: 'SCM_RIGHTS', fds: [5, 258] },
    { linux: '0500000002010000', darwin: '0500000002010000', freebsd: '0500000002010000' },
  ],
  [{ kind: 'SCM_CREDENTIALS', ...credentials }, { linux: '02010000e803000064000000' }],
  [
    { kind: 'SCM_CREDS', ...credentials },
    { freebsd: `02010000e80300000000000064000000${'00'.repeat(68)}` },
  ],
  [
    { kind: 'SCM_CREDS2', ...credentials },
    { freebsd: `0000000002010000e80300000000000064000000${'00'.repeat(12)}` },
  ],
  [
    { kind: 'SCM_TIMESTAMP', seconds: 1, nanoseconds: 258_000 },
    {
      linux: `${seconds}0201000000000000`,
      darwin: `${seconds}0201000000000000`,
      freebsd: `${seconds}0201000000000000`,
    },
  ],
  [
    { kind: 'SCM_TIMESTAMPNS', seconds: 1, nanoseconds: 258 },
    { linux: `${seconds}0201000000000000` },
  ],
  [
    { kind: 'SCM_REALTIME', seconds: 1, nanoseconds: 258 },
    { freebsd: `${seconds}0201000000000000` },
  ],
  [
    { kind: 'SCM_MONOTONIC', seconds: 1, nanoseconds: 258 },
    { freebsd: `${seconds}0201000000000000` },
  ],
  [{ kind: 'SO_RXQ_OVFL', dropped: 2 ** 32 - 1 }, { linux: 'ffffffff' }],
  [
    { kind: 'IP_PKTINFO', interfaceIndex: 2, localAddress: '10.0.0.1', destination: '239.1.2.3' },
    { linux: '020000000a000001ef010203', darwin: '020000000a000001ef010203' },
  ],
  [
    { kind: 'IPV6_PKTINFO', interfaceIndex: 2, address: 'fe80::1' },
    {
      linux: 'fe80000000000000000000000000000102000000',
      darwin: 'fe80000000000000000000000000000102000000',
      freebsd: 'fe80000000000000000000000000000102000000',
    },
  ],
  [
    { kind: 'IP_RECVDSTADDR', address: '10.0.0.1' },
    { darwin: '0a000001', freebsd: '0a000001' },
  ],
  [
    { kind: 'IP_TTL', hops: 64 },
    { linux: '40000000', darwin: '40000000', freebsd: '40000000' },
  ],
  [
    { kind: 'IPV6_HOPLIMIT', hops: 255 },
    { linux: 'ff000000', darwin: 'ff000000', freebsd: 'ff000000' },
  ],
  [
    { kind: 'IP_TOS', dscp: 46, ecn: 3 },
    { linux: 'bb000000', darwin: 'bb000000', freebsd: 'bb' },
  ],
  [
    { kind: 'IPV6_TCLASS', dscp: 0, ecn: 2 },
    { linux: '02000000', darwin: '02000000', freebsd: '02000000' },
  ],
  [{ kind: 'UDP_SEGMENT', segmentSize: 1200 }, { linux: 'b004' }],
  [{ kind: 'UDP_GRO', segmentSize: 1200 }, { linux: 'b0040000' }],
  [refusal, { linux: '6f0000000203030000000000000000000200000' + '07f0000010000000000000000' }],
  [
    {
      ...refusal,
      kind: 'IPV6_RECVERR',
      origin: 'local',
      errno: 90,
      code: 'EMSGSIZE',
      info: 1280,
      offender: { family: 'IPv6', address: '::1', port: 0 },
    },
    {
      linux: `5a0000000103030000050000000000000a00${'00'.repeat(21)}01${'00'.repeat(4)}`,
    },
  ],
];

function header(abi: Abi): number {
  const { controlAlignBytes } = abi.behaviours;
  return Math.ceil(abi.structs.cmsghdr.size / controlAlignBytes) * controlAlignBytes;
}

function decoded(abi: Abi, bytes: Uint8Array, length = bytes.length): ControlMessage[] {
  return decodeControl(abi, bytes, length);
}

test('every kind has the bytes that the headers say, and is read back', (t) => {
  leakCheck(t);
  for (const abi of abis) {
    for (const [message, expected] of golden) {
      const data = expected[systemOf(abi)];
      if (data === undefined) {
        const missing = new RangeError(`${message.kind} does not exist on ${abi.platform}`);
        assert.throws(() => encodeControl(abi, [message]), missing);
        continue;
      }
      const bytes = encodeControl(abi, [message]);
      const end = header(abi) + data.length / 2;
      const what = `${abi.platform}: ${message.kind}`;
      assert.equal(Buffer.from(bytes.subarray(header(abi), end)).toString('hex'), data, what);
      assert.deepEqual(decoded(abi, bytes), [message], what);
    }
  }
});

test('the list of golden bytes has every kind but the one that is only sent', () => {
  const kinds = new Set(golden.map(([{ kind }]) => kind));
  const all: Record<Known, true> = {
    SCM_RIGHTS: true,
    SCM_CREDENTIALS: true,
    SCM_CREDS: true,
    SCM_CREDS2: true,
    SCM_TIMESTAMP: true,
    SCM_TIMESTAMPNS: true,
    SCM_REALTIME: true,
    SCM_MONOTONIC: true,
    SO_RXQ_OVFL: true,
    IP_PKTINFO: true,
    IPV6_PKTINFO: true,
    IP_RECVDSTADDR: true,
    IP_SENDSRCADDR: true,
    IP_TTL: true,
    IPV6_HOPLIMIT: true,
    IP_TOS: true,
    IPV6_TCLASS: true,
    UDP_SEGMENT: true,
    UDP_GRO: true,
    IP_RECVERR: true,
    IPV6_RECVERR: true,
  };
  const lacking = Object.keys(all).filter((kind) => !kinds.has(kind as Known));
  assert.deepEqual(lacking, ['IP_SENDSRCADDR']);
});

test('the source of FreeBSD is sent by the number of the destination', () => {
  for (const abi of abis) {
    const message: ControlMessage = { kind: 'IP_SENDSRCADDR', address: '127.0.0.1' };
    if (systemOf(abi) !== 'freebsd') {
      assert.throws(() => encodeControl(abi, [message]), /IP_SENDSRCADDR does not exist on/);
      continue;
    }
    const bytes = encodeControl(abi, [message]);
    assert.deepEqual(decoded(abi, bytes), [{ kind: 'IP_RECVDSTADDR', address: '127.0.0.1' }]);
  }
});

/** A header of a message with `data`. */
function raw(abi: Abi, level: number, type: number, data: readonly number[]): Uint8Array {
  return encodeControl(abi, [{ kind: 'other', level, type, data: Uint8Array.from(data) }]);
}

test('the kernels receive the hops and the class of IPv4 in their own ways', () => {
  const byPlatform = (platform: PlatformName): Abi =>
    abis.find((abi) => abi.platform === platform) ?? assert.fail(platform);
  // Linux: IP_TTL as an int, IP_TOS as a byte.
  const linux = byPlatform('linux-x64');
  assert.deepEqual(decoded(linux, raw(linux, 0, 2, [64, 0, 0, 0])), [{ kind: 'IP_TTL', hops: 64 }]);
  assert.deepEqual(decoded(linux, raw(linux, 0, 1, [0xb9])), [
    { kind: 'IP_TOS', dscp: 46, ecn: 1 },
  ]);
  // The BSDs: a byte each, under the number of the option.
  const darwin = byPlatform('darwin-arm64');
  assert.deepEqual(decoded(darwin, raw(darwin, 0, 24, [63])), [{ kind: 'IP_TTL', hops: 63 }]);
  assert.deepEqual(decoded(darwin, raw(darwin, 0, 27, [2])), [{ kind: 'IP_TOS', dscp: 0, ecn: 2 }]);
  const freebsd = byPlatform('freebsd-x64');
  assert.deepEqual(decoded(freebsd, raw(freebsd, 0, 65, [63])), [{ kind: 'IP_TTL', hops: 63 }]);
  assert.deepEqual(decoded(freebsd, raw(freebsd, 0, 68, [2])), [
    { kind: 'IP_TOS', dscp: 0, ecn: 2 },
  ]);
});

test('an error without an offender, with one cut off, and of an origin of the future', () => {
  for (const abi of abis.filter((one) => systemOf(one) === 'linux')) {
    const alone: ControlMessage = { ...refusal, offender: null };
    assert.deepEqual(decoded(abi, encodeControl(abi, [alone])), [alone]);
    const bytes = encodeControl(abi, [refusal]);
    assert.deepEqual(decoded(abi, bytes, bytes.length - 1), [alone]);
    bytes[header(abi) + 4] = 99;
    assert.deepEqual(decoded(abi, bytes), [{ ...refusal, origin: 'other' }]);
  }
});

test('what is cut off is left out, or handed on as bytes', (t) => {
  leakCheck(t);
  for (const abi of abis) {
    for (const [message, expected] of golden) {
      if (expected[systemOf(abi)] === undefined) continue;
      const bytes = encodeControl(abi, [message]);
      for (let length = -1; length <= bytes.length; length += 1) {
        const messages = decoded(abi, bytes, length);
        const what = `${message.kind} in ${length} of ${bytes.length} bytes`;
        assert.ok(messages.length <= 1, what);
        assert.equal(messages.length, length < abi.structs.cmsghdr.size ? 0 : 1, what);
        for (const one of messages) assert.ok(['other', message.kind].includes(one.kind), what);
      }
    }
  }
});

test('random bytes are never read beyond their end', () => {
  for (const abi of abis) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 96 }), fc.integer(), (bytes, length) => {
        // As a part of a longer buffer, whose other bytes are not to be looked at.
        const whole = new Uint8Array(bytes.length + 64).fill(7);
        whole.set(bytes, 32);
        const part = whole.subarray(32, 32 + bytes.length);
        const messages = decoded(abi, part, length);
        whole.fill(9, 0, 32).fill(9, 32 + bytes.length);
        assert.deepEqual(decoded(abi, part, length), messages);
      }),
    );
  }
});

test('a length that is wrong ends the list, at the latest with the bytes', () => {
  for (const abi of abis) {
    const kinds = golden.flatMap(([message, expected]) =>
      expected[systemOf(abi)] === undefined ? [] : [message],
    );
    const lengths = fc.oneof(fc.integer({ min: 0, max: 64 }), fc.constant(2 ** 31 - 1));
    const lists = fc.array(fc.constantFrom(...kinds), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(lists, lengths, (list, length) => {
        const bytes = encodeControl(abi, list);
        new DataView(bytes.buffer).setUint32(0, length, true);
        const messages = decoded(abi, bytes);
        assert.ok(messages.length <= bytes.length / header(abi));
        if (length < header(abi)) assert.deepEqual(messages, []);
      }),
    );
  }
});

test('a wrong field is named', () => {
  const [linux] = abis.filter(({ platform }) => platform === 'linux-x64');
  assert.ok(linux);
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [{ kind: 'IP_TTL', hops: 256 }, /a number of hops is a number from 0 to 255, not 256/],
    [{ kind: 'IP_TTL' }, /a number of hops is a number from 0 to 255, not undefined/],
    [{ kind: 'IP_TOS', dscp: 64, ecn: 0 }, /a code point \(DSCP\) is a number from 0 to 63/],
    [{ kind: 'IPV6_TCLASS', dscp: 0, ecn: 4 }, /an ECN is a number from 0 to 3, not 4/],
    [{ kind: 'UDP_SEGMENT', segmentSize: 0 }, /the length of a segment is a number from 1 to/],
    [{ kind: 'UDP_SEGMENT', segmentSize: 65_536 }, /from 1 to 65535, not 65536/],
    [{ kind: 'SCM_RIGHTS', fds: [-1] }, /a descriptor is a number from 0 to 2147483647, not -1/],
    [{ kind: 'SCM_CREDENTIALS', pid: -1, uid: 0, gid: 0 }, /the number of a process/],
    [
      { kind: 'IP_PKTINFO', interfaceIndex: 0, localAddress: '::1' },
      /"::1" is not an IPv4 address/,
    ],
    [{ kind: 'IP_PKTINFO', interfaceIndex: -1, localAddress: '0.0.0.0' }, /index of an interface/],
    [{ kind: 'IPV6_PKTINFO', interfaceIndex: 0, address: '1' }, /"1" is not an IPv6 address/],
    [{ kind: 'SCM_NOTHING' }, /SCM_NOTHING is not a kind of control message/],
    [{ kind: 'toString' }, /toString is not a kind of control message/],
    [{ ...refusal, origin: 'other' }, /an origin is one of none, local, icmp/],
  ];
  for (const [message, words] of wrong) {
    assert.throws(() => encodeControl(linux, [message as ControlMessage]), words);
  }
});
