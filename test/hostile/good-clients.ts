// The process of the good clients.

import { setTimeout as delay } from 'node:timers/promises';
import type { Speech } from './conditions.ts';
import { GoodDatagrams } from './good-datagrams.ts';
import { GoodStream, WRONG } from './good-stream.ts';
import { type GoodClient, Journal, type Measured } from './journal.ts';
import { answerCalls } from './remote.ts';

/** A server, and those who are served by it. */
interface Group {
  readonly port: number;
  readonly speech: Speech;
  readonly journal: Journal;
  readonly clients: GoodClient[];
}

/** Between two messages of a client that measures, and of one that only shows that it is there. */
const BUSY_MS = 2;
const SLOW_MS = 100;
/** Between two attempts of a client that is turned away. */
const VISIT_AGAIN_MS = 20;

const groups = new Map<number, Group>();

function groupOf(id: number): Group {
  const group = groups.get(id);
  if (group === undefined) throw new Error(`there are no clients of ${id}`);
  return group;
}

function newClient({ port, speech, journal }: Group): GoodClient {
  if (speech === 'datagrams') return new GoodDatagrams(port, journal);
  return new GoodStream(port, speech, journal);
}

const calls = {
  /** Names a server. */
  know: ({ id, port, speech }: { id: number; port: number; speech: Speech }): void => {
    const journal = new Journal();
    journal.pauseMs = SLOW_MS;
    groups.set(id, { port, speech, journal, clients: [] });
  },

  /** New clients; answers once each has had its first echo. */
  join: async ({ id, count }: { id: number; count: number }): Promise<void> => {
    const group = groupOf(id);
    const clients = Array.from({ length: count }, () => newClient(group));
    group.clients.push(...clients);
    await Promise.all(clients.map((client) => client.served()));
  },

  /** Measures for some time, and until each has had an echo meanwhile. */
  measure: async ({ id, ms }: { id: number; ms: number }): Promise<Measured> => {
    const { journal, clients } = groupOf(id);
    journal.pauseMs = BUSY_MS;
    // What was sent before, at the other pace, is no part of it.
    await delay(SLOW_MS);
    journal.take();
    const before = clients.map(({ echoes }) => echoes);
    await delay(ms);
    const waits = (): boolean => clients.some(({ echoes }, at) => !(echoes > (before[at] ?? 0)));
    while (waits() && journal.findings.length === 0) await delay(5);
    journal.pauseMs = SLOW_MS;
    return journal.take();
  },

  /**
   * A new client, which has an echo and leaves, and comes again where it is turned away. Answers
   * how long that took, in milliseconds.
   */
  visit: async ({ id, boundMs }: { id: number; boundMs: number }): Promise<number> => {
    const startMs = performance.now();
    const { journal, ...group } = groupOf(id);
    for (;;) {
      const own = new Journal();
      const client = newClient({ ...group, journal: own });
      await client.served();
      await client.leave();
      const tookMs = performance.now() - startMs;
      const isWrong = own.findings.some((finding) => finding.startsWith(WRONG));
      if (isWrong || tookMs > boundMs) journal.findings.push(...own.findings);
      if (isWrong || tookMs > boundMs || own.findings.length === 0) return tookMs;
      await delay(VISIT_AGAIN_MS);
    }
  },

  /** Holds their messages back, or lets them go on: for less than an idle timeout. */
  hold: ({ id, isHeld }: { id: number; isHeld: boolean }): void => {
    groupOf(id).journal.isHeld = isHeld;
  },

  /** What has been found since the last time. */
  findings: ({ id }: { id: number }): readonly string[] => groupOf(id).journal.findings.splice(0),

  /** All of them end in order. */
  leave: async ({ id }: { id: number }): Promise<void> => {
    const { clients } = groupOf(id);
    await Promise.all(clients.splice(0).map((client) => client.leave()));
  },

  /** All of them close at once: the server is gone. */
  abandon: ({ id }: { id: number }): void => {
    for (const client of groupOf(id).clients.splice(0)) client.abandon();
  },
};

/** What the process of the good clients answers. */
export type GoodCalls = typeof calls;

answerCalls(calls);
