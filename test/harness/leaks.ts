/** Leaks of a test: open descriptors, and handles that keep the process alive. */

import assert from 'node:assert/strict';
import { existsSync, fstatSync, readdirSync, readlinkSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

const FD_DIRECTORY = existsSync('/proc/self/fd') ? '/proc/self/fd' : '/dev/fd';

/**
 * Node closes some handles a few turns after close() returned, and a thread that starts on a busy
 * machine has its file open for a while.
 */
const GRACE_MS = 5000;
const GRACE_STEP_MS = 10;

/** The open resources of a process. */
export interface OpenResources {
  readonly fds: ReadonlyMap<number, string>;
  readonly handles: readonly string[];
}

openWhatNodeOpensLate();

/**
 * The open descriptors of this process with their targets (`socket:[123]`, `/dev/null`), as far as
 * the system reports them.
 */
export function openFds(): Map<number, string> {
  const fds = new Map<number, string>();
  for (const name of readdirSync(FD_DIRECTORY)) {
    const fd = Number(name);
    const target = targetOf(name, fd);
    if (target !== null) fds.set(fd, target);
  }
  return fds;
}

/** The resources open now. */
export function openResources(): OpenResources {
  return { fds: openFds(), handles: process.getActiveResourcesInfo() };
}

/** Describes resources opened since `before`, one line each. */
export function leaksSince(before: OpenResources): string[] {
  const now = openResources();
  const leaks: string[] = [];
  for (const [fd, target] of now.fds) {
    if (before.fds.get(fd) !== target) leaks.push(`descriptor ${fd}: ${target}`);
  }
  for (const kind of new Set(now.handles)) {
    const count = countOf(kind, now.handles) - countOf(kind, before.handles);
    if (count > 0) leaks.push(`${count} active ${kind}`);
  }
  return leaks;
}

/**
 * Fails the test `t` if resources opened after this call stay open. Call it first: the check runs
 * after every `t.after` of the test.
 */
export function leakCheck(t: TestContext): void {
  const before = openResources();
  // Hooks run in order of registration; one registered by a hook runs last.
  t.after(() => {
    t.after(async () => {
      const end = process.uptime() * 1000 + GRACE_MS;
      let leaks = leaksSince(before);
      while (leaks.length > 0 && process.uptime() * 1000 < end) {
        await delay(GRACE_STEP_MS);
        leaks = leaksSince(before);
      }
      assert.deepEqual(leaks, [], 'the test left these open');
    });
  });
}

/**
 * Node opens the signal pipe and the standard streams at first use, which would be a leak of the
 * first test.
 */
function openWhatNodeOpensLate(): void {
  const ignore = (): undefined => undefined;
  process.on('SIGWINCH', ignore);
  process.off('SIGWINCH', ignore);
  void process.stdout;
  void process.stderr;
}

/** Null for the descriptor of the scan itself: the list contains it, and it is closed by now. */
function targetOf(name: string, fd: number): string | null {
  try {
    return readlinkSync(`${FD_DIRECTORY}/${name}`);
  } catch {
    // /dev/fd may hold devices instead of links: the number has to do.
    return isOpen(fd) ? 'open' : null;
  }
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

function countOf(kind: string, handles: readonly string[]): number {
  return handles.filter((handle) => handle === kind).length;
}
