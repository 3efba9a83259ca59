import { quartiles } from '../measure/quartiles.ts';
import type { ComparePoint, MeasuredLoop, Winner } from './document.ts';
import type { Place } from './plan.ts';
import { placeWords } from './wording.ts';

/** With fewer rounds there is no spread to speak of, so nobody is ahead. */
const ROUNDS_MIN = 3;

/** A loop at the place where it is decided. */
interface Candidate {
  readonly name: string;
  readonly point: ComparePoint;
}

/**
 * Which loop spends the least CPU on a message, at the last of `places` that two of them were
 * measured at: one without idle connections, if there is any. Null where there is none.
 */
export function winnerOf(loops: readonly MeasuredLoop[], places: readonly Place[]): Winner | null {
  const busy = places.filter(({ idleConnections }) => idleConnections === 0);
  const beside = places.filter(({ idleConnections }) => idleConnections > 0);
  for (const place of [...busy.reverse(), ...beside.reverse()]) {
    const candidates = loops.flatMap(({ name, points }): Candidate[] => {
      const point = points.find((one) => isAt(one, place));
      return point === undefined ? [] : [{ name, point }];
    });
    const [best, next] = candidates.sort((a, b) => cpuUs(a) - cpuUs(b));
    if (best !== undefined && next !== undefined) return decide(best, next, place);
  }
  return null;
}

/** Whether `point` is that of the place. */
export function isAt(point: Place, { connections, idleConnections }: Place): boolean {
  return point.connections === connections && point.idleConnections === idleConnections;
}

function cpuUs({ point }: Candidate): number {
  return point.median.cpuUsPerMessage;
}

/** Round by round: what disturbs the machine disturbs both of them. */
function decide(best: Candidate, next: Candidate, place: Place): Winner {
  const margins = best.point.rounds.flatMap((round, at) => {
    const other = next.point.rounds[at];
    return other === undefined ? [] : [100 * (1 - round.cpuUsPerMessage / other.cpuUsPerMessage)];
  });
  const { median, lower, upper, count } = quartiles(margins);
  const spread = upper - lower;
  const ahead = count >= ROUNDS_MIN && median > spread;
  const where = placeWords(place);
  const between = `${lower.toFixed(1)} to ${upper.toFixed(1)} %`;
  const margin = `${median.toFixed(1)} %`;
  const why =
    count >= ROUNDS_MIN
      ? `${margin} is within the spread (${between})`
      : `${margin} in ${count === 1 ? 'one round says' : `${count} rounds says`} nothing`;
  return {
    loop: ahead ? best.name : null,
    over: next.name,
    connections: place.connections,
    idleConnections: place.idleConnections,
    marginPercent: median,
    spreadPercent: spread,
    words: ahead
      ? `${best.name}: ${margin} less CPU per message than ${next.name} at ${where} ` +
        `(spread ${between})`
      : `${best.name} and ${next.name} do not differ in CPU per message at ${where}: ${why}`,
  };
}
