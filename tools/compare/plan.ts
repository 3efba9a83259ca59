import { nativeSys } from 'sockloop/sys';
import { backends } from '#src/loop/backends.js';
import { SERVER_LOOPS, type ServerLoop } from '../echo/servers.ts';
import type { ComparePlan, LoadPoint } from './document.ts';

/** A way of waiting that can be compared: `auto` is one of the others. */
export type ComparedName = Exclude<ServerLoop, 'auto'>;

/** All of them, best first. */
export const COMPARED_LOOPS = SERVER_LOOPS.filter((name) => name !== 'auto');

/** What is asked for. */
export interface CompareRequest extends Omit<ComparePlan, 'warmupMs' | 'besideIdle'> {
  /** Null means all loops that this machine has. */
  readonly loops: readonly ComparedName[] | null;
}

/** What is to be compared. */
export interface Comparison {
  readonly plan: ComparePlan;
  /** In the order asked for, each with the reason why this machine does not have it, or null. */
  readonly loops: readonly { readonly name: ComparedName; readonly reason: string | null }[];
  /** Where they are measured, in rising order. */
  readonly loadPoints: readonly LoadPoint[];
}

/** How many connections carry messages beside the idle ones. */
const BESIDE_IDLE = 10;

/** Before the slices of a loop at a load point: connections settle, new code is compiled. */
const WARMUP_MS = 60;

/** The comparison asked for. Throws an Error where a loop that is named is not available. */
export function comparisonOf({ loops, ...asked }: CompareRequest): Comparison {
  const plan: ComparePlan = { ...asked, warmupMs: WARMUP_MS, besideIdle: BESIDE_IDLE };
  return { plan, loadPoints: loadPointsOf(plan), loops: loopsOf(loops, plan.threads) };
}

/** Each number of connections, and the busy few beside each number of idle ones. */
function loadPointsOf({ connections, idleConnections, besideIdle }: ComparePlan): LoadPoint[] {
  const busy = connections.map((count) => ({ connections: count, idleConnections: 0 }));
  const beside = idleConnections
    .filter((idle) => idle > 0 || !connections.includes(besideIdle))
    .map((idle) => ({ connections: besideIdle, idleConnections: idle }));
  return [...busy, ...beside].sort(
    (a, b) => a.connections - b.connections || a.idleConnections - b.idleConnections,
  );
}

function loopsOf(names: readonly ComparedName[] | null, threads: number): Comparison['loops'] {
  const loops = (names ?? COMPARED_LOOPS).map((name) => ({
    name,
    reason: name === 'blocking' && threads > 1 ? 'it has one thread' : reasonWithout(name),
  }));
  const absent = names === null ? undefined : loops.find(({ reason }) => reason !== null);
  if (absent === undefined) return loops;
  throw new Error(`cannot use the loop ${absent.name}: ${absent.reason}`);
}

/** Blocking calls are everywhere; an event loop may be missing. */
export function reasonWithout(name: ComparedName): string | null {
  const answer = backends.find((entry) => entry.name === name)?.available(nativeSys()) ?? true;
  return answer === true ? null : answer.reason;
}
