import { quartiles } from '../measure/quartiles.ts';
import type { ComparePoint, LoadPoint, MeasuredLoop, Winner } from './document.ts';
import { loadPointWords } from './wording.ts';

/** Fewer rounds have no meaningful spread: no loop is ahead. */
const ROUNDS_MIN = 3;

/** A loop at the load point where it is decided. */
interface MeasuredContender {
  readonly name: string;
  readonly point: ComparePoint;
}

/**
 * Which loop spends the least CPU on a message, at the last of `loadPoints` that two of them were
 * measured at: one without idle connections, if there is any. Null where there is none.
 */
export function winnerOf(
  loops: readonly MeasuredLoop[],
  loadPoints: readonly LoadPoint[],
): Winner | null {
  const busy = loadPoints.filter(({ idleConnections }) => idleConnections === 0);
  const beside = loadPoints.filter(({ idleConnections }) => idleConnections > 0);
  for (const loadPoint of [...busy.reverse(), ...beside.reverse()]) {
    const contenders = loops.flatMap(({ name, points }): MeasuredContender[] => {
      const point = points.find((one) => isAt(one, loadPoint));
      return point === undefined ? [] : [{ name, point }];
    });
    const [best, next] = contenders.sort((a, b) => cpuUs(a) - cpuUs(b));
    if (best !== undefined && next !== undefined) return decide(best, next, loadPoint);
  }
  return null;
}

/** Whether `point` is that of the load point. */
export function isAt(point: LoadPoint, { connections, idleConnections }: LoadPoint): boolean {
  return point.connections === connections && point.idleConnections === idleConnections;
}

function cpuUs({ point }: MeasuredContender): number {
  return point.median.cpuUsPerMessage;
}

/** How far one loop is below another. */
interface Margin {
  readonly ahead: boolean;
  readonly marginPercent: number;
  readonly spreadPercent: number;
  /** The margin in words. */
  readonly margin: string;
  /** The spread in words; where the loop is not ahead, why. */
  readonly why: string;
}

/** Round by round: what disturbs the machine disturbs both of them. Costs of the same rounds. */
export function marginOf(best: readonly number[], next: readonly number[]): Margin {
  const margins = best.flatMap((cost, at) => {
    const other = next[at];
    return other === undefined ? [] : [100 * (1 - cost / other)];
  });
  const { median, lower, upper, count } = quartiles(margins);
  const spread = upper - lower;
  const ahead = count >= ROUNDS_MIN && median > spread;
  const between = `${lower.toFixed(1)} to ${upper.toFixed(1)} %`;
  const margin = `${median.toFixed(1)} %`;
  const tooFew = `${margin} in ${count === 1 ? 'one round says' : `${count} rounds says`} nothing`;
  const within = count >= ROUNDS_MIN ? `${margin} is within the spread (${between})` : tooFew;
  return {
    ahead,
    marginPercent: median,
    spreadPercent: spread,
    margin,
    why: ahead ? `spread ${between}` : within,
  };
}

function decide(best: MeasuredContender, next: MeasuredContender, loadPoint: LoadPoint): Winner {
  const costs = ({ point }: MeasuredContender) => point.rounds.map((one) => one.cpuUsPerMessage);
  const { ahead, margin, why, ...percents } = marginOf(costs(best), costs(next));
  const where = loadPointWords(loadPoint);
  return {
    loop: ahead ? best.name : null,
    over: next.name,
    connections: loadPoint.connections,
    idleConnections: loadPoint.idleConnections,
    ...percents,
    words: ahead
      ? `${best.name}: ${margin} less CPU per message than ${next.name} at ${where} (${why})`
      : `${best.name} and ${next.name} do not differ in CPU per message at ${where}: ${why}`,
  };
}
