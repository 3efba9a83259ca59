import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeSys, type Sys } from 'sockloop/sys';
import { median } from '#tools/measure/quartiles.js';
import { compileC } from './measure/c-compiler.ts';

// What a system call costs through the FFI next to the bare call in C, on this machine, now.
//
//   node build/bench/syscall-cost.js [ROUNDS]
//
// Both sides take turns; each round compares a slice of one with the slice of the other beside it.

const COUNT = 200_000;
const ROUNDS = Number(process.argv[2] ?? '15');
const MESSAGE_BYTES = 64;

const CASES = {
  fcntl: 'fcntl(F_GETFD)',
  close: 'close(-1), which fails: errno is read',
  pair: `send + recv of ${MESSAGE_BYTES} bytes`,
} as const;
type Case = keyof typeof CASES;
type Slice = Record<Case, number>;

function nsPerCall(call: () => void): number {
  const startMs = performance.now();
  for (let i = 0; i < COUNT; i++) call();
  return ((performance.now() - startMs) * 1e6) / COUNT;
}

function measureHere(sys: Sys, pair: Int32Array): Slice {
  const { F_GETFD, MSG_NOSIGNAL = 0 } = sys.abi.constants;
  const [left = -1, right = -1] = pair;
  const out = new Uint8Array(MESSAGE_BYTES);
  const into = new Uint8Array(MESSAGE_BYTES);
  return {
    fcntl: nsPerCall(() => {
      if (sys.fcntl(left, F_GETFD, 0) < 0) throw new Error('fcntl failed');
    }),
    close: nsPerCall(() => {
      if (sys.close(-1) !== -sys.abi.errno.EBADF) throw new Error('close(-1) did not fail');
    }),
    pair: nsPerCall(() => {
      const sent = sys.send(left, out, 0, MESSAGE_BYTES, MSG_NOSIGNAL);
      const received = sys.recv(right, into, 0, MESSAGE_BYTES, 0);
      if (sent !== MESSAGE_BYTES || received !== MESSAGE_BYTES) throw new Error('short transfer');
    }),
  };
}

function measureInC(program: string): Slice {
  const slice: Slice = { fcntl: Number.NaN, close: Number.NaN, pair: Number.NaN };
  const output = execFileSync(program, [String(COUNT)], { encoding: 'utf8' });
  for (const [, name, ns] of output.matchAll(/^(\w+) ([\d.]+)$/gm))
    slice[name as Case] = Number(ns);
  return slice;
}

function spread(values: readonly number[], digits: number): string {
  const range = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits));
  return `${median(values).toFixed(digits)} (${range.join(' to ')})`;
}

function report(here: readonly Slice[], inC: readonly Slice[]): void {
  for (const name of Object.keys(CASES) as Case[]) {
    const mine = here.map((slice) => slice[name]);
    const bare = inC.map((slice) => slice[name]);
    console.log(CASES[name]);
    console.log(`  in C        ${spread(bare, 0)} ns`);
    console.log(`  sockloop    ${spread(mine, 0)} ns`);
    console.log(
      `  above it    ${spread(
        mine.map((ns, i) => ns - (bare[i] ?? 0)),
        0,
      )} ns`,
    );
    console.log(
      `  ratio       ${spread(
        mine.map((ns, i) => ns / (bare[i] ?? 0)),
        2,
      )}`,
    );
  }
}

const folder = mkdtempSync(join(tmpdir(), 'sockloop-bench-'));
const sys = nativeSys();
const pair = new Int32Array(2);
const { AF_UNIX, SOCK_STREAM, SOCK_CLOEXEC = 0 } = sys.abi.constants;
try {
  const program = compileC(folder, 'peers/syscall-cost.c');
  if (sys.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) throw new Error('no pair');
  measureHere(sys, pair); // The JIT warms up.
  const here: Slice[] = [];
  const inC: Slice[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    inC.push(measureInC(program));
    here.push(measureHere(sys, pair));
  }
  console.log(`median (lowest to highest) of ${ROUNDS} interleaved rounds, ${COUNT} calls each\n`);
  report(here, inC);
} finally {
  for (const fd of pair) if (fd > 0) sys.close(fd);
  rmSync(folder, { recursive: true });
}
