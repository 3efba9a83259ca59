import type { LoadDocument } from '../document.ts';
import { decodeHistogram } from '../record/histograms.ts';

/** Throws an Error that says, in a sentence, which figures of a document contradict each other. */
export function checkFigures(document: LoadDocument): void {
  const { response, service, connect, counts, intervals, heat } = document;
  for (const [name, { count, histogram }] of Object.entries({ response, service, connect })) {
    const held = timesIn(histogram, name);
    if (held !== count) {
      throw new Error(`${name}.count is ${count}, and its histogram holds ${held} times`);
    }
  }
  const inIntervals = intervals.reduce((sum, { messages }) => sum + messages, 0);
  const inHeat = heat.counts.flat().reduce((sum, count) => sum + count, 0);
  const others: readonly [what: string, count: number][] = [
    ['response.count is', response.count],
    ['service.count is', service.count],
    ['the intervals hold', inIntervals],
    ['the heat map holds', inHeat],
  ];
  for (const [what, count] of others) {
    if (count === counts.messages) continue;
    throw new Error(`counts.messages is ${counts.messages}, and ${what} ${count}`);
  }
}

function timesIn(histogram: string, name: string): number {
  try {
    return decodeHistogram(histogram).totalCount;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${name}.histogram cannot be read: ${why}`);
  }
}
