import type { FaultKind } from '#sim/faults.js';
import type { PlayOptions, SeedRun } from '#test/sim/loop/run-options.js';

const TRACE_LINES = 60;

/** A seed, to be played again and again. */
export interface Play {
  /** `io_uring`, `datagrams on epoll`. */
  readonly game: string;
  readonly seed: number;
  /** What repeats it: `SIM_TARGET=epoll`, and the compiled test. */
  readonly variables: string;
  readonly test: string;
  run(options: PlayOptions): SeedRun;
}

/** A failing seed, with as little in it as still fails. */
export interface Story {
  /** The first line of the failure. */
  readonly violation: string;
  /** Who and what takes part besides the server, and how many did at first. */
  readonly parts: readonly string[];
  readonly partsAtFirst: number;
  readonly kinds: readonly FaultKind[];
  readonly faults: number;
  readonly faultsAtFirst: number;
  /** What {@link Play.run} takes for it. */
  readonly options: PlayOptions;
  /** The command that repeats it. */
  readonly command: string;
  /** The whole report, with the last calls. */
  readonly report: string;
}

/** The fewest of `items` with which `fails` holds: halves are left out, then smaller pieces. */
function fewest<Item>(items: readonly Item[], fails: (kept: readonly Item[]) => boolean): Item[] {
  let kept = [...items];
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : size >> 1) {
    for (let from = 0; from < kept.length; ) {
      const rest = [...kept.slice(0, from), ...kept.slice(from + size)];
      if (fails(rest)) kept = rest;
      else from += size;
    }
  }
  return kept;
}

/** The least number up to `most` for which `fails` holds, if it does from some number on. */
function least(most: number, fails: (count: number) => boolean): number {
  let low = 0;
  let high = most;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (fails(middle)) high = middle;
    else low = middle + 1;
  }
  return high;
}

/** A failure without its numbers: the same one may have others. */
function kindOf(violation: string | null): string | null {
  return violation?.split('\n')[0]?.replace(/\d+/g, '#') ?? null;
}

/** Shrinks a seed that fails. Null if it does not. */
export function shrink(play: Play): Story | null {
  const first = play.run({});
  const kind = kindOf(first.violation);
  if (kind === null) return null;
  const fails = (options: PlayOptions): boolean => kindOf(play.run(options).violation) === kind;
  const fired = (Object.keys(first.fired) as FaultKind[]).filter((one) => first.fired[one] > 0);
  const without = (kept: readonly string[]): ReadonlySet<string> =>
    new Set(first.parts.filter((part) => !kept.includes(part)));
  const parts = fewest(first.parts, (kept) => fails({ without: without(kept) }));
  const who = { without: without(parts) };
  const kinds = fewest(fired, (kept) => fails({ ...who, kinds: kept }));
  const total = sum(play.run({ ...who, kinds }).fired);
  const faultsMax = least(total, (count) => fails({ ...who, kinds, faultsMax: count }));
  const options = { ...who, kinds, faultsMax };
  const { violation } = play.run({ ...options, traceLines: TRACE_LINES });
  return {
    violation: violation?.split('\n')[0] ?? 'it does not fail again',
    parts,
    partsAtFirst: first.parts.length,
    kinds,
    faults: faultsMax,
    faultsAtFirst: sum(first.fired),
    options,
    command: commandOf(play, options),
    report: violation ?? '',
  };
}

function sum(fired: Readonly<Record<FaultKind, number>>): number {
  return Object.values(fired).reduce((total, count) => total + count, 0);
}

function commandOf({ seed, variables, test }: Play, options: PlayOptions): string {
  const { kinds = [], faultsMax = 0, without = new Set() } = options;
  const left = without.size === 0 ? '' : ` SIM_WITHOUT='${[...without].join(',')}'`;
  const faults = `SIM_KINDS=${kinds.join(',')} SIM_FAULTS=${faultsMax}`;
  return `SIM_SEED=${seed} ${variables} ${faults}${left} node --test build/test/sim/loop/${test}`;
}

/** A story as lines. */
export function told({ game, seed }: Play, story: Story): string {
  const { parts, kinds, faults, partsAtFirst, faultsAtFirst } = story;
  return [
    `${game}, seed ${seed}: ${story.violation}`,
    `  with ${parts.join(', ') || 'no part'} (${parts.length} parts of ${partsAtFirst})`,
    `  faults: ${kinds.join(', ') || 'none'} (${faults} of ${faultsAtFirst} that fired)`,
    `  ${story.report.split('\n').slice(1).join('\n  ')}`,
    `  repeat: ${story.command}`,
  ].join('\n');
}
