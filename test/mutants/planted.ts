import type { Mutant } from './operators.ts';
import { adapters } from './planted/adapters.ts';
import { asynchronous } from './planted/async.ts';
import { budgets } from './planted/budgets.ts';
import { calls } from './planted/calls.ts';
import { datagrams } from './planted/datagrams.ts';
import { framing } from './planted/framing.ts';
import { listeners } from './planted/listeners.ts';
import { load } from './planted/load.ts';
import { loadClient } from './planted/load-client.ts';
import { loadRecords } from './planted/load-records.ts';
import { pollers } from './planted/pollers.ts';
import { ring } from './planted/ring.ts';
import { runtime } from './planted/runtime.ts';
import { sends } from './planted/sends.ts';
import { service } from './planted/service.ts';
import { streams } from './planted/streams.ts';
import { tables } from './planted/tables.ts';
import { tls } from './planted/tls.ts';
import { turns } from './planted/turns.ts';
import { workers } from './planted/workers.ts';

/** Bugs of the kinds that the suites once missed. */
const files = [
  ...streams,
  ...sends,
  ...budgets,
  ...tables,
  ...pollers,
  ...calls,
  ...load,
  ...loadClient,
  ...datagrams,
  ...ring,
  ...turns,
  ...runtime,
  ...service,
  ...workers,
  ...listeners,
  ...asynchronous,
  ...framing,
  ...adapters,
  ...tls,
  ...loadRecords,
];

/** One of them. */
export interface Planted {
  readonly kind: string;
  readonly path: string;
  readonly mutant: Mutant;
}

/** All files with planted bugs. */
export const plantedPaths: ReadonlySet<string> = new Set(files.map(({ path }) => path));

/** The bugs in the compiled file `path` with the text `source`. Throws where one has no place. */
export function plantedBugs(path: string, source: string): Planted[] {
  return files
    .filter((file) => file.path === path)
    .flatMap(({ kind, changes }) =>
      changes.map(([from, to]) => ({ kind, path, mutant: placed(path, source, from, to) })),
    );
}

function placed(path: string, source: string, from: string, to: string): Mutant {
  const places = [...source.matchAll(whatever(from))];
  const [place] = places;
  if (place === undefined || places.length > 1) {
    throw new Error(`${path} has ${places.length} places like this, not one: ${from}`);
  }
  const line = source.slice(0, place.index).split('\n').length;
  const end = place.index + place[0].length;
  return { start: place.index, end, text: to, line, what: `${from} -> ${to}` };
}

/** The words and signs of a text, with any blanks in between. */
function whatever(text: string): RegExp {
  const tokens = text.match(/\w+|[^\w\s]/g) ?? [];
  return new RegExp(tokens.map((token) => token.replace(/\W/, '\\$&')).join('\\s*'), 'g');
}
