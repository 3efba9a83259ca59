import { parseArgs } from 'node:util';
import { type Case, cases } from './cases.ts';
import { chosen, count, words } from './option-values.ts';
import { AGAIN, REFERENCE, specName } from './servers.ts';

/** The command line of the benchmark. */

export interface BenchmarkOptions {
  /** Names of peers, the reference not among them: it runs whatever is asked for. */
  readonly peers: readonly string[];
  /** Servers of the caller's: `NAME=COMMAND`, or a loop of `sockloop serve`. */
  readonly servers: readonly string[];
  readonly cases: readonly Case[];
  /** Undefined: as many as the time allows. */
  readonly rounds: number | undefined;
  readonly sliceMs: number;
  readonly seed: number;
  readonly isQuick: boolean;
  /** Where the page, the picture and the document go; undefined: nowhere. */
  readonly outDir: string | undefined;
  readonly json: string | undefined;
  /** A document to write the page from, instead of measuring. */
  readonly from: string | undefined;
}

export const USAGE = `usage: benchmark.js [options]

  --peers a,b         these servers beside the C epoll one (all of them; with --servers none)
  --servers NAME=CMD  and these: CMD prints "listening PORT"; or a loop of sockloop serve
  --cases x,y         these cases (all of them: ${cases.map(({ name }) => name).join(', ')})
  --rounds N          slices of each server at each case (as many as fit into the time)
  --slice MS          how long a slice is (120)
  --quick             fewer servers, less warm-up: under a minute
  --seed N            of the order in which servers take turns (1)
  --out-dir DIR       writes benchmarks.md, benchmarks.json and pictures/ there
  --json FILE         writes the document to FILE
  --from FILE         measures nothing: writes what a document of an earlier run holds
  --help              this`;

/** What `--quick` compares: what answers "is it any slower than it was". */
const QUICK = [AGAIN, 'c-uring', 'sockloop-io_uring', 'sockloop-epoll'];

/**
 * Reads the command line; `known` are the names of all peers. Returns undefined where help is asked
 * for. Throws an Error with a sentence for the user if something in it is wrong.
 */
export function readOptions(
  args: readonly string[],
  known: readonly string[],
): BenchmarkOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      peers: { type: 'string' },
      servers: { type: 'string', multiple: true, default: [] },
      cases: { type: 'string', default: cases.map(({ name }) => name).join(',') },
      rounds: { type: 'string' },
      slice: { type: 'string', default: '120' },
      quick: { type: 'boolean', default: false },
      seed: { type: 'string', default: '1' },
      'out-dir': { type: 'string' },
      json: { type: 'string' },
      from: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const servers = values.servers.flatMap(words);
  const all = [REFERENCE, AGAIN, ...known];
  const taken = new Set(all);
  for (const spec of servers) {
    const name = specName(spec);
    if (taken.has(name)) throw new Error(`--servers: the name "${name}" is taken`);
    taken.add(name);
  }
  return {
    peers: peersOf(values.peers, all, values.quick, servers.length > 0),
    servers,
    cases: chosen('case', values.cases, cases),
    rounds: values.rounds === undefined ? undefined : count('--rounds', values.rounds),
    sliceMs: count('--slice', values.slice),
    seed: count('--seed', values.seed),
    isQuick: values.quick,
    outDir: values['out-dir'],
    json: values.json,
    from: values.from,
  };
}

function peersOf(
  text: string | undefined,
  all: readonly string[],
  isQuick: boolean,
  hasServers: boolean,
): string[] {
  if (text === undefined && hasServers) return [AGAIN];
  const items = all.map((name) => ({ name }));
  const names = text ?? (isQuick ? QUICK : all).filter((name) => all.includes(name)).join(',');
  return chosen('peer', names, items)
    .map(({ name }) => name)
    .filter((name) => name !== REFERENCE);
}
