import { readFileSync, writeFileSync } from 'node:fs';
import { formatCount } from '#src/base/number-format.js';
import { quartiles } from '#tools/measure/quartiles.js';
import type { BenchMachine } from './machine.ts';
import { spreadText } from './text-table.ts';
import { WAYS } from './udp-pairs.ts';

// The part of docs/datagrams.md that a run writes.

/** What one pair took in one round. */
export interface UdpSlice {
  readonly case: string;
  readonly name: string;
  readonly round: number;
  /** CPU nanoseconds per datagram. */
  readonly senderNs: number;
  readonly receiverNs: number;
  readonly lost: number;
}

type Side = 'senderNs' | 'receiverNs';

const BEGIN = '<!-- written by `make bench` -->';
const END = '<!-- as far as here -->';
const [REFERENCE] = WAYS;

/** The ratios to C round by round: both had the same neighbours then. */
export function ratios(slices: readonly UdpSlice[], name: string, side: Side): number[] {
  const of = (way: string): UdpSlice[] => slices.filter((slice) => slice.name === way);
  const beside = new Map(of(REFERENCE.name).map((slice) => [slice.round, slice[side]]));
  return of(name).map((slice) => slice[side] / (beside.get(slice.round) ?? Number.NaN));
}

/** Writes a run between the two marks of the page `file`. Throws an Error for a page without. */
export function writeSection(
  file: string,
  slices: readonly UdpSlice[],
  command: string,
  machine: BenchMachine,
): void {
  const page = readFileSync(file, 'utf8');
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin)
    throw new Error(`${file} has no "${BEGIN}" with "${END}" behind it`);
  const text = sectionOf(slices, command, machine);
  writeFileSync(file, `${page.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${page.slice(end)}`);
}

function sectionOf(slices: readonly UdpSlice[], command: string, machine: BenchMachine): string {
  const { cpu, cores, kernel, node, at, loadAverage } = machine;
  const load = loadAverage.map((value) => value.toFixed(1)).join(' ');
  return [
    `By \`${command}\` on ${at.slice(0, 10)}:`,
    `${cpu}, ${cores} cores, ${kernel}, Node ${node}, load average before ${load}.`,
    'CPU time per datagram as a ratio to C: median and quartiles over the rounds.',
    '',
    ...table(slices, 'sender', 'senderNs'),
    '',
    ...table(slices, 'receiver', 'receiverNs'),
  ].join('\n');
}

function table(slices: readonly UdpSlice[], title: string, side: Side): string[] {
  const cases = [...new Set(slices.map((slice) => slice.case))];
  const ways = WAYS.filter(({ name }) => slices.some((slice) => slice.name === name));
  const names = ways.map(({ name }) => (name === REFERENCE.name ? 'c, ns' : name));
  const rows = cases.map((one) => {
    const own = slices.filter((slice) => slice.case === one);
    return [one, ...ways.map(({ name }) => cell(own, name, side))];
  });
  return [
    line([title, ...names]),
    line(['---', ...names.map(() => '---:')]),
    ...rows.map((row) => line(row)),
  ];
}

function cell(slices: readonly UdpSlice[], name: string, side: Side): string {
  const own = slices.filter((slice) => slice.name === name).map((slice) => slice[side]);
  if (own.length === 0) return '';
  if (name === REFERENCE.name) return formatCount(Math.round(quartiles(own).median));
  return spreadText(quartiles(ratios(slices, name, side)), 2);
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
