// Goal: the tables of Linux are what the headers of a machine say.
// Method: a C program that prints every number and layout of a table, compiled with the headers of
// this machine, and for arm64 with those of a cross compiler, under qemu-user.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Abi, Field, StructLayout } from '#src/sys/abi/abi.js';
import { abiFor } from '#src/sys/abi/index.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';
import { constantsOf, LIBKQUEUE_CONSTANTS, LIBKQUEUE_STRUCTS, structsOf } from './table.ts';

const OF_LINUX_6_12 = 'in the headers of Linux 6.12, not in those of 6.1';
const OF_LINUX_6_6 = 'in the headers of Linux 6.6 and of late 6.1, not in those of early 6.1';
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
  ['IORING_ASYNC_CANCEL_USERDATA', OF_LINUX_6_6],
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
  'linux/errqueue.h',
  'linux/io_uring.h',
  'linux/sockios.h',
  // The kernel's own, for netinet/tcp.h has an older and shorter tcp_info.
  'linux/tcp.h',
  'linux/udp.h',
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

function run([command = '', ...words]: readonly string[]): string {
  const result = spawnSync(command, words, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  assert.equal(result.status, 0, `${command} ${words.join(' ')}: ${result.error ?? result.stderr}`);
  return result.stdout;
}

/** Asserts that `printed` by a probe is what the table says, but for what the headers lack. */
function assertAgrees(abi: Abi, missing: ReadonlyMap<string, string>, printed: string): void {
  const lines = printed.trim().split('\n');
  const found = new Map(lines.map((line) => line.split(' ') as [string, string]));
  const shorter = missing.has(`tcp_info.${NEWER_TCP_INFO_FIELDS.at(-1)}`);
  for (const [name, value] of expectedOfProbe(abi)) {
    const text = found.get(name);
    // Headers that lack the last fields of tcp_info have a shorter one.
    if (name === 'tcp_info' && shorter) assert.ok(Number(text) <= value);
    else if (text !== undefined) assert.equal(Number(text), value, name);
    else if (!missing.has(name.replace(/\.(offset|size|mask)$/, ''))) assert.fail(`no ${name}`);
  }
}

/** How a probe is compiled and run. */
interface Toolchain {
  readonly arch: string;
  /** The compiler and its flags. */
  readonly compile: readonly string[];
  /** What stands before the program. */
  readonly run: readonly string[];
}

const own: Toolchain = { arch: process.arch, compile: [process.env['CC'] ?? 'cc'], run: [] };
/** Static, so that it needs no library of arm64 at run time. */
const arm64: Toolchain = {
  arch: 'arm64',
  compile: ['aarch64-linux-gnu-gcc', '-static'],
  run: ['qemu-aarch64'],
};
const toolchains = process.arch === 'arm64' ? [own] : [own, arm64];

function reasonToSkip({ arch, compile, run: [emulator] }: Toolchain): string | false {
  if (process.platform !== 'linux' || abiFor('linux', arch) === null) {
    return 'the probe is written for Linux on x64 and arm64';
  }
  const tools = emulator === undefined ? [] : [emulator];
  return reasonWithout(compile[0] ?? '', ...tools);
}

describe('the table of Linux and the headers', () => {
  for (const { arch, compile, run: before } of toolchains) {
    const skip = reasonToSkip({ arch, compile, run: before });
    it(`agree, by a program compiled for ${arch}`, { skip }, (t) => {
      leakCheck(t);
      const abi = abiFor('linux', arch);
      assert.ok(abi);
      const folder = scratch(t);
      const source = join(folder, 'probe.c');
      const program = join(folder, 'probe');
      writeFileSync(source, [...INCLUDES, ''].join('\n'));
      // With the macros, for some of the constants are macros and some are not.
      const words = run([...compile, '-E', '-dD', source]).match(/\b[A-Za-z]\w+/g);
      const missing = missingIn(new Set(words));
      writeFileSync(source, probeSource(abi, missing));
      run([...compile, '-w', '-o', program, source]);
      assertAgrees(abi, missing, run([...before, program]));
      const reasons = Array.from(missing, ([name, reason]) => `${name} (${reason})`);
      if (missing.size > 0) t.diagnostic(`these headers lack ${reasons.join(', ')}`);
    });
  }
});
