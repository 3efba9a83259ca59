import type { Command } from 'commander';
import { textTable, wrapped } from '../../report/text/table.ts';
import { printOut } from '../../terminal/output.ts';
import { LOOP_WORDS } from '../loop-facts.ts';
import { type DoctorFacts, doctorFacts } from './facts.ts';
import type { LimitFacts } from './limits.ts';

/** The width of every terminal. */
const WIDTH = 80;

/** Adds `sockloop doctor` to the program. */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('show which loops and limits this machine has, and why not the others')
    .option('--json', 'print one JSON document on standard output')
    .action((flags: { readonly json?: true }) => doctor(flags.json === true));
}

function doctor(json: boolean): void {
  const facts = doctorFacts();
  if (json) printOut(JSON.stringify(facts));
  else for (const line of doctorText(facts)) printOut(line);
  if (!facts.loops.some(({ available }) => available)) {
    throw new Error('no loop works on this machine');
  }
}

function doctorText(facts: DoctorFacts): string[] {
  const { versions, platform, streams, auto } = facts;
  const cores = platform.cores === 1 ? '1 core' : `${platform.cores} cores`;
  return [
    `sockloop ${versions.sockloop}, node ${versions.node}, koffi ${versions.koffi}`,
    ...wrapped(`${platform.system} ${platform.release}, ${cores}, table ${platform.table}`, WIDTH),
    `input: ${streams.stdin}, output: ${streams.stdout}, errors: ${streams.stderr}`,
    '',
    ...loopTable(facts),
    '',
    ...wrapped(`system calls: ${callWords(facts)}`, WIDTH),
    '',
    ...limitTable(facts),
    '',
    auto === null ? 'auto finds no loop here' : `auto takes ${auto}`,
  ];
}

function loopTable({ loops }: DoctorFacts): string[] {
  const rows = loops.map(({ name, available, reason }) => [
    name,
    available ? 'yes' : 'no',
    reason ?? LOOP_WORDS[name],
  ]);
  const columns = ['LOOP', 'HERE', ''].map((title) => ({ title, align: 'left' as const }));
  return textTable(columns, rows, WIDTH);
}

function callWords({ systemCalls }: DoctorFacts): string {
  const { machineCodeBytes, reason } = systemCalls;
  if (reason !== null) return `one by one: ${reason}`;
  return `in batches, by ${machineCodeBytes} bytes of machine code`;
}

function limitTable({ limits }: DoctorFacts): string[] {
  const rows = limits.map((limit) => [limit.name, shown(limit), limit.meaning]);
  const columns = [
    { title: 'LIMIT', align: 'left' },
    { title: 'VALUE', align: 'right' },
    { title: '', align: 'left' },
  ] as const;
  return textTable(columns, rows, WIDTH);
}

function shown({ value, state }: LimitFacts): string {
  return state === 'read' ? String(value) : state;
}
