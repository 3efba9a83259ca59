import { parseArgs } from 'node:util';
import { Random } from '#src/base/random.js';
import { findProcessClock, type ProcessClock } from '#tools/measure/process-clock.js';
import { quartiles } from '#tools/measure/quartiles.js';
import { timedSlice } from '#tools/measure/timed-slice.js';
import { chosen, count } from './measure/option-values.ts';
import { withFacts, writeJson } from './measure/report.ts';
import { benchTable, spreadText } from './measure/text-table.ts';
import { type DatagramMode, DatagramPair, pairOf, WAYS, type Way } from './measure/udp-pairs.ts';
import { ratios, type UdpSlice, writeSection } from './measure/udp-section.ts';

// What a datagram costs: a sender and a receiver in processes of their own, in C, on sockloop and
// on what others have. See bench/README.md.
//
//   node build/bench/udp.js [--cases one-64,batch-64,...] [--ways c,c-again,epoll,...] [--rounds 8]
//     [--count 200000] [--seed 1] [--json FILE] [--page docs/datagrams.md]

const CASES = [64, 1200].flatMap((bytes) =>
  (['one', 'batch', 'gso', 'echo'] as const).map((mode) => ({
    name: `${mode}-${bytes}`,
    mode,
    bytes,
  })),
);

type Case = (typeof CASES)[number];

/**
 * Datagrams of a run, as a part of `--count`. A burst of segments has up to 16 times as many, and
 * an echo is one at a time, each of which wakes two processes.
 */
const SHARES: Readonly<Record<DatagramMode, number>> = { one: 1, batch: 1, gso: 8, echo: 1 / 20 };

/** Runs ahead of the rounds. In a burst there is one turn of a loop, and V8 takes thousands. */
const WARM_UPS = 4;

function readOptions() {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string', default: CASES.map(({ name }) => name).join(',') },
      ways: { type: 'string', default: WAYS.map(({ name }) => name).join(',') },
      rounds: { type: 'string', default: '8' },
      count: { type: 'string', default: '200000' },
      seed: { type: 'string', default: '1' },
      json: { type: 'string' },
      page: { type: 'string' },
    },
  });
  return {
    cases: chosen('case', values.cases, CASES),
    ways: chosen('way', values.ways, WAYS),
    rounds: count('--rounds', values.rounds),
    datagrams: count('--count', values.count),
    seed: count('--seed', values.seed),
    json: values.json,
    page: values.page,
  };
}

type Options = ReturnType<typeof readOptions>;

async function measured(
  clock: ProcessClock,
  pair: DatagramPair,
  datagrams: number,
): Promise<Pick<UdpSlice, 'senderNs' | 'receiverNs' | 'lost'>> {
  const { result, times } = await timedSlice(clock, pair.pids, () => pair.run(datagrams));
  const [sender = Number.NaN, receiver = Number.NaN] = times.map(({ cpuUs }) => cpuUs * 1000);
  return {
    senderNs: sender / result.sent,
    receiverNs: receiver / result.received,
    lost: result.sent - result.received,
  };
}

async function measureCase(of: Case, options: Options): Promise<UdpSlice[]> {
  const clock = findProcessClock();
  const random = new Random(options.seed);
  const datagrams = options.datagrams * SHARES[of.mode];
  const pairs: { readonly way: Way; readonly pair: DatagramPair }[] = [];
  const slices: UdpSlice[] = [];
  try {
    for (const way of options.ways) {
      const pair = await pairOf(way, of.mode, of.bytes);
      if (pair instanceof DatagramPair) pairs.push({ way, pair });
      else console.log(`${of.name}: without ${way.name}: ${pair.reason}`);
    }
    for (let run = 0; run < WARM_UPS; run++) {
      for (const { pair } of pairs) await pair.run(datagrams);
    }
    for (let round = 0; round < options.rounds; round++) {
      for (const { way, pair } of random.shuffled(pairs)) {
        const figures = await measured(clock, pair, datagrams);
        slices.push({ case: of.name, name: way.name, round, ...figures });
      }
    }
    return slices;
  } finally {
    for (const { pair } of pairs) await pair.stop();
  }
}

function print({ name: title }: Case, slices: readonly UdpSlice[]): void {
  const head = [title, 'sender ns', 'ratio', 'receiver ns', 'ratio', 'lost'];
  const rows = WAYS.flatMap(({ name }) => {
    const own = slices.filter((slice) => slice.name === name);
    if (own.length === 0) return [];
    const lost = own.reduce((sum, slice) => sum + slice.lost, 0);
    const senders = own.map(({ senderNs }) => senderNs);
    const receivers = own.map(({ receiverNs }) => receiverNs);
    const text = (values: readonly number[], digits: number): string =>
      spreadText(quartiles(values), digits);
    const sending = [text(senders, 0), text(ratios(slices, name, 'senderNs'), 2)];
    const receiving = [text(receivers, 0), text(ratios(slices, name, 'receiverNs'), 2)];
    return [[name, ...sending, ...receiving, String(lost)]];
  });
  console.log(`\n${benchTable(head, rows)}`);
}

/** What was measured by, without where else it was written. */
function commandOf(args: readonly string[]): string {
  const shown = args.filter((word, at) => word !== '--json' && args[at - 1] !== '--json');
  return ['node', 'build/bench/udp.js', ...shown].join(' ');
}

const options = readOptions();
const facts = await withFacts('udp', async () => {
  const { rounds, datagrams, seed } = options;
  console.log(`${rounds} rounds of ${datagrams} datagrams, seed ${seed}`);
  const all: UdpSlice[] = [];
  for (const one of options.cases) {
    const slices = await measureCase(one, options);
    print(one, slices);
    all.push(...slices);
  }
  return { slices: all };
});
if (facts !== undefined) {
  const { result, ...surroundings } = facts;
  writeJson(options.json, { ...surroundings, ...result });
  if (options.page !== undefined) {
    writeSection(
      options.page,
      result.slices,
      commandOf(process.argv.slice(2)),
      surroundings.machine,
    );
  }
}
