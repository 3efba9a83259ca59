import { spawnSync } from 'node:child_process';
import { Child } from '#tools/measure/child.js';
import { Cleanup } from '#tools/measure/cleanup.js';
import { corePair } from '#tools/measure/cores.js';
import { onStopSignals } from '#tools/terminal/stop-signals.js';

/** Actions that are taken however the bench ends: normally, by an error, by a signal. */
export const cleanup = new Cleanup();

onStopSignals(() => undefined, {
  atOnce: ['SIGINT', 'SIGTERM'],
  tidy: () => cleanup[Symbol.dispose](),
});

/** Has the kernel end a program with the bench, where setpriv(1) is new enough: prctl(2). */
const SETPRIV = ['setpriv', '--pdeathsig', 'KILL'] as const;
const [program, ...flags] = SETPRIV;
const endsWithParent = spawnSync(program, [...flags, 'true']).status === 0 ? SETPRIV : [];

let cores: ReturnType<typeof corePair> | undefined;

/** Starts a program on the core of the servers or of the client. Throws an Error without two. */
export function pinnedChild(role: 'server' | 'client', command: readonly string[]): Child {
  cores ??= corePair();
  const taskset = ['taskset', '-c', String(cores[role])];
  return new Child([...endsWithParent, ...taskset, ...command], { cleanup });
}
