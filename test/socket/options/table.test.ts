import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { OptionKind, OptionSpec } from '#src/socket/options/spec.js';
import {
  type GettableOptionName,
  type OptionValue,
  optionNumbers,
  optionPlatforms,
  optionSpec,
  type SettableOptionName,
  type SocketOptionName,
  socketOptions,
} from '#src/socket/options/table.js';
import {
  decodeOptionValue,
  encodeOptionValue,
  OPTION_SIZE_BYTES_MAX,
  optionSizeBytes,
} from '#src/socket/options/values.js';
import type { Abi } from '#src/sys/abi/abi.js';
import { abiFor, abis } from '#src/sys/abi/index.js';

const INT_MAX = 2 ** 31 - 1;
const names = Object.keys(socketOptions) as SocketOptionName[];
const [linux, darwin, freebsd] = [known('linux'), known('darwin'), known('freebsd')];

function known(platform: string): Abi {
  const abi = abiFor(platform, 'arm64');
  assert.ok(abi);
  return abi;
}

/** Encodes into a buffer of other bytes, and decodes the result. */
function roundTrip(abi: Abi, name: SettableOptionName, value: unknown): unknown {
  const buffer = new Uint8Array(OPTION_SIZE_BYTES_MAX + 3).fill(0xa5).subarray(3);
  const length = encodeOptionValue(abi, name, value as OptionValue<typeof name>, buffer);
  assert.ok(length > 0 && length <= OPTION_SIZE_BYTES_MAX);
  assert.ok(
    buffer.subarray(32).every((byte) => byte === 0xa5),
    'it writes the value only',
  );
  // The options that can only be set are encoded as those that can be read too.
  const access: string = socketOptions[name].access;
  const readable = access === 'set' ? setOnlyTwins.get(name) : (name as GettableOptionName);
  assert.ok(readable, `${name} has no readable twin of its kind`);
  return decodeOptionValue(abi, readable, buffer, length);
}

const setOnlyTwins = new Map<SocketOptionName, GettableOptionName>([
  ['SO_BUSY_POLL_BUDGET', 'SO_PEEK_OFF'],
  ['SO_RCVBUFFORCE', 'SO_RCVBUF'],
  ['SO_SNDBUFFORCE', 'SO_SNDBUF'],
  ['SO_SETFIB', 'SO_RCVBUF'],
]);

function valuesOf(abi: Abi, name: SocketOptionName): fc.Arbitrary<unknown> | null {
  const spec = optionSpec(name);
  const ticks = name === 'SO_LINGER' ? abi.behaviours.lingerTicksPerSecond : 1;
  const arbitraries: Record<OptionKind, fc.Arbitrary<unknown> | null> = {
    boolean: fc.boolean(),
    integer: fc.integer({ min: spec.min ?? 0, max: spec.max ?? INT_MAX }),
    unsigned: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    linger: fc.option(fc.integer({ min: 0, max: Math.floor(32767 / Math.max(ticks, 100)) })),
    timeval: fc.integer({ min: 0, max: INT_MAX }),
    string: fc.string({ unit: 'grapheme-ascii', maxLength: 15 }),
    rate: fc.oneof(
      fc.constant(Number.POSITIVE_INFINITY),
      abi.behaviours.pacingRateBytes === 8
        ? fc.maxSafeNat()
        : fc.integer({ min: 0, max: 2 ** 32 - 2 }),
    ),
    portRange: fc
      .tuple(fc.integer({ min: 0, max: 65535 }), fc.integer({ min: 0, max: 65535 }))
      .map(([one, other]) => ({ low: Math.min(one, other), high: Math.max(one, other) })),
    u64: null,
    error: null,
    credentials: null,
    tcpInfo: null,
    ipv4Address: fc.ipV4(),
    group: null,
    sourceGroup: null,
    ipv6Group: null,
  };
  return arbitraries[spec.kind];
}

describe('the table of options', () => {
  it('has exactly the options that the tables of numbers have', () => {
    for (const name of names) assert.notDeepEqual(optionPlatforms(name), [], name);
    for (const abi of abis) {
      for (const name of Object.keys(abi.options)) assert.ok(Object.hasOwn(socketOptions, name));
    }
  });

  it('has a line about each, and the unit of each quantity', () => {
    for (const name of names) {
      const spec = optionSpec(name);
      assert.match(spec.purpose, /^[^\n]{10,80}\.$/, name);
      assert.ok((spec.min ?? 0) < (spec.max ?? INT_MAX), name);
      if (spec.kind === 'timeval') assert.equal(spec.unit, 'milliseconds');
      if (spec.kind === 'linger') assert.equal(spec.unit, 'seconds');
      if (['u64', 'error', 'credentials', 'tcpInfo'].includes(spec.kind)) {
        assert.equal(spec.access, 'get', name);
      }
    }
  });

  it('has the level of the name', () => {
    const levels: Record<string, OptionSpec['level']> = {
      SO: 'SOL_SOCKET',
      TCP: 'IPPROTO_TCP',
      IP: 'IPPROTO_IP',
      IPV6: 'IPPROTO_IPV6',
      UDP: 'IPPROTO_UDP',
      LOCAL: 'SOL_LOCAL',
    };
    for (const name of names) assert.equal(optionSpec(name).level, levels[prefix(name)]);
  });

  it('has the platforms and the numbers', () => {
    assert.deepEqual(optionPlatforms('TCP_KEEPALIVE'), ['darwin-x64', 'darwin-arm64']);
    assert.equal(optionPlatforms('TCP_NODELAY').length, 6);
    assert.deepEqual(optionNumbers(linux, 'SO_RCVBUF'), { level: 1, name: 8 });
    assert.deepEqual(optionNumbers(darwin, 'SO_RCVBUF'), { level: 65535, name: 4098 });
    assert.deepEqual(optionNumbers(freebsd, 'LOCAL_PEERCRED'), { level: 0, name: 1 });
  });
});

function prefix(name: string): string {
  return name.slice(0, name.indexOf('_'));
}

describe('the values of options', () => {
  for (const abi of abis) {
    it(`decode as they were encoded: ${abi.platform}`, () => {
      for (const name of names) {
        const spec = optionSpec(name);
        const values = valuesOf(abi, name);
        if (spec.access === 'get' || values === null || abi.options[name] === undefined) continue;
        // Unsigned, and can only be set.
        if (name === 'SO_USER_COOKIE') continue;
        fc.assert(
          fc.property(values, (value) => {
            assert.deepEqual(roundTrip(abi, name as SettableOptionName, value), value);
          }),
          { numRuns: 20 },
        );
      }
    });

    it(`fit into the largest buffer: ${abi.platform}`, () => {
      for (const name of names) {
        const spec = optionSpec(name);
        if (spec.access === 'set' || abi.options[name] === undefined) continue;
        const size = optionSizeBytes(abi, name as GettableOptionName);
        assert.ok(size >= 4 && size <= OPTION_SIZE_BYTES_MAX, name);
        // Zeros are a value of every kind.
        decodeOptionValue(abi, name as GettableOptionName, new Uint8Array(size), size);
        if (['string', 'tcpInfo'].includes(spec.kind)) continue;
        assert.throws(
          () => decodeOptionValue(abi, name as GettableOptionName, new Uint8Array(size), 3),
          new RangeError(`${name} has ${size} bytes, and only 3 came back`),
        );
      }
    });
  }

  it('are the bytes that the kernels expect', () => {
    const bytes = new Uint8Array(16);
    assert.equal(encodeOptionValue(linux, 'SO_RCVTIMEO', 1500, bytes), 16);
    assert.deepEqual([...bytes], [1, 0, 0, 0, 0, 0, 0, 0, 32, 161, 7, 0, 0, 0, 0, 0]);
    assert.equal(encodeOptionValue(darwin, 'SO_LINGER', 5, bytes), 8);
    assert.deepEqual([...bytes.subarray(0, 8)], [1, 0, 0, 0, 244, 1, 0, 0]);
    assert.equal(encodeOptionValue(darwin, 'SO_LINGER_SEC', 5, bytes), 8);
    assert.deepEqual([...bytes.subarray(0, 8)], [1, 0, 0, 0, 5, 0, 0, 0]);
    assert.equal(encodeOptionValue(linux, 'SO_LINGER', null, bytes), 8);
    assert.deepEqual([...bytes.subarray(0, 8)], [0, 0, 0, 0, 0, 0, 0, 0]);
    assert.equal(encodeOptionValue(linux, 'TCP_CONGESTION', 'reno', bytes), 5);
    assert.deepEqual([...bytes.subarray(0, 5)], [114, 101, 110, 111, 0]);
    assert.equal(encodeOptionValue(freebsd, 'SO_USER_COOKIE', 2 ** 32 - 1, bytes), 4);
    assert.deepEqual([...bytes.subarray(0, 4)], [255, 255, 255, 255]);
    assert.equal(encodeOptionValue(linux, 'IP_LOCAL_PORT_RANGE', { low: 1, high: 258 }, bytes), 4);
    assert.deepEqual([...bytes.subarray(0, 4)], [1, 0, 2, 1]);
  });

  it('never round a timeout down to 0', () => {
    assert.equal(roundTrip(linux, 'SO_RCVTIMEO', 0.0001), 0.001);
    assert.equal(roundTrip(linux, 'SO_RCVTIMEO', 0.25), 0.25);
    assert.equal(roundTrip(linux, 'SO_SNDTIMEO', 1.1), 1.1);
  });
});

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('what can only be read', () => {
  it('takes every set bit of a flag for true, and one byte for an integer', () => {
    assert.equal(decodeOptionValue(darwin, 'SO_REUSEADDR', Uint8Array.of(4, 0, 0, 0), 4), true);
    assert.equal(decodeOptionValue(linux, 'IP_TTL', Uint8Array.of(200), 1), 200);
    assert.equal(decodeOptionValue(linux, 'SO_ERROR', Uint8Array.of(98, 0, 0, 0), 4), 98);
    assert.equal(decodeOptionValue(linux, 'SO_MARK', new Uint8Array(4).fill(255), 4), 2 ** 32 - 1);
  });

  it('reads a string that ends with the value or with a NUL byte', () => {
    const bytes = Uint8Array.of(101, 116, 104, 48, 0, 120);
    assert.equal(decodeOptionValue(linux, 'SO_BINDTODEVICE', bytes, 6), 'eth0');
    assert.equal(decodeOptionValue(linux, 'SO_BINDTODEVICE', bytes, 3), 'eth');
    assert.equal(decodeOptionValue(linux, 'SO_BINDTODEVICE', bytes, 0), '');
  });

  it('reads numbers of 64 bits exactly', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (cookie) => {
        const bytes = new Uint8Array(new BigUint64Array([cookie]).buffer);
        assert.equal(decodeOptionValue(linux, 'SO_COOKIE', bytes, 8), cookie);
      }),
    );
  });

  it('reads the credentials of all three kinds', () => {
    const ucred = new Uint8Array(Uint32Array.of(7, 1000, 2 ** 32 - 2).buffer);
    assert.deepEqual(decodeOptionValue(linux, 'SO_PEERCRED', ucred, 12), {
      pid: 7,
      uid: 1000,
      gid: 2 ** 32 - 2,
    });
    const words = new Uint32Array(22);
    words.set([0, 501, 1, 20]);
    words[20] = 77;
    const xucred = new Uint8Array(words.buffer);
    assert.deepEqual(decodeOptionValue(darwin, 'LOCAL_PEERCRED', xucred, 76), {
      pid: null,
      uid: 501,
      gid: 20,
    });
    assert.equal(decodeOptionValue(freebsd, 'LOCAL_PEERCRED', xucred, 88).pid, 77);
  });

  it('reads the part of tcp_info that the kernel filled in', () => {
    const layout = linux.structs.tcp_info;
    assert.ok(layout);
    const bytes = new Uint8Array(layout.size);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, 1);
    view.setUint8(6, 0xa7);
    view.setUint32(68, 1234, true);
    view.setBigUint64(104, 2n ** 64n - 1n, true);
    const info = decodeOptionValue(linux, 'TCP_INFO', bytes, bytes.length);
    assert.equal(info.tcpi_state, 1);
    assert.equal(info.tcpi_snd_wscale, 7);
    assert.equal(info.tcpi_rcv_wscale, 10);
    assert.equal(info.tcpi_rtt, 1234);
    assert.equal(info.tcpi_pacing_rate, 2 ** 64);
    assert.deepEqual(Object.keys(info), Object.keys(layout.fields));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: layout.size }), (length) => {
        const part = decodeOptionValue(linux, 'TCP_INFO', bytes, length);
        const covered = Object.entries(layout.fields).filter(
          ([, field]) => field.offset + field.size <= length,
        );
        assert.deepEqual(
          Object.keys(part),
          covered.map(([name]) => name),
        );
      }),
    );
    const connectionInfo = new Uint8Array(112).fill(2, 44, 48);
    const onDarwin = decodeOptionValue(darwin, 'TCP_CONNECTION_INFO', connectionInfo, 112);
    assert.equal(onDarwin.tcpi_srtt, 0x02020202);
  });
});

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('wrong options and values', () => {
  const bytes = new Uint8Array(OPTION_SIZE_BYTES_MAX);
  const set = (abi: Abi, name: string, value: unknown) =>
    encodeOptionValue(abi, name as 'SO_RCVBUF', value as number, bytes);
  const intRange = 'an integer from 0 to 2147483647';
  const portRange = '{ low, high } with ports from 0 to 65535, low not above high unless one is 0';
  const ranges: readonly (readonly [string, unknown, string])[] = [
    ['SO_RCVBUF', -1, `${intRange}, not -1`],
    ['SO_RCVBUF', 2 ** 31, `${intRange}, not 2147483648`],
    ['SO_RCVBUF', 1.5, `${intRange}, not 1.5`],
    ['SO_RCVBUF', Number.NaN, `${intRange}, not NaN`],
    ['IP_TOS', 256, 'an integer from 0 to 255, not 256'],
    ['IP_TTL', -2, 'an integer from -1 to 255, not -2'],
    ['SO_MARK', 2 ** 32, 'an integer from 0 to 4294967295, not 4294967296'],
    ['SO_LINGER', -1, 'null or an integer from 0 to 32767, not -1'],
    ['SO_RCVTIMEO', -0.5, 'milliseconds from 0 to 2147483647, not -0.5'],
    ['SO_RCVTIMEO', Number.NaN, 'milliseconds from 0 to 2147483647, not NaN'],
    [
      'TCP_CONGESTION',
      'sixteen-letters!',
      'a string of at most 15 printable ASCII characters, not "sixteen-letters!"',
    ],
    [
      'TCP_CONGESTION',
      'a\0b',
      'a string of at most 15 printable ASCII characters, not "a\\u0000b"',
    ],
    ['SO_MAX_PACING_RATE', -1, `an integer from 0 to ${2 ** 53 - 1}, or Infinity, not -1`],
    ['IP_LOCAL_PORT_RANGE', { low: 0, high: 65536 }, `${portRange}, not 65536`],
    ['IP_LOCAL_PORT_RANGE', { low: 5, high: 4 }, `${portRange}, not an object`],
    ['UDP_SEGMENT', 65536, 'an integer from 0 to 65535, not 65536'],
  ];
  const types: readonly (readonly [string, unknown, string])[] = [
    ['SO_RCVBUF', '1', `${intRange}, not "1"`],
    ['SO_RCVBUF', undefined, `${intRange}, not undefined`],
    ['SO_RCVBUF', 1n, `${intRange}, not 1n`],
    ['TCP_NODELAY', 1, 'true or false, not 1'],
    ['SO_LINGER', true, 'null or an integer from 0 to 32767, not true'],
    ['SO_RCVTIMEO', null, 'milliseconds from 0 to 2147483647, not null'],
    ['TCP_CONGESTION', [], 'a string of at most 15 printable ASCII characters, not an array'],
    ['IP_LOCAL_PORT_RANGE', 5, `${portRange}, not 5`],
    ['IP_LOCAL_PORT_RANGE', { low: 5 }, `${portRange}, not undefined`],
  ];
  for (const [name, value, message] of ranges) {
    it(`${name} takes ${message}`, () => {
      assert.throws(() => set(linux, name, value), new RangeError(`${name} takes ${message}`));
    });
  }
  for (const [name, value, message] of types) {
    it(`${name} takes ${message}`, () => {
      assert.throws(() => set(linux, name, value), new TypeError(`${name} takes ${message}`));
    });
  }

  it('differ by platform', () => {
    const ticks = new RangeError('SO_LINGER takes null or an integer from 0 to 327, not 328');
    assert.throws(() => set(darwin, 'SO_LINGER', 328), ticks);
    const rate = `an integer from 0 to ${2 ** 32 - 2}, or Infinity, not 4294967295`;
    const tooFast = new RangeError(`SO_MAX_PACING_RATE takes ${rate}`);
    assert.throws(() => set(freebsd, 'SO_MAX_PACING_RATE', 2 ** 32 - 1), tooFast);
    const missing = new RangeError('TCP_QUICKACK does not exist on darwin-arm64');
    assert.throws(() => set(darwin, 'TCP_QUICKACK', true), missing);
    assert.throws(() => decodeOptionValue(darwin, 'TCP_QUICKACK', bytes, 4), missing);
    assert.throws(() => optionSizeBytes(darwin, 'TCP_QUICKACK'), missing);
  });

  it('are not confused with buffers that are too small', () => {
    const short = new RangeError('SO_LINGER takes 8 bytes, and the buffer holds 4');
    assert.throws(() => encodeOptionValue(linux, 'SO_LINGER', 0, new Uint8Array(4)), short);
  });

  it('are caught by the compiler, and by the run', () => {
    const getOnly = new TypeError('SO_ERROR can be read but not set');
    // @ts-expect-error SO_ERROR cannot be set.
    assert.throws(() => encodeOptionValue(linux, 'SO_ERROR', 1, bytes), getOnly);
    const setOnly = new TypeError('SO_RCVBUFFORCE can be set but not read');
    // @ts-expect-error SO_RCVBUFFORCE cannot be read.
    assert.throws(() => decodeOptionValue(linux, 'SO_RCVBUFFORCE', bytes, 4), setOnly);
    // @ts-expect-error SO_RCVBUFFORCE cannot be read.
    assert.throws(() => optionSizeBytes(linux, 'SO_RCVBUFFORCE'), setOnly);
    for (const name of ['SO_NONSENSE', 'toString', '__proto__']) {
      const unknown = new TypeError(`${name} is not a socket option that sockloop knows`);
      // @ts-expect-error No option has this name.
      assert.throws(() => encodeOptionValue(linux, name, 1, bytes), unknown);
      // @ts-expect-error No option has this name.
      assert.throws(() => optionPlatforms(name), unknown);
    }
    // @ts-expect-error A flag is no number.
    assert.throws(() => encodeOptionValue(linux, 'TCP_NODELAY', 1, bytes), TypeError);
    // @ts-expect-error A number is no flag.
    assert.throws(() => encodeOptionValue(linux, 'SO_RCVBUF', true, bytes), TypeError);
    // @ts-expect-error Only SO_LINGER has null for off.
    assert.throws(() => encodeOptionValue(linux, 'SO_RCVTIMEO', null, bytes), TypeError);
  });

  it('have the types of the table', () => {
    const flag: boolean = decodeOptionValue(linux, 'TCP_NODELAY', bytes, 4);
    const linger: number | null = decodeOptionValue(linux, 'SO_LINGER', bytes, 8);
    const cookie: bigint = decodeOptionValue(linux, 'SO_COOKIE', bytes, 8);
    const name: string = decodeOptionValue(linux, 'TCP_CONGESTION', bytes, 8);
    // @ts-expect-error SO_LINGER may be off.
    const seconds: number = decodeOptionValue(linux, 'SO_LINGER', bytes, 8);
    // @ts-expect-error No kernel has a field of this name.
    const missing = decodeOptionValue(linux, 'TCP_INFO', bytes, 0).tcpi_nonsense;
    assert.deepEqual(
      [flag, linger, cookie, name, seconds, missing],
      [false, null, 0n, '', null, undefined],
    );
  });
});
