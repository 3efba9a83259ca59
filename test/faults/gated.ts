import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Scope } from '#test/harness/command.js';
import { sockloopOfModules } from '#test/harness/programs.js';
import { type Cell, hasThreads } from './cells.ts';
import { Injection } from './injection.ts';
import { Program } from './program.ts';

/** More threads than any program has here. */
const THREADS_MAX = 16;

const GATE = fileURLToPath(new URL('gate.js', import.meta.url));

/** A program whose calls fail from the gate of a cell on. */
export interface Gated {
  readonly program: Program;
  /** Null where the program has ended ahead of the gate. */
  readonly injection: Injection | null;
}

/**
 * Starts `sockloop WORDS`, holds it in front of the gate, attaches strace, and lets it go on.
 * `bringsThere` makes the program come to the gate.
 */
export async function startGated(
  scope: Scope,
  cell: Cell,
  words: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  bringsThere: (program: Program) => void = () => undefined,
): Promise<Gated> {
  const [node = '', ...rest] = sockloopOfModules(...words);
  const program = new Program(scope, [node, '--import', GATE, ...rest], {
    env: { ...env, SOCKLOOP_FAULTS_GATE: cell.gate ?? '' },
    extra: ['pipe'],
  });
  bringsThere(program);
  const { child } = program.command;
  const runner = child.stdio[3] as Duplex;
  runner.on('error', () => undefined);
  scope.after(() => void runner.destroy());
  const tid = await Promise.race([
    once(runner, 'data').then(([bytes]) => Number.parseInt(String(bytes), 10)),
    once(child, 'exit').then(() => null),
  ]);
  if (tid === null) return { program, injection: null };
  const isSending = cell.program === 'send' && hasThreads(cell);
  const injection = await Injection.attach(scope, cell, tid, isSending);
  // Each thread that comes to the gate is let through.
  runner.write('!'.repeat(THREADS_MAX));
  return { program, injection };
}
