import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Abi, Field, StructLayout } from '#src/sys/abi/abi.js';
import { abiFor, abis } from '#src/sys/abi/index.js';
import { errnoName, gaiName } from '#src/sys/errno.js';

/** What the headers of a platform say: `fields` are [offset, size, first bit?, last bit?]. */
interface Vector {
  readonly platform: string;
  readonly constants: Readonly<Record<string, number>>;
  readonly errno: Readonly<Record<string, number>>;
  readonly structs: Readonly<
    Record<string, { readonly size: number; readonly fields: Readonly<Record<string, number[]>> }>
  >;
}

/** Marks in errno.h that are no errors; macOS moves its own with every release. */
const ERRNO_MARKS: ReadonlySet<string> = new Set(['ELAST']);

/**
 * What the tables of Linux have from libkqueue 2.7: no header of the system has it. The numbers are
 * the same on both BSDs, EVFILT_USER is FreeBSD's, and the structure is that of macOS.
 */
const LIBKQUEUE_CONSTANTS: ReadonlySet<string> = new Set([
  'EVFILT_READ',
  'EVFILT_WRITE',
  'EVFILT_TIMER',
  'EVFILT_USER',
  'EV_ADD',
  'EV_DELETE',
  'EV_ENABLE',
  'EV_DISABLE',
  'EV_ONESHOT',
  'EV_CLEAR',
  'EV_RECEIPT',
  'EV_DISPATCH',
  'EV_ERROR',
  'EV_EOF',
  'NOTE_FFNOP',
  'NOTE_TRIGGER',
]);
const LIBKQUEUE_STRUCTS: ReadonlySet<string> = new Set(['kevent']);

/** The headers that a name of the table is held against. */
function sourceOf(abi: Abi, name: string): Vector {
  if (!abi.platform.startsWith('linux')) return vectorOf(abi);
  if (LIBKQUEUE_STRUCTS.has(name)) return vectorNamed('darwin-x64');
  return LIBKQUEUE_CONSTANTS.has(name) ? vectorNamed('freebsd-x64') : vectorOf(abi);
}

function vectorOf(abi: Abi): Vector {
  return vectorNamed(abi.platform);
}

function vectorNamed(platform: string): Vector {
  const file = new URL(`../../../../test/sys/abi/vectors/${platform}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8'));
}

function structsOf(abi: Abi): [string, StructLayout][] {
  return Object.entries({ ...abi.structs, ...abi.ioUring?.structs });
}

function constantsOf(abi: Abi): Record<string, number> {
  return { ...abi.constants, ...abi.options, ...abi.ioUring?.constants };
}

function sharedNumbers(numbers: Readonly<Record<string, number>>): string[][] {
  const names = new Map<number, string[]>();
  for (const [name, number] of Object.entries(numbers)) {
    names.set(number, [...(names.get(number) ?? []), name]);
  }
  return [...names.values()].filter((group) => group.length > 1).map((group) => group.sort());
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('the tables and the headers of six platforms', () => {
  it('are found by the names that Node uses', () => {
    assert.deepEqual(abis.map((abi) => abi.platform).sort(), [
      'darwin-arm64',
      'darwin-x64',
      'freebsd-arm64',
      'freebsd-x64',
      'linux-arm64',
      'linux-x64',
    ]);
    for (const abi of abis) {
      const [platform, arch] = abi.platform.split('-');
      assert.equal(abiFor(platform ?? '', arch ?? ''), abi);
    }
    assert.equal(abiFor('win32', 'x64'), null);
    assert.equal(abiFor('linux', 'riscv64'), null);
    assert.equal(abiFor('linux-x64', ''), null);
  });

  for (const abi of abis) {
    describe(abi.platform, () => {
      const vector = vectorOf(abi);

      it('agree in every constant and option', () => {
        assert.equal(vector.platform, abi.platform);
        for (const [name, value] of Object.entries(constantsOf(abi))) {
          assert.equal(value, sourceOf(abi, name).constants[name], name);
        }
      });

      it('have io_uring on Linux only', () => {
        assert.equal(abi.ioUring !== null, abi.platform.startsWith('linux'));
      });

      it('agree in every errno, and neither has one more', () => {
        const expected = Object.entries(vector.errno).filter(([name]) => !ERRNO_MARKS.has(name));
        assert.deepEqual({ ...abi.errno }, Object.fromEntries(expected));
      });

      it('agree in every structure', () => {
        for (const [name, layout] of structsOf(abi)) {
          const expected = sourceOf(abi, name).structs[name];
          assert.ok(expected, name);
          assert.equal(layout.size, expected.size, name);
          for (const [fieldName, { offset, size, bits }] of Object.entries(layout.fields)) {
            const field = [offset, size, ...(bits ?? [])];
            assert.deepEqual(field, expected.fields[fieldName], `${name}.${fieldName}`);
          }
        }
      });

      it('have one name for each number of a level', () => {
        const levels = new Map<string, Record<string, number>>();
        for (const [name, number] of Object.entries(abi.options)) {
          const level = name.slice(0, name.indexOf('_'));
          levels.set(level, { ...levels.get(level), [name]: number });
        }
        for (const [level, options] of levels) assert.deepEqual(sharedNumbers(options), [], level);
      });

      it('name every errno, the better known name first', () => {
        const yielding = new Set<string>();
        for (const group of sharedNumbers(abi.errno)) {
          const name = errnoName(abi, abi.errno[group[0] ?? ''] ?? 0);
          assert.ok(['EAGAIN', 'EDEADLK', 'EOPNOTSUPP'].includes(name), group.join());
          assert.ok(group.includes(name));
          for (const other of group) if (other !== name) yielding.add(other);
        }
        for (const [name, number] of Object.entries(abi.errno)) {
          if (yielding.has(name)) continue;
          assert.equal(errnoName(abi, number), name);
          assert.equal(errnoName(abi, -number), name);
        }
        assert.equal(errnoName(abi, 4000), 'UNKNOWN_4000');
        assert.equal(errnoName(abi, -4000), 'UNKNOWN_4000');
        assert.equal(errnoName(abi, 0), 'UNKNOWN_0');
      });

      it('name every result of getaddrinfo', () => {
        for (const [name, code] of Object.entries(abi.constants)) {
          if (name.startsWith('EAI_')) assert.equal(gaiName(abi, code), name);
        }
        assert.equal(gaiName(abi, 0), 'UNKNOWN_0');
        assert.equal(gaiName(abi, -4000), 'UNKNOWN_-4000');
      });
    });
  }
});

const OF_LINUX_6_12 = 'in the headers of Linux 6.12, not in those of 6.1';
const OF_LINUX_7_2 = 'in the headers of Linux 7.2, not in those of 6.12';

/**
 * Constants that the headers of a machine may lack, with the reason. Without any other the probe
 * does not compile, and the test fails.
 */
const NEWER_CONSTANTS: ReadonlyMap<string, string> = new Map([
  ['IP_LOCAL_PORT_RANGE', 'not in the netinet/in.h of glibc 2.36'],
  ['TCP_DELACK_MAX_US', OF_LINUX_7_2],
  ['TCP_IS_MPTCP', OF_LINUX_6_12],
  ['TCP_RTO_MAX_MS', OF_LINUX_7_2],
  ['TCP_RTO_MIN_US', OF_LINUX_7_2],
  ['IORING_SETUP_NO_SQARRAY', OF_LINUX_6_12],
  ['IORING_ENTER_NO_IOWAIT', OF_LINUX_7_2],
  ['IORING_FEAT_MIN_TIMEOUT', OF_LINUX_6_12],
  ['IORING_FEAT_NO_IOWAIT', OF_LINUX_7_2],
  ['IORING_CQE_F_BUF_MORE', OF_LINUX_6_12],
  ['IOU_PBUF_RING_INC', OF_LINUX_6_12],
  ['IORING_RECVSEND_BUNDLE', OF_LINUX_6_12],
  ['IORING_TIMEOUT_MULTISHOT', OF_LINUX_6_12],
]);

/** The kernel appends to tcp_info, so older headers end before these fields. */
const NEWER_TCP_INFO_FIELDS: readonly string[] = [
  'tcpi_rcv_wnd',
  'tcpi_rehash',
  'tcpi_total_rto',
  'tcpi_total_rto_recoveries',
  'tcpi_total_rto_time',
  'tcpi_received_ce',
  'tcpi_delivered_e1_bytes',
  'tcpi_delivered_e0_bytes',
  'tcpi_delivered_ce_bytes',
  'tcpi_received_e1_bytes',
  'tcpi_received_e0_bytes',
  'tcpi_received_ce_bytes',
  'tcpi_ecn_mode',
  'tcpi_accecn_opt_seen',
  'tcpi_accecn_fail_mode',
];

/** Fields that older headers call padding, each with a word that came in with it. */
const NAMED_PADDING: ReadonlyMap<string, string> = new Map([
  ['io_uring_buf_reg.flags', 'IOU_PBUF_RING_MMAP'],
  ['io_uring_getevents_arg.min_wait_usec', 'min_wait_usec'],
]);

/** What the headers lack of what is newer than they may be, by the words in them. */
function missingIn(words: ReadonlySet<string>): Map<string, string> {
  const missing = new Map<string, string>();
  for (const [name, reason] of NEWER_CONSTANTS) if (!words.has(name)) missing.set(name, reason);
  for (const field of NEWER_TCP_INFO_FIELDS) {
    if (!words.has(field)) missing.set(`tcp_info.${field}`, 'of a newer tcp_info');
  }
  for (const [field, word] of NAMED_PADDING) {
    if (!words.has(word)) missing.set(field, OF_LINUX_6_12);
  }
  return missing;
}

const HEADERS = [
  'errno.h',
  'fcntl.h',
  'netdb.h',
  'netinet/in.h',
  'poll.h',
  'stddef.h',
  'stdio.h',
  'string.h',
  'sys/epoll.h',
  'sys/eventfd.h',
  'sys/ioctl.h',
  'sys/mman.h',
  'sys/resource.h',
  'sys/select.h',
  'sys/socket.h',
  'sys/syscall.h',
  'sys/time.h',
  'sys/timerfd.h',
  'sys/un.h',
  'time.h',
  'linux/io_uring.h',
  'linux/sockios.h',
  // The kernel's own, for netinet/tcp.h has an older and shorter tcp_info.
  'linux/tcp.h',
];
const INCLUDES = ['#define _GNU_SOURCE', ...HEADERS.map((header) => `#include <${header}>`)];

/** Structures that C programs name without the word `struct`. */
const TYPEDEFS: ReadonlySet<string> = new Set(['fd_set']);

/** The table of Linux without what comes from libkqueue. */
function headerPart(abi: Abi): { numbers: [string, number][]; structs: [string, StructLayout][] } {
  const numbers = Object.entries({ ...constantsOf(abi), ...abi.errno });
  return {
    numbers: numbers.filter(([name]) => !LIBKQUEUE_CONSTANTS.has(name)),
    structs: structsOf(abi).filter(([name]) => !LIBKQUEUE_STRUCTS.has(name)),
  };
}

/** A C program that prints "what number" for everything in the table of Linux. */
function probeSource(abi: Abi, missing: ReadonlyMap<string, string>): string {
  const lines = [...INCLUDES, 'int main(void) {'];
  const print = (label: string, expression: string) =>
    `printf("%s %lld\\n", "${label}", (long long)(${expression}));`;
  const { numbers, structs } = headerPart(abi);
  for (const [name] of numbers) {
    if (!missing.has(name)) lines.push(print(name, name));
  }
  for (const [name, layout] of structs) {
    const type = TYPEDEFS.has(name) ? name : `struct ${name}`;
    lines.push(`{ ${type} s; (void)s;`, print(name, `sizeof s`));
    for (const [fieldName, field] of Object.entries(layout.fields)) {
      if (missing.has(`${name}.${fieldName}`)) continue;
      lines.push(...fieldLines(name, fieldName, field, print));
    }
    lines.push('}');
  }
  lines.push('return 0; }', '');
  return lines.join('\n');
}

function fieldLines(
  struct: string,
  fieldName: string,
  field: Field,
  print: (label: string, expression: string) => string,
): string[] {
  const label = `${struct}.${fieldName}`;
  if (field.bits === undefined) {
    return [
      print(`${label}.offset`, `offsetof(struct ${struct}, ${fieldName})`),
      print(`${label}.size`, `sizeof s.${fieldName}`),
    ];
  }
  // C gives no offset of a bit field; setting all of its bits shows it.
  const byte = `((unsigned char *)&s)[${field.offset}]`;
  return [`memset(&s, 0, sizeof s); s.${fieldName} = ~0;`, print(`${label}.mask`, byte)];
}

function expectedOfProbe(abi: Abi): Map<string, number> {
  const { numbers, structs } = headerPart(abi);
  const expected = new Map(numbers);
  for (const [name, layout] of structs) {
    expected.set(name, layout.size);
    for (const [fieldName, { offset, size, bits }] of Object.entries(layout.fields)) {
      const label = `${name}.${fieldName}`;
      if (bits === undefined) {
        expected.set(`${label}.offset`, offset);
        expected.set(`${label}.size`, size);
      } else {
        expected.set(`${label}.mask`, 2 ** (bits[1] + 1) - 2 ** bits[0]);
      }
    }
  }
  return expected;
}

function run(command: string, args: readonly string[]): string {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  assert.equal(result.status, 0, `${command} ${args.join(' ')}: ${result.error ?? result.stderr}`);
  return result.stdout;
}

describe('the numbers of libkqueue', () => {
  it('are only those that the headers of Linux lack', () => {
    for (const { constants, structs } of [vectorNamed('linux-x64'), vectorNamed('linux-arm64')]) {
      for (const name of LIBKQUEUE_CONSTANTS) assert.equal(constants[name], undefined, name);
      for (const name of LIBKQUEUE_STRUCTS) assert.equal(structs[name], undefined, name);
    }
  });

  it('are those of the BSDs, which disagree in one', () => {
    const [darwin, freebsd] = [vectorNamed('darwin-x64'), vectorNamed('freebsd-x64')];
    const differing = [...LIBKQUEUE_CONSTANTS].filter(
      (name) => darwin.constants[name] !== freebsd.constants[name],
    );
    assert.deepEqual(differing, ['EVFILT_USER']);
  });
});

describe('the table of this machine and its own headers', () => {
  const compiler = process.env['CC'] ?? 'cc';
  const compiles = spawnSync(compiler, ['--version']).status === 0;
  const abi = abiFor(process.platform, process.arch);
  let skip: string | false = false;
  if (process.platform !== 'linux' || abi === null) skip = 'the probe is written for Linux';
  else if (!compiles && !process.env['CI']) skip = `there is no C compiler (${compiler})`;

  it('agree, by a program compiled with them', { skip }, (context) => {
    assert.ok(abi);
    const folder = mkdtempSync(join(tmpdir(), 'sockloop-abi-'));
    try {
      const source = join(folder, 'probe.c');
      const program = join(folder, 'probe');
      writeFileSync(source, [...INCLUDES, ''].join('\n'));
      // With the macros, for some of the constants are macros and some are not.
      const words = run(compiler, ['-E', '-dD', source]).match(/\b[A-Za-z]\w+/g);
      const missing = missingIn(new Set(words));
      writeFileSync(source, probeSource(abi, missing));
      run(compiler, ['-w', '-o', program, source]);

      const lines = run(program, []).trim().split('\n');
      const found = new Map(lines.map((line) => line.split(' ') as [string, string]));
      const shorter = missing.has(`tcp_info.${NEWER_TCP_INFO_FIELDS.at(-1)}`);
      for (const [name, value] of expectedOfProbe(abi)) {
        const text = found.get(name);
        // Headers that lack the last fields of tcp_info have a shorter one.
        if (name === 'tcp_info' && shorter) assert.ok(Number(text) <= value);
        else if (text !== undefined) assert.equal(Number(text), value, name);
        else if (!missing.has(name.replace(/\.(offset|size|mask)$/, ''))) assert.fail(`no ${name}`);
      }
      const reasons = Array.from(missing, ([name, reason]) => `${name} (${reason})`);
      if (missing.size > 0) context.diagnostic(`these headers lack ${reasons.join(', ')}`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
