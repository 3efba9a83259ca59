import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Random } from '#src/base/random.js';
import { behaviours, bytesOf, countWhole, message, type Street } from './behaviours.ts';
import { KIND, type Ledger } from './ledger.ts';
import { Talk } from './talk.ts';

/** Longer than an answer takes on a busy machine. */
const LATE_MS = 30_000;

/** Failures that are told: one that repeats says no more. */
const FAILURES_MAX = 10;

/** Who comes, and where to. */
export interface TrafficPlan extends Street {
  /** Clients at a time. */
  readonly clients: number;
  /** Whether all of them are served at once; else one by one. */
  readonly together: boolean;
  /** A socket that answers datagrams; null without one. */
  readonly datagramPort: number | null;
}

/** Clients of all kinds, one after the other, until `endMs`. Each then goes its way to the end. */
export async function traffic(plan: TrafficPlan, random: Random, endMs: number): Promise<void> {
  const { ledger, datagramPort } = plan;
  const isOver = (): boolean =>
    performance.now() >= endMs || ledger.failures.length >= FAILURES_MAX;
  if (plan.together) await together(plan, random);
  const walks = Array.from({ length: plan.clients }, async (_, client) => {
    const own = random.split(`client ${client}`);
    while (!isOver()) await walk(plan, own);
  });
  if (datagramPort !== null) {
    const own = random.split('datagrams');
    const ask = async (): Promise<void> => {
      // Its memory is made by the first one.
      do await datagrams(datagramPort, ledger, own);
      while (!isOver());
    };
    walks.push(ask());
  }
  await Promise.all(walks);
}

/** All clients at once: what a server has for each of them is there from the first round on. */
async function together({ port, clients, ledger }: TrafficPlan, random: Random): Promise<void> {
  let served = 0;
  let allServed: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    allServed = resolve;
  });
  const client = async (): Promise<void> => {
    using talk = await Talk.open(port);
    talk.send(message(random, 64, KIND.whole));
    await talk.back();
    served += 1;
    if (served === clients) allServed();
    await gate;
    await talk.end();
    countWhole(ledger, talk);
    ledger.count('together');
  };
  const walks = Array.from({ length: clients }, async () => {
    try {
      await client();
    } catch (error) {
      ledger.failures.push(`together: ${(error as Error).message}`);
      allServed();
    }
  });
  await Promise.all(walks);
}

async function walk(plan: TrafficPlan, random: Random): Promise<void> {
  const [name, behave] = choose(plan, random);
  try {
    await behave(plan, random);
    plan.ledger.count(name);
  } catch (error) {
    plan.ledger.failures.push(`${name}: ${(error as Error).message}`);
  }
}

function choose({ rude }: Street, random: Random) {
  const ours = behaviours.filter(([name]) => rude || name !== 'reset in its echo');
  let at = random.below(ours.reduce((sum, [, weight]) => sum + weight, 0));
  for (const [name, weight, behave] of ours) {
    at -= weight;
    if (at < 0) return [name, behave] as const;
  }
  throw new Error('unreachable');
}

/** A socket that sends some datagrams, each behind the answer to the one before. */
async function datagrams(port: number, ledger: Ledger, random: Random): Promise<void> {
  const socket = createSocket('udp4');
  try {
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    for (let left = random.between(1, 20); left > 0; left -= 1) {
      const bytes = bytesOf(random, random.below(2 ** random.between(1, 13)));
      const answer = once(socket, 'message', { signal: AbortSignal.timeout(LATE_MS) });
      socket.send(bytes);
      const [back] = (await answer) as [Buffer];
      if (!back.equals(bytes)) throw new Error('the answer to another datagram');
      ledger.datagrams += 1;
      ledger.datagramBytes += bytes.length;
    }
  } catch (error) {
    ledger.failures.push(`datagram: ${(error as Error).message}`);
  } finally {
    socket.close();
  }
  ledger.count('datagrams');
}
