import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Suite } from './rooms.ts';

/** How a suite ended. */
export interface Trial {
  readonly passed: boolean;
  readonly late: boolean;
  readonly ms: number;
}

/** Runs a suite of the workspace in `folder`, for `boundMs` at most. */
export async function runSuite(folder: string, suite: Suite, boundMs: number): Promise<Trial> {
  const startMs = performance.now();
  const words = ['--test-timeout=120000', `build/test/${suite.file}`];
  // Its own group, so that what it started goes with it.
  const child = spawn(process.execPath, words, {
    cwd: folder,
    env: { ...process.env, ...suite.environment },
    // With /dev/null as its input Node opens it once more, which the leak checks would see.
    stdio: 'pipe',
    detached: true,
  });
  child.stdin.end();
  child.stdout.resume();
  child.stderr.resume();
  const over = new AbortController();
  const late = delay(boundMs, true, { signal: over.signal }).catch(() => false);
  const closed = once(child, 'close').then(() => false);
  const wasLate = await Promise.race([closed, late]);
  over.abort();
  end(child.pid);
  if (wasLate) await closed;
  return { passed: child.exitCode === 0, late: wasLate, ms: performance.now() - startMs };
}

/** Ends the group of a process that was started as the first of it. */
function end(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // Nobody is left.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
