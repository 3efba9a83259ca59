import { pattern } from '#test/conformance/environment.js';
import type { Scope } from '#test/harness/command.js';
import type { Cell } from './cells.ts';
import { EchoClient } from './echo-client.ts';
import { type Gated, startGated } from './gated.ts';
import { allowed, type CellOutcome, endAhead, endOf, forbidden } from './outcome.ts';
import { environmentOf, portOf, serveWords } from './server-process.ts';
import { supervisedBy } from './supervisor.ts';

/** So long may a server take to answer, or to end. */
const STEP_MS = 20_000;
/** How long every call fails once it listens: what comes then are cells of their own. */
const FAULT_MS = 200;
const ECHO_BYTES = 100_000;

/** The calls for the page of machine code, among those that V8 makes for its own pages. */
const PAGE_CALLS: Readonly<Record<string, RegExp>> = {
  mmap: /mmap\(NULL, 4096, PROT_READ\|PROT_WRITE, MAP_PRIVATE\|MAP_ANONYMOUS, -1, 0\)/,
  mprotect: /mprotect\(0x[0-9a-f]+, 4096, PROT_READ\|PROT_EXEC\)/,
};

/** `serve` whose set-up meets a fault: it listens and serves all the same, or says why not. */
export async function runStart(scope: Scope, cell: Cell): Promise<CellOutcome> {
  const env = { ...environmentOf(cell.loop), ...supervisedBy(scope, cell) };
  const gated = await startGated(scope, cell, serveWords(cell), env);
  const outcome = await outcomeOf(gated, cell);
  const own = cell.gate === 'batching' ? PAGE_CALLS[cell.call] : undefined;
  const isOurs = own === undefined || gated.injection?.hasMet(own) === true;
  return isOurs ? outcome : allowed('not met');
}

async function outcomeOf({ program, injection }: Gated, cell: Cell): Promise<CellOutcome> {
  if (injection === null) {
    const end = await program.end(STEP_MS);
    return end === null ? forbidden('hang', program.err) : endAhead(end);
  }
  const port = await portOf(program);
  if (port === null) {
    const end = await program.end(STEP_MS);
    if (end === null) return forbidden('hang', `it neither listens nor ends: ${program.err}`);
    return endOf(end, cell.fault);
  }
  const client = new EchoClient(port, pattern(ECHO_BYTES), ECHO_BYTES);
  client.go();
  await client.settled(cell.times === 'always' ? FAULT_MS : STEP_MS);
  await injection.end();
  await client.settled(STEP_MS);
  client.abandon();
  if (program.isOver) {
    const end = await program.end(STEP_MS);
    return end === null ? forbidden('hang', program.err) : endOf(end, cell.fault);
  }
  program.command.child.kill('SIGTERM');
  const end = await program.end(STEP_MS);
  if (end === null) return forbidden('hang', `it does not end: ${program.err}`);
  const said = end.err.trim().slice(0, 300);
  if (end.status !== 0) return forbidden('crash', `${end.signal ?? end.status}: ${said}`);
  if (injection.count === 0) return allowed('not met');
  if (client.fate !== 'served') return forbidden(`client ${client.fate}`, said);
  return allowed(said === '' ? 'served' : 'served, said', said);
}
