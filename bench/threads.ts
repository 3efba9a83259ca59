import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { Child } from '#tools/measure/child.js';
import { Cleanup } from '#tools/measure/cleanup.js';
import { findProcessClock } from '#tools/measure/process-clock.js';
import { type Quartiles, quartiles } from '#tools/measure/quartiles.js';
import { MAIN } from '#tools/terminal/program.js';
import { count, counts, words } from './measure/option-values.ts';
import { benchTable } from './measure/text-table.ts';

// What more threads serve: messages that cost work, and connections of one message each. See
// bench/README.md.
//
//   node build/bench/threads.js [--threads 1,2] [--loops epoll,io_uring] [--balances kernel]
//     [--work 20] [--rounds 7] [--slice 1]
//
// Client and server share the cores of the machine. So the rate alone says how much the client
// left of them, and the table names the rate per core that the server had, too: messages for each
// second of its CPU time. If that stays the same, N threads on N cores of their own serve N times
// as much as one; `threads` is that product, to the rate per core of the first.

/** Messages keep both busy; with connections of one message each there is no work in a message. */
const CASES = [
  { name: 'messages', flags: ['--connections', '64'], works: true },
  { name: 'connections', flags: ['--connections', '64', '--churn', '1'], works: false },
] as const;

const START_MS = 20_000;
const CLIENT_MS = 60_000;

interface Slice {
  readonly perSecond: number;
  readonly perCpuSecond: number;
}

interface Options {
  readonly threads: readonly number[];
  readonly loops: readonly string[];
  readonly balances: readonly string[];
  readonly workUs: number;
  readonly rounds: number;
  readonly seconds: string;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      threads: { type: 'string', default: '1,2' },
      loops: { type: 'string', default: 'epoll,io_uring' },
      balances: { type: 'string', default: 'kernel' },
      work: { type: 'string', default: '20' },
      rounds: { type: 'string', default: '7' },
      slice: { type: 'string', default: '1' },
    },
  });
  return {
    threads: counts('--threads', values.threads),
    loops: words(values.loops),
    balances: words(values.balances),
    workUs: count('--work', values.work),
    rounds: count('--rounds', values.rounds),
    seconds: values.slice,
  };
}

const options = readOptions();
const clock = findProcessClock();
using cleanup = new Cleanup();

function slice(pid: number, port: number, flags: readonly string[]): Slice {
  const client = [MAIN, 'load', '127.0.0.1', `${port}`, ...flags, '--warmup', '0.3'];
  const before = clock.times(pid).cpuUs;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...client, '--duration', options.seconds, '--json'],
    { encoding: 'utf8', timeout: CLIENT_MS },
  );
  const cpuUs = clock.times(pid).cpuUs - before;
  // 3: measured, and the client was disturbed: of ratios in one run that is the noise.
  if (status !== 0 && status !== 3) throw new Error(`the client failed: ${stderr}`);
  const { counts: total, measuredMs } = JSON.parse(stdout) as {
    readonly counts: { readonly messages: number };
    readonly measuredMs: number;
  };
  const share = measuredMs / (measuredMs + 300);
  const perSecond = (total.messages / measuredMs) * 1000;
  return { perSecond, perCpuSecond: total.messages / share / (cpuUs / 1e6) };
}

async function measured(
  threads: number,
  workUs: number,
  balance: string,
  loop: string,
  flags: readonly string[],
): Promise<Slice> {
  const program = new URL('./threads-program.js', import.meta.url).pathname;
  const server = new Child([process.execPath, program, `${threads}`, `${workUs}`, balance, loop], {
    cleanup,
  });
  try {
    const port = await server.port(START_MS);
    // The code of the server is compiled.
    slice(server.pid, port, flags);
    return slice(server.pid, port, flags);
  } finally {
    await server.stop();
  }
}

const figure = ({ lower, median, upper }: Quartiles, digits: number): string =>
  `${median.toFixed(digits)} (${lower.toFixed(digits)} to ${upper.toFixed(digits)})`;

async function compare(name: string, balance: string, loop: string): Promise<string[][]> {
  const { flags = [], works = false } = CASES.find((one) => one.name === name) ?? {};
  const slices = new Map<number, Slice[]>(options.threads.map((threads) => [threads, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const threads of options.threads) {
      const workUs = works ? options.workUs : 0;
      slices.get(threads)?.push(await measured(threads, workUs, balance, loop, flags));
    }
  }
  const [first = 1] = options.threads;
  return options.threads.map((threads) => {
    const own = slices.get(threads) ?? [];
    const ratio = (of: (one: Slice) => number): Quartiles =>
      quartiles(own.map((one, at) => of(one) / of(slices.get(first)?.[at] ?? one)));
    const scaled = quartiles(
      own.map((one, at) => {
        const base = slices.get(first)?.[at] ?? one;
        return (threads / first) * (one.perCpuSecond / base.perCpuSecond);
      }),
    );
    const rate = quartiles(own.map(({ perSecond }) => perSecond)).median;
    return [
      `${name}, ${loop}, ${balance}`,
      `${threads}`,
      rate.toFixed(0),
      figure(
        ratio(({ perSecond }) => perSecond),
        2,
      ),
      figure(scaled, 2),
    ];
  });
}

const rows: string[][] = [];
for (const { name } of CASES) {
  for (const balance of options.balances) {
    for (const loop of options.loops) rows.push(...(await compare(name, balance, loop)));
  }
}
console.log(benchTable(['case', 'threads', 'per second', 'rate', 'threads x rate per core'], rows));
