import type { SimLimits } from '#sim/kernel.js';
import { Random } from '#src/base/random.js';

/** Most seeds have a small world, which costs a tenth; a few have a large one. */
export type WorldSize = 'small' | 'large';

/** Of so many seeds one has a large world. */
const LARGE_EVERY = 50;

/** The most of everything in a world. */
export interface WorldLimits {
  readonly clientsMax: number;
  /** Where descriptors are scarce. */
  readonly scarceClientsMax: number;
  readonly outwardMax: number;
  readonly socketBufferBytesMax: number;
  /** The bytes of most clients, of all others, and of an outward connection. */
  readonly bytesUsual: number;
  readonly bytesMax: number;
  readonly outwardBytesMax: number;
  /** The probabilities of a listener that does what it likes, of connects, and of a watch. */
  readonly unrulyChance: number;
  readonly outwardChance: number;
  readonly watchChance: number;
}

const worlds: Readonly<Record<WorldSize, WorldLimits>> = {
  small: {
    clientsMax: 4,
    scarceClientsMax: 6,
    outwardMax: 1,
    socketBufferBytesMax: 256,
    bytesUsual: 300,
    bytesMax: 1200,
    outwardBytesMax: 600,
    unrulyChance: 0.3,
    outwardChance: 0.35,
    watchChance: 0.3,
  },
  large: {
    clientsMax: 5,
    scarceClientsMax: 9,
    outwardMax: 4,
    socketBufferBytesMax: 4096,
    bytesUsual: 4000,
    bytesMax: 60_000,
    outwardBytesMax: 20_000,
    unrulyChance: 0.5,
    outwardChance: 0.6,
    watchChance: 0.4,
  },
};

/** The size of the world of a seed. */
export function sizeOf(seed: number): WorldSize {
  return new Random(seed, 'world size').below(LARGE_EVERY) === 0 ? 'large' : 'small';
}

export function limitsOf(size: WorldSize): WorldLimits {
  return worlds[size];
}

/** Some seeds have slow calls or a coarse clock: several things happen in one turn. */
export function pace(seed: number): Partial<SimLimits> {
  const random = new Random(seed, 'pace');
  if (random.chance(0.6)) return {};
  const callCostUs = random.chance(0.5) ? 1 : random.between(20, 400);
  return { callCostUs, tickUs: 1000 * random.between(1, 25) };
}
