import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '#src/base/random.js';
import { pattern } from '#test/conformance/environment.js';
import { KIND, type Ledger } from './ledger.ts';
import { Talk } from './talk.ts';

/** Where clients connect, and what they write their deeds into. */
export interface Street {
  readonly port: number;
  /** A listener that closes idle connections; null without one. */
  readonly idlePort: number | null;
  /** How long a client stays that has nothing to say, where none closes it. */
  readonly idleMs: number;
  /** Whether clients may reset in the middle: the server has to tell them apart. */
  readonly rude: boolean;
  readonly ledger: Ledger;
}

const POOL_BYTES = 1 << 20;
const pool = pattern(POOL_BYTES, 16);

/** Some bytes, which may be those of others as well. */
export function bytesOf(random: Random, length: number): Buffer {
  const at = random.below(POOL_BYTES - length + 1);
  return pool.subarray(at, at + length);
}

/** A message of its own, whose first byte is `kind`. */
export function message(random: Random, length: number, kind: number): Buffer {
  const bytes = Buffer.from(bytesOf(random, length));
  bytes[0] = kind;
  return bytes;
}

/** A length as clients have them: mostly short, now and then long. */
function someLength(random: Random): number {
  return random.below(2 ** random.between(1, 18)) + 1;
}

/** Writes a client down that got all of its bytes back. */
export function countWhole({ whole }: Ledger, talk: Talk): void {
  whole.connections += 1;
  whole.sentBytes += talk.sentBytes;
  whole.receivedBytes += talk.receivedBytes;
}

/** What a client does from its connect to its end. */
type Behaviour = (street: Street, random: Random) => Promise<void>;

/** Every behaviour, by what the page calls it, with how often it is chosen. */
export const behaviours: readonly (readonly [name: string, weight: number, Behaviour])[] = [
  [
    'echo of several sizes',
    4,
    async ({ port, ledger }, random) => {
      using talk = await Talk.open(port);
      for (let left = random.between(1, 5); left > 0; left -= 1) {
        talk.send(message(random, someLength(random), KIND.whole));
        await talk.back();
      }
      await talk.end();
      countWhole(ledger, talk);
    },
  ],
  [
    'short',
    6,
    async ({ port, ledger }, random) => {
      using talk = await Talk.open(port);
      talk.send(message(random, 64, KIND.whole));
      await talk.back();
      await talk.end();
      countWhole(ledger, talk);
    },
  ],
  [
    'half-close',
    2,
    async ({ port, ledger }, random) => {
      using talk = await Talk.open(port);
      talk.send(message(random, someLength(random), KIND.whole));
      talk.finish();
      await talk.back();
      await talk.end();
      countWhole(ledger, talk);
    },
  ],
  [
    'pause',
    1,
    async ({ port, ledger }, random) => {
      using talk = await Talk.open(port);
      talk.pause(30);
      for (let piece = 0; piece < 8; piece += 1) {
        talk.send(message(random, POOL_BYTES / 8, KIND.whole));
      }
      await talk.back();
      await talk.end();
      countWhole(ledger, talk);
    },
  ],
  [
    'reset behind its echo',
    1,
    async ({ port, ledger }, random) => {
      using talk = await Talk.open(port);
      talk.send(message(random, someLength(random), KIND.whole));
      await talk.back();
      await talk.reset();
      countWhole(ledger, talk);
    },
  ],
  [
    'reset in its echo',
    2,
    async ({ port, ledger: { broken } }, random) => {
      using talk = await Talk.open(port);
      talk.send(message(random, random.between(1, POOL_BYTES), KIND.broken));
      if (random.chance(0.7)) await talk.first();
      await talk.reset();
      broken.connections += 1;
      broken.sentBytes += talk.sentBytes;
      broken.receivedBytes += talk.receivedBytes;
    },
  ],
  [
    'connect and leave',
    1,
    async ({ port, ledger }) => {
      using talk = await Talk.open(port);
      await talk.end();
      ledger.empty += 1;
    },
  ],
  [
    'idle',
    1,
    async ({ port, idlePort, idleMs, ledger }) => {
      using talk = await Talk.open(idlePort ?? port);
      if (idlePort === null) await delay(idleMs);
      else await talk.ended();
      await talk.end();
      ledger.empty += 1;
    },
  ],
];
