import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Random } from '#src/base/random.js';
import { type CallCounter, findCallCounter } from '#tools/measure/call-counter.js';
import { findProcessClock } from '#tools/measure/process-clock.js';
import { type BenchmarkOptions, readOptions, USAGE } from './measure/benchmark-options.ts';
import { runCase } from './measure/case-run.ts';
import { prepareAll } from './measure/contenders.ts';
import { type BenchmarkDocument, jsonOf, readDocument, SCHEMA } from './measure/document.ts';
import { type PeerMemory, runIdle } from './measure/idle-run.ts';
import { pageOf } from './measure/page.ts';
import { peers } from './measure/peers.ts';
import { cleanup } from './measure/pinned-child.ts';
import { FULL, passesOf, QUICK, roundsIn } from './measure/plan.ts';
import { ratioPicture } from './measure/ratio-picture.ts';
import { type Surroundings, withFacts } from './measure/report.ts';
import { type CaseResult, SLICE_COLUMNS, Tally } from './measure/results.ts';
import { RunningServers } from './measure/running-servers.ts';
import { buildPrograms, type Contender, type Programs, startServer } from './measure/servers.ts';
import { caseTable, memoryTable } from './measure/terminal.ts';

// Echo servers side by side: CPU per message, latency, system calls, memory. See bench/README.md.

type Found = Omit<BenchmarkDocument, keyof Surroundings | 'command' | 'seconds' | 'schema'>;

const startMs = performance.now();

/** What goes on, for who waits: not part of the result. */
function note(words: string): void {
  const seconds = Math.round((performance.now() - startMs) / 1000);
  console.error(`  ${String(seconds).padStart(3)} s  ${words}`);
}

/** Which way of counting works on this machine; found out on a server that is ours to disturb. */
async function chooseCounter(contender: Contender): Promise<CallCounter | { reason: string }> {
  const server = await startServer(contender);
  try {
    return await findCallCounter(server.pid, cleanup);
  } finally {
    await server.stop();
  }
}

async function measureAll(
  contenders: readonly Contender[],
  programs: Programs,
  options: BenchmarkOptions & { readonly rounds: number },
  counter: CallCounter | undefined,
): Promise<{ cases: readonly CaseResult[]; memory: readonly PeerMemory[] }> {
  const { sliceMs, rounds } = options;
  const pace = options.isQuick ? QUICK : FULL;
  const { caseWarmUpMs } = pace;
  const plan = {
    sliceMs,
    random: new Random(options.seed),
    clock: findProcessClock(),
    counter,
    caseWarmUpMs,
  };
  const tallies = options.cases.map((what) => new Tally(what));
  const running = new RunningServers(programs, pace);
  const passes = passesOf(rounds);
  try {
    for (const [pass, passRounds] of passes.entries()) {
      for (const tally of tallies.filter((one) => one.case.idle === undefined)) {
        note(`${tally.case.name}, pass ${pass + 1} of ${passes.length}`);
        await runCase(contenders, running, tally, programs, { ...plan, rounds: passRounds });
      }
    }
  } finally {
    await running.stop();
  }
  const memory: PeerMemory[] = [];
  for (const tally of tallies.filter((one) => one.case.idle !== undefined)) {
    note(tally.case.name);
    memory.push(...(await runIdle(contenders, tally, programs, { ...plan, rounds })));
  }
  return { cases: tallies.map((tally) => tally.result()), memory };
}

async function run(options: BenchmarkOptions): Promise<Found> {
  const programs = buildPrograms();
  const { peers: names, servers, cases, sliceMs, seed } = options;
  const { contenders, facts, missing } = await prepareAll(names, servers, programs, note);
  const [reference] = contenders;
  if (reference === undefined) throw new Error('there is no reference');
  const counter = await chooseCounter(reference);
  const pace = options.isQuick ? QUICK : FULL;
  const rounds = options.rounds ?? roundsIn(pace, contenders.length - 1, cases, sliceMs);
  const plan = { rounds, sliceMs, seed };
  console.log(
    `${rounds} ${rounds === 1 ? 'round' : 'rounds'}, slices of ${sliceMs} ms, seed ${seed}`,
  );
  const isCounter = 'count' in counter;
  const callCounter = isCounter ? { words: counter.words } : counter;
  console.log(isCounter ? `calls counted by ${counter.words}` : `no calls: ${counter.reason}`);
  const measured = await measureAll(
    contenders,
    programs,
    { ...options, rounds },
    isCounter ? counter : undefined,
  );
  for (const result of measured.cases) console.log(`\n${caseTable(result)}`);
  if (measured.memory.length > 0) console.log(`\n${memoryTable(measured.memory)}`);
  for (const { name, reason } of missing) console.log(`\n${name} is missing: ${reason}`);
  return { plan, callCounter, servers: facts, missing, sliceColumns: SLICE_COLUMNS, ...measured };
}

const PICTURE = 'pictures/benchmarks.svg';

/** Before anything is measured: a folder that cannot be had must not cost a whole run. */
function makeFolders({ outDir, json }: BenchmarkOptions): void {
  if (json !== undefined) mkdirSync(dirname(json), { recursive: true });
  if (outDir !== undefined) mkdirSync(dirname(join(outDir, PICTURE)), { recursive: true });
}

function write(document: BenchmarkDocument, { outDir, json }: BenchmarkOptions): void {
  if (json !== undefined) writeFileSync(json, jsonOf(document));
  if (outDir === undefined) return;
  writeFileSync(join(outDir, PICTURE), ratioPicture(document));
  writeFileSync(join(outDir, 'benchmarks.json'), jsonOf(document));
  writeFileSync(join(outDir, 'benchmarks.md'), pageOf(document, PICTURE));
  console.log(`written: ${join(outDir, 'benchmarks.md')}`);
}

function understood(args: readonly string[]): BenchmarkOptions | undefined {
  try {
    const options = readOptions(
      args,
      peers.map(({ name }) => name),
    );
    if (options === undefined) console.log(USAGE);
    return options;
  } catch (error) {
    refuse(error, 2);
    return undefined;
  }
}

function refuse(error: unknown, exitCode: number): void {
  console.error(`benchmark: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = exitCode;
}

async function main(args: readonly string[]): Promise<void> {
  const options = understood(args);
  if (options === undefined) return;
  makeFolders(options);
  if (options.from !== undefined) return write(readDocument(options.from), options);
  const facts = await withFacts('benchmark', () => run(options));
  if (facts === undefined) return;
  const { result, ...surroundings } = facts;
  const command = ['node', 'build/bench/benchmark.js', ...args].join(' ');
  const seconds = Math.round((performance.now() - startMs) / 1000);
  write({ schema: SCHEMA, command, seconds, ...surroundings, ...result }, options);
}

await main(process.argv.slice(2)).catch((error: unknown) => refuse(error, 1));
