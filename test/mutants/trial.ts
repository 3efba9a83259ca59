import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Suite } from './rooms.ts';

/** How a suite ended. */
export interface Trial {
  readonly passed: boolean;
  readonly late: boolean;
  /** The name of the first test that failed. */
  readonly failed: string | null;
  readonly ms: number;
}

/** What is kept of the output, for a line may come in pieces. */
const LINE_MAX = 1000;

/** Runs a suite of the workspace in `folder`, for `boundMs` at most. */
export async function runSuite(folder: string, suite: Suite, boundMs: number): Promise<Trial> {
  const startMs = performance.now();
  const words = ['--test-reporter=tap', '--test-timeout=120000', `build/test/${suite.file}`];
  // Its own group, so that what it started goes with it.
  const child = spawn(process.execPath, words, {
    cwd: folder,
    // As by `make test`: the code looks at its own state.
    env: { ...process.env, SOCKLOOP_CHECKS: '1', ...suite.environment },
    // With /dev/null as its input Node opens it once more, which the leak checks would see.
    stdio: 'pipe',
    detached: true,
  });
  child.stdin.end();
  child.stderr.resume();
  const over = new AbortController();
  const late = delay(boundMs, 'late', { signal: over.signal }).catch(() => 'late');
  const closed = once(child, 'close').then(() => 'closed');
  let failed: string | null = null;
  const first = firstFailure(child.stdout).then((name) => {
    failed = name;
    return 'failed';
  });
  const how = await Promise.race([closed, late, first]);
  over.abort();
  end(child.pid);
  if (how !== 'closed') await closed;
  const passed = how === 'closed' && child.exitCode === 0;
  return { passed, late: how === 'late', failed, ms: performance.now() - startMs };
}

/** One test that fails is enough: what the others say would only take time. */
function firstFailure(output: Readable): Promise<string> {
  let tail = '';
  return new Promise((resolve) => {
    output.setEncoding('utf8').on('data', (text: string) => {
      tail = tail.slice(-LINE_MAX) + text;
      const line = /^ *not ok \d+ - (.*)\n/m.exec(tail);
      if (line !== null) resolve(line[1] ?? '');
    });
  });
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
