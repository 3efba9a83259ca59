import type { Sample } from './sample.ts';
import type { Slope } from './slope.ts';
import type { SoakResult } from './soak-subject.ts';

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`;
}

function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

/** `3.1 +- 4.0`, in KiB a minute. */
function slopeWords({ perX, halfWidth }: Slope): string {
  return `${(perX / 1024).toFixed(1)} +- ${(halfWidth / 1024).toFixed(1)}`;
}

function mib(bytes: number | undefined): string {
  return ((bytes ?? 0) / 2 ** 20).toFixed(2);
}

/** A number at the first sample and at the last, once where it is the same. */
function firstLast(samples: readonly Sample[], of: (sample: Sample) => number | string): string {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return '';
  return of(first) === of(last) ? String(of(first)) : `${of(first)}, ${of(last)}`;
}

const HELD = [
  ...['server', 'minutes', 'samples', 'descriptors', 'threads', 'handles', 'heap, MiB'],
  ...['heap, KiB/min', 'buffers, MiB', 'buffers, KiB/min', 'RSS, MiB', 'RSS, KiB/min'],
];

const COUNTED = [
  ...['server', 'connections', 'bytes there', 'bytes back', 'reset in their echo'],
  'datagrams there and back',
];

function heldTable(results: readonly SoakResult[]): string[] {
  return [
    row(HELD),
    row(['---', ...HELD.slice(1).map(() => '---:')]),
    ...results.map(({ name, minutes, samples, heap, external, rss }) =>
      row([
        name,
        minutes.toFixed(1),
        samples.length,
        firstLast(samples, ({ descriptors }) => descriptors.length),
        firstLast(samples, ({ threads }) => threads),
        firstLast(samples, ({ handles }) => handles.length),
        firstLast(samples, ({ heapBytes }) => mib(heapBytes)),
        slopeWords(heap),
        firstLast(samples, ({ externalBytes }) => mib(externalBytes)),
        slopeWords(external),
        firstLast(samples, ({ rssBytes }) => mib(rssBytes)),
        slopeWords(rss),
      ]),
    ),
  ];
}

function countedTable(results: readonly SoakResult[]): string[] {
  return [
    row(COUNTED),
    row(['---', ...COUNTED.slice(1).map(() => '---:')]),
    ...results.map(({ name, ledger }) =>
      row([
        name,
        grouped(ledger.connections),
        grouped(ledger.whole.sentBytes),
        grouped(ledger.whole.receivedBytes),
        grouped(ledger.broken.connections),
        grouped(ledger.datagrams),
      ]),
    ),
  ];
}

function behaviourTable(results: readonly SoakResult[]): string[] {
  const names = [...new Set(results.flatMap(({ ledger }) => [...ledger.behaviours.keys()]))];
  const total = (name: string): number =>
    results.reduce((sum, { ledger }) => sum + (ledger.behaviours.get(name) ?? 0), 0);
  const rows = names.sort().map((name) => row([name, grouped(total(name))]));
  return ['| what a client did | clients |', '| --- | ---: |', ...rows];
}

/** The page of a run. */
export function soakPage(results: readonly SoakResult[], command: string, date: Date): string {
  const faults = results.flatMap(({ name, faults: found }) =>
    found.map((fault) => `- ${name}: ${fault}`),
  );
  return [
    `\`${command}\`, ${date.toISOString().slice(0, 10)}, Linux, Node ${process.version}.`,
    '',
    ...heldTable(results),
    '',
    ...countedTable(results),
    '',
    ...behaviourTable(results),
    '',
    faults.length === 0 ? 'Nothing was lost, and nothing is left.' : 'Faults:',
    ...faults,
    '',
  ].join('\n');
}
