import type { Attack } from './attack.ts';
import { ATTACKS } from './attacks.ts';
import { type Conditions, LOOPS, type LoopName } from './conditions.ts';
import type { Outcome } from './outcome.ts';
import { inMib } from './run-cell.ts';

const COLUMNS = [
  'loop',
  'quiet p99',
  'p99',
  'times',
  'new client',
  'memory, at most',
  'sockets before, most, after',
  'CPU, stuck',
];
const HEAD = [`| ${COLUMNS.join(' | ')} |`, `| ---${' | ---:'.repeat(COLUMNS.length - 1)} |`];

/** The page of a run: a table for each attack and its conditions, a row for each loop. */
export function hostilePage(outcomes: readonly Outcome[], date: Date): string {
  const bad = outcomes.filter(({ findings }) => findings.length > 0);
  const tables = ATTACKS.flatMap((attack) =>
    attack.on.map((conditions) => tableOf(attack, conditions, outcomes)),
  );
  const day = date.toISOString().slice(0, 10);
  return [
    `Run of ${day}: ${outcomes.length} cells, ${bad.length} with findings.`,
    '',
    ...tables.filter((table) => table !== null),
  ].join('\n');
}

function tableOf(
  attack: Attack,
  conditions: Conditions,
  outcomes: readonly Outcome[],
): string | null {
  const ours = outcomes.filter(
    ({ cell }) => cell.attack === attack && cell.conditions.name === conditions.name,
  );
  if (ours.length === 0) return null;
  const { idea, mayDelay, peers } = attack;
  const many = peers > 1 ? ` ${peers.toLocaleString('en')} at a time.` : '';
  const delays = mayDelay === null ? '' : ` Good clients may wait: ${mayDelay}.`;
  const rows = LOOPS.map((loop) => rowOf(loop, conditions, ours)).filter((row) => row !== null);
  return [
    `### ${attack.name}: ${conditions.name}`,
    '',
    `${idea}.${many}${delays}`,
    '',
    ...HEAD,
    ...rows,
    '',
  ].join('\n');
}

function rowOf(loop: LoopName, { lacking }: Conditions, ours: readonly Outcome[]): string | null {
  const reason = lacking[loop];
  if (reason !== undefined) return `| ${loop} | ${reason} | | | | | | |`;
  const outcome = ours.find(({ cell }) => cell.loop === loop);
  if (outcome === undefined) return null;
  const { memory, sockets, cpuShare, visitMs, findings } = outcome;
  const cells = [
    loop,
    ...waitsOf(outcome),
    `${Math.round(visitMs)} ms`,
    `${inMib(memory.peakBytes)}, ${inMib(memory.maxBytes)}`,
    `${sockets.before}, ${sockets.most}, ${sockets.after}`,
    cpuShare === null ? '' : `${(cpuShare * 100).toFixed(1)} %`,
  ];
  const found = findings.length === 0 ? '' : ` **${findings.join('; ')}**`;
  return `| ${cells.join(' | ')}${found} |`;
}

function waitsOf({ quiet, beside }: Outcome): readonly string[] {
  if (quiet === null || beside === null) return ['one at a time', '', ''];
  const lost = beside.lost > 0 ? `, ${beside.lost} lost` : '';
  const times = beside.p99Ms / quiet.p99Ms;
  return [`${quiet.p99Ms.toFixed(2)} ms`, `${beside.p99Ms.toFixed(2)} ms${lost}`, times.toFixed(1)];
}
