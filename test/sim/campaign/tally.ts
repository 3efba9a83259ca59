import type { SeedRun } from '#test/sim/loop/run-options.js';

const MS_PER_HOUR = 3_600_000;

/** The sums of some seeds, as a thread posts them. */
export interface Sums {
  readonly seeds: number;
  readonly virtualMs: number;
  /** By the kind of fault, and by the name of the game. */
  readonly fired: ReadonlyMap<string, number>;
  readonly games: ReadonlyMap<string, number>;
}

/** The sums over all seeds. */
export class Tally implements Sums {
  seeds = 0;
  virtualMs = 0;
  readonly fired = new Map<string, number>();
  readonly games = new Map<string, number>();
  failures = 0;

  /** Adds a seed. */
  count(game: string, { virtualMs, fired }: SeedRun): void {
    this.seeds += 1;
    this.virtualMs += virtualMs;
    add(this.games, game, 1);
    for (const kind in fired) add(this.fired, kind, fired[kind as keyof typeof fired]);
  }

  add({ seeds, virtualMs, fired, games }: Sums): void {
    this.seeds += seeds;
    this.virtualMs += virtualMs;
    for (const [game, count] of games) add(this.games, game, count);
    for (const [kind, count] of fired) add(this.fired, kind, count);
  }

  /** `1234 seeds, 61 a second, 4.2 virtual hours, 56789 faults, 0 failures`. */
  line(seconds: number): string {
    const faults = [...this.fired.values()].reduce((sum, count) => sum + count, 0);
    return [
      `${this.seeds} seeds`,
      `${(this.seeds / seconds).toFixed(0)} a second`,
      `${(this.virtualMs / MS_PER_HOUR).toFixed(1)} virtual hours`,
      `${faults} faults`,
      `${this.failures} failures`,
    ].join(', ');
  }

  /** The seeds of each game, and the faults of each kind. */
  table(): string[] {
    const games = [...this.games].map(([game, count]) => `${game} ${count}`);
    const kinds = [...this.fired].filter(([, count]) => count > 0);
    const rows = kinds
      .sort(([, left], [, right]) => right - left)
      .map(([kind, count]) => `  ${kind.padEnd(22)} ${String(count).padStart(12)}`);
    return [`seeds: ${games.join(', ')}`, 'faults fired:', ...rows];
  }
}

function add(counts: Map<string, number>, name: string, count: number): void {
  if (count > 0) counts.set(name, (counts.get(name) ?? 0) + count);
}
