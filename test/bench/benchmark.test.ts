// Goal: the benchmark reports what was measured, and nothing else: options, sums, order, page.
// Method: the parts on fixtures, and one short run of the whole.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readOptions } from '#bench/measure/benchmark-options.js';
import { cases } from '#bench/measure/cases.js';
import { type BenchmarkDocument, jsonOf, readDocument } from '#bench/measure/document.js';
import { Latencies } from '#bench/measure/latencies.js';
import { pageOf, ranking } from '#bench/measure/page.js';
import { peers } from '#bench/measure/peers.js';
import { FULL, passesOf, roundsIn } from '#bench/measure/plan.js';
import { ratioPicture } from '#bench/measure/ratio-picture.js';
import { Tally } from '#bench/measure/results.js';
import { type ConnectedServer, measure, type Slice } from '#bench/measure/slices.js';
import { Random } from '#src/base/random.js';
import { run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';
import { findProcessClock } from '#tools/measure/process-clock.js';
import { quartiles } from '#tools/measure/quartiles.js';
import { benchmarkFixture } from './document-fixture.ts';

const benchmark = (...words: string[]): string[] => [
  process.execPath,
  `${root}build/bench/benchmark.js`,
  ...words,
];

/** The bucket of bench/client.h for so many nanoseconds. */
function bucketOf(ns: number): number {
  const power = Math.floor(Math.log2(ns));
  return power * 64 + Math.floor((ns / 2 ** power - 1) * 64);
}

describe('bench: the command line', () => {
  it('takes all cases and peers where none is named, without the reference', () => {
    const options = readOptions([], ['libuv', 'sockloop-epoll']);
    assert.deepEqual(options?.peers, ['c-epoll-again', 'libuv', 'sockloop-epoll']);
    assert.deepEqual(options?.cases, cases);
    assert.equal(options?.rounds, undefined);
    assert.equal(options?.outDir, undefined);
  });

  it('takes those that are named, in the order it has them', () => {
    const words = ['--peers', 'b,c-epoll,a', '--cases', 'idle,c1', '--rounds', '7', '--seed', '3'];
    const options = readOptions([...words, '--slice', '50'], ['a', 'b', 'c']);
    assert.deepEqual(options?.peers, ['a', 'b']);
    assert.deepEqual(
      options?.cases.map(({ name }) => name),
      ['c1', 'idle'],
    );
    assert.deepEqual([options?.rounds, options?.seed, options?.sliceMs], [7, 3, 50]);
  });

  it('sets the servers of the caller beside the reference alone', () => {
    const options = readOptions(['--servers', 'mine=./a --b 1,epoll', '--servers', 'x=y'], ['a']);
    assert.deepEqual(options?.servers, ['mine=./a --b 1', 'epoll', 'x=y']);
    assert.deepEqual(options?.peers, ['c-epoll-again']);
  });

  it('takes few servers for --quick', () => {
    const options = readOptions(
      ['--quick'],
      peers.map(({ name }) => name),
    );
    const quick = ['c-epoll-again', 'c-uring', 'sockloop-io_uring', 'sockloop-epoll'];
    assert.deepEqual(options?.peers, quick);
  });

  it('refuses what it does not know', () => {
    const refused: readonly [string[], RegExp][] = [
      [['--cases', 'c1,c2'], /^there is no case "c2"; there are: c1, c50, /],
      [['--peers', 'nginx'], /^there is no peer "nginx"; there are: c-epoll, c-epoll-again, a$/],
      [['--servers', 'a=./a'], /^--servers: the name "a" is taken$/],
      [['--servers', 'c-epoll=./a'], /the name "c-epoll" is taken/],
      [['--rounds', '0'], /^--rounds takes a number from 1 to 1000000, not "0"$/],
      [['--slice', 'x'], /^--slice takes a number from 1 to 1000000, .*not "x"$/],
      [['--cases', ''], /^--cases names none; there are: c1, /],
      [['--fast'], /--fast/],
      [['word'], /word/],
    ];
    for (const [words, message] of refused) {
      assert.throws(() => readOptions(words, ['a']), { message });
    }
  });

  it('ends with 2 and names the known ones', async (t) => {
    leakCheck(t);
    for (const [flag, known] of [
      ['--cases', /pipeline, large, churn, open, idle\n$/],
      ['--peers', /c-epoll, c-epoll-again/],
    ] as const) {
      const outcome = await run(t, benchmark(flag, 'nothing'));
      assert.equal(outcome.status, 2);
      assert.equal(outcome.out, '');
      assert.match(outcome.err, /^benchmark: there is no (case|peer) "nothing"; there are: /);
      assert.match(outcome.err, known);
    }
    const help = await run(t, benchmark('--help'));
    assert.equal(help.status, 0);
    assert.match(help.out, /^usage: benchmark.js/);
  });
});

describe('bench: sums', () => {
  it('finds the quartiles of any values', () => {
    const values = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(values, (some) => {
        const { lower, median, upper, count } = quartiles(some);
        const below = (limit: number): number => some.filter((value) => value < limit).length;
        assert.equal(count, some.length);
        assert.ok(lower <= median && median <= upper);
        for (const [value, share] of [
          [lower, 1],
          [median, 2],
          [upper, 3],
        ] as const) {
          assert.ok(below(value) <= ((count - 1) * share) / 4 + 1);
          assert.ok(
            below(value) >= ((count - 1) * share) / 4 - some.filter((v) => v === value).length,
          );
        }
      }),
    );
    assert.deepEqual(quartiles([4, 1, 3, 2, 5]), { lower: 2, median: 3, upper: 4, count: 5 });
  });

  it('finds quantiles of latencies within a bucket, also over several slices', () => {
    const slices = fc.array(fc.array(fc.integer({ min: 64, max: 1e9 })), { minLength: 1 });
    fc.assert(
      fc.property(slices, fc.double({ min: 0, max: 1, noNaN: true }), (some, at) => {
        const parts = some.map((all) =>
          Latencies.parse(all.map((ns) => `${bucketOf(ns)}:1`).join()),
        );
        const sum = Latencies.sum(parts);
        const sorted = some.flat().sort((a, b) => a - b);
        assert.equal(sum.total, sorted.length);
        const exact = sorted[Math.min(Math.floor(at * sorted.length), sorted.length - 1)];
        if (exact === undefined) return assert.ok(Number.isNaN(sum.quantileUs(at)));
        assert.ok(Math.abs(sum.quantileUs(at) * 1000 - exact) <= exact * 0.008);
      }),
    );
  });

  it('shuffles by the seed, and loses nothing', () => {
    const items = Array.from({ length: 20 }, (_, i) => i);
    const once = new Random(5).shuffled(items);
    assert.deepEqual(new Random(5).shuffled(items), once);
    assert.notDeepEqual(new Random(6).shuffled(items), once);
    assert.deepEqual(
      once.toSorted((a, b) => a - b),
      items,
    );
  });

  it('plans as many rounds as fit, in passes of a few', () => {
    for (let rounds = 1; rounds < 40; rounds++) {
      const passes = passesOf(rounds);
      assert.equal(
        passes.reduce((sum, value) => sum + value, 0),
        rounds,
      );
      assert.ok(Math.max(...passes) <= 5 && Math.max(...passes) - Math.min(...passes) <= 1);
    }
    const takenMs = roundsIn(FULL, 20, cases, 120) * 20 * cases.length * 2 * 125;
    assert.ok(takenMs <= FULL.slicesMs);
    assert.equal(roundsIn(FULL, 1, cases, 120), FULL.roundsMax);
    assert.equal(roundsIn(FULL, 1000, cases, 120), FULL.roundsMin);
  });
});

/** A server that is this process, and a client that answers `messages` from a list. */
function pretended(name: string, errors: () => number, order: string[]): ConnectedServer {
  const latencies = Latencies.parse('1000:10');
  return {
    server: { name, pid: process.pid },
    client: {
      pid: process.pid,
      run: (ms) => {
        order.push(name);
        // CPU time to divide.
        for (const until = performance.now() + ms; performance.now() < until; );
        return Promise.resolve({ messages: 10, seconds: ms / 1000, errors: errors(), latencies });
      },
      lastWords: () => 'its words',
      stop: () => Promise.resolve(),
    },
  };
}

describe('bench: slices', { skip: reasonWithoutProc }, () => {
  it('stand between two of the reference, and a contender that fails is let go', async (t) => {
    leakCheck(t);
    const order: string[] = [];
    let runs = 0;
    const reference = pretended('ref', () => 0, order);
    const good = pretended('good', () => 0, order);
    const bad = pretended('bad', () => (++runs === 2 ? 3 : 0), order);
    const failed = new Map<string, string>();
    const slices = await measure(reference, [good, bad], {
      rounds: 3,
      sliceMs: 4,
      clock: findProcessClock(),
      random: new Random(1),
      failed: ({ server }, error) => failed.set(server.name, String(error)),
    });
    assert.deepEqual(failed, new Map([['bad', 'Error: bad: 3 errors (its words) in a slice']]));
    const kept = slices.map(({ name }) => name);
    assert.deepEqual([kept[0], kept.length], ['ref', 9]);
    assert.equal(kept.filter((name) => name === 'good').length, 3);
    for (const [i, name] of kept.entries()) assert.equal(name === 'ref', i % 2 === 0);
    for (const [i, { name, ratio, times, messages }] of slices.entries()) {
      if (name === 'ref') continue;
      const beside = [slices[i - 1], slices[i + 1]].map((one) => (one ? one.times.cpuUs / 10 : 0));
      const mean = beside.reduce((sum, value) => sum + value, 0) / 2;
      assert.ok(Math.abs(ratio - times.cpuUs / messages / mean) < 1e-9);
    }
  });

  it('are summed up by server, without those that failed', () => {
    const [what] = cases;
    assert.ok(what !== undefined);
    const tally = new Tally(what);
    const slice = (name: string, cpuUs: number, ratio: number): Slice => ({
      name,
      messages: 1000,
      seconds: 0.01,
      times: { cpuUs, userUs: 50_000, systemUs: 150_000, waitedUs: 1e3 },
      clientWaitedUs: 0,
      latencies: Latencies.parse(`${bucketOf(100_000)}:990,${bucketOf(900_000)}:10`),
      ratio,
    });
    tally.addSlices([slice('a', 7e3, 1.1), slice('b', 1, 1), slice('a', 9e3, 1.3)]);
    tally.addCalls('a', 2.5);
    tally.miss('b', new Error('it fell'));
    const { results, missing, slices } = tally.result();
    assert.deepEqual(missing, [{ name: 'b', reason: 'it fell' }]);
    assert.deepEqual(Object.keys(slices), ['a']);
    assert.equal(slices['a']?.length, 2);
    const [a] = results;
    assert.deepEqual([results.length, a?.name, a?.callsPerMessage], [1, 'a', 2.5]);
    assert.deepEqual(a?.ratio, { lower: 1.15, median: 1.2, upper: 1.25, count: 2 });
    assert.deepEqual([a?.cpuUsPerMessage.median, a?.messagesPerSecond.median], [8, 100_000]);
    assert.deepEqual([a?.userShare, a?.busyShare, a?.waitedShare], [0.25, 0.8, 0.1]);
    assert.ok(Math.abs((a?.p50Us ?? 0) - 100) <= 1 && Math.abs((a?.p999Us ?? 0) - 900) <= 8);
  });
});

describe('bench: the page', () => {
  const document = benchmarkFixture();
  const page = pageOf(document, 'pictures/benchmarks.svg');

  it('has a table for each case, the least expensive server first', () => {
    assert.deepEqual(ranking(document), ['sockloop-epoll', 'c-epoll', 'c-epoll-again', 'slow']);
    const table = page.slice(page.indexOf('## 50 connections (`c50`)'));
    const rows = table.split('\n').filter((line) => line.startsWith('| '));
    assert.deepEqual(rows.slice(0, 5), [
      '| server | CPU per message, ratio (quartiles) | CPU, us (user + system) | messages/s | ' +
        'p50 / p99 / p99.9, us | system calls per message |',
      '| --- | ---: | ---: | ---: | ---: | ---: |',
      '| sockloop, epoll | 0.950 (0.940 to 0.970) | 6.65 (0.7 + 6.0) | 140,000 | ' +
        '300 / 600 / 1,200 | 2.02 |',
      '| C, epoll | 1 | 7.00 (0.7 + 6.3) | 140,000 | 300 / 600 / 1,200 | 2.02 |',
      '| C, epoll, again | 1.010 (1.000 to 1.030) | 7.07 (0.7 + 6.4) | 140,000 | ' +
        '300 / 600 / 1,200 | 2.02 |',
    ]);
    assert.match(page, /\nNot in the table: Slow & <old>: only 1 of 50 connections echo\.\n/);
    assert.match(page, /connections\/s \| p50/);
  });

  it('says how, on what, how noisy, and what was not to be had', () => {
    assert.match(page, /`node build\/bench\/benchmark\.js --out-dir docs` on 2026-01-02 03:04 UTC/);
    assert.match(page, /same C program under a second name came to 1\.010 to 1\.010/);
    assert.match(page, /- Gone: no compiler for it\n/);
    assert.match(page, /\| sockloop, epoll \| 57\.0 \| 0\.50 \|/);
    assert.match(page, /system calls were not counted: perf is not there\./i);
    assert.doesNotMatch(page, /undefined|NaN|[^\n\x20-\x7e]| \n/);
  });

  it('has a picture with every server and every ratio', () => {
    const picture = ratioPicture(document);
    assert.match(picture, /^<svg [^>]*viewBox="0 0 \d+ \d+"/);
    assert.match(picture, />Slow &amp; &lt;old></);
    assert.match(picture, /<text class="oursInk"[^>]*>0\.95</);
    assert.doesNotMatch(picture, /undefined|NaN|-?Infinity/);
    assert.equal(picture.match(/<text/g)?.length, picture.match(/<\/text>/g)?.length);
  });

  it('is made from a document that can be read again, a slice a line', (t) => {
    leakCheck(t);
    const text = jsonOf(document);
    assert.deepEqual(JSON.parse(text), document);
    assert.match(text, /\n +\[1000,120000,7000,0,1,300,600,0\]/);
    assert.throws(
      () => readDocument(`${root}package.json`),
      /package\.json is of schema undefined/,
    );
  });
});

const reasonWithoutCores =
  availableParallelism() < 2 ? 'one core, and the bench needs two' : reasonWithoutProc;

describe('bench: a run', { skip: reasonWithout('cc', 'taskset') || reasonWithoutCores }, () => {
  it('measures two servers at two cases and writes all of it', async (t) => {
    leakCheck(t);
    const out = scratch(t);
    const words = ['--peers', 'sockloop-epoll', '--cases', 'c1,churn', '--rounds', '1'];
    const outcome = await run(t, benchmark(...words, '--slice', '60', '--quick', '--out-dir', out));
    assert.equal(outcome.status, 0, outcome.err);
    assert.match(outcome.out, /churn: a connection for each message\n +server/);
    const document: BenchmarkDocument = readDocument(join(out, 'benchmarks.json'));
    assert.deepEqual(
      document.servers.map(({ name }) => name),
      ['c-epoll', 'sockloop-epoll'],
    );
    assert.deepEqual(document.missing, []);
    for (const { case: what, results, missing, slices } of document.cases) {
      assert.deepEqual([missing, Object.keys(slices).length], [[], 2]);
      for (const result of results) {
        // One slice of 60 ms, beside other tests: a figure, and no more than that.
        assert.ok(result.ratio.median > 0.05 && result.ratio.median < 100, what.name);
        assert.ok(result.p50Us > 1 && result.p50Us <= result.p99Us && result.p999Us < 1e6);
        if ('reason' in document.callCounter) continue;
        assert.ok((result.callsPerMessage ?? 0) > 1.9 && (result.callsPerMessage ?? 0) < 20);
      }
    }
    assert.equal(
      readFileSync(join(out, 'benchmarks.md'), 'utf8').split('\n')[0]?.slice(0, 2),
      '# ',
    );
    assert.match(readFileSync(join(out, 'pictures/benchmarks.svg'), 'utf8'), /<\/svg>\n$/);
  });
});
