import type { FaultKind } from '#sim/faults.js';

const MS_PER_HOUR = 3_600_000;

/** What one seed has brought. */
export interface Counted {
  readonly virtualMs: number;
  readonly fired: Readonly<Partial<Record<FaultKind, number>>>;
}

/** The sums over all seeds. */
export class Tally {
  seeds = 0;
  failures = 0;
  #virtualMs = 0;
  readonly #fired = new Map<string, number>();
  readonly #games = new Map<string, number>();

  add(game: string, { virtualMs, fired }: Counted): void {
    this.seeds += 1;
    this.#virtualMs += virtualMs;
    this.#games.set(game, (this.#games.get(game) ?? 0) + 1);
    for (const [kind, count] of Object.entries(fired)) {
      this.#fired.set(kind, (this.#fired.get(kind) ?? 0) + count);
    }
  }

  /** `1234 seeds, 61 a second, 4.2 virtual hours, 56789 faults, 0 failures`. */
  line(seconds: number): string {
    const faults = [...this.#fired.values()].reduce((sum, count) => sum + count, 0);
    return [
      `${this.seeds} seeds`,
      `${(this.seeds / seconds).toFixed(0)} a second`,
      `${(this.#virtualMs / MS_PER_HOUR).toFixed(1)} virtual hours`,
      `${faults} faults`,
      `${this.failures} failures`,
    ].join(', ');
  }

  /** The seeds of each game, and the faults of each kind. */
  table(): string[] {
    const games = [...this.#games].map(([game, count]) => `${game} ${count}`);
    const kinds = [...this.#fired].filter(([, count]) => count > 0);
    const rows = kinds
      .sort(([, left], [, right]) => right - left)
      .map(([kind, count]) => `  ${kind.padEnd(22)} ${String(count).padStart(12)}`);
    return [`seeds: ${games.join(', ')}`, 'faults fired:', ...rows];
  }
}
