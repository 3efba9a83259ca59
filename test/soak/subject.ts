import { setTimeout as delay } from 'node:timers/promises';
import { openFdsOf } from '#test/harness/process-state.js';
import type { Account } from './ledger.ts';
import type { Sample } from './sample.ts';

/** A server under the mixed load. */
export interface Subject {
  readonly name: string;
  readonly port: number;
  readonly idlePort: number | null;
  readonly datagramPort: number | null;
  /** Whether clients may reset in the middle. */
  readonly rude: boolean;
  /** Clients at a time. */
  readonly clients: number;
  /** Whether they are served at once; else one by one. */
  readonly together: boolean;
  /** The process that serves now. */
  readonly pid: number;
  /** What happens beside the clients of a round. */
  disturb(round: number): Promise<void>;
  /** What happens between two rounds, while it serves nobody. */
  change(round: number): Promise<void>;
  /** A sample of the process, which serves nobody. */
  sample(): Promise<Sample>;
  /** What it has counted; null if it tells at its end only. */
  account(): Promise<Account | null>;
  /** Ends it. Returns what is wrong by then, and its last account. */
  end(): Promise<{ readonly faults: readonly string[]; readonly account: Account | null }>;
}

/** How long a busy machine may take to close what clients have left. */
const SETTLE_MS = 5000;

/** Waits until `subject` has no more than `count` descriptors; for 0, until it closes no more. */
export async function settled(subject: Subject, count: number): Promise<void> {
  const endMs = performance.now() + SETTLE_MS;
  let last = Number.NaN;
  for (let same = 0; same < 3 && performance.now() < endMs; ) {
    const now = descriptorsOf(subject.pid);
    if (now <= count) return;
    same = count === 0 && now === last ? same + 1 : 0;
    last = now;
    await delay(20);
  }
}

function descriptorsOf(pid: number): number {
  try {
    return openFdsOf(pid).length;
  } catch {
    // One was closed while they were read.
    return Number.NaN;
  }
}
