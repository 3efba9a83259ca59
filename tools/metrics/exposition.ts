/** The content type of the text format, version 0.0.4: every scraper reads it. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** The labels of a sample. */
type Labels = Readonly<Record<string, string | number>>;

/** A histogram as the text format has it: counts of what is at most so much. */
export interface CumulativeCounts {
  readonly count: number;
  readonly sum: number;
  readonly atMost: readonly { readonly limit: number; readonly count: number }[];
}

/**
 * The text format of Prometheus, written at once from numbers that are counted elsewhere. Samples
 * of one name come together, behind its help and type.
 */
export class Exposition {
  readonly #lines: string[] = [];

  /** Begins a metric; its samples follow. */
  metric(type: 'counter' | 'gauge' | 'histogram', name: string, help: string): void {
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  }

  sample(name: string, labels: Labels, value: number): void {
    this.#lines.push(`${name}${labelText(labels)} ${numberText(value)}`);
  }

  /** The samples of a histogram. */
  counts(name: string, labels: Labels, { count, sum, atMost }: CumulativeCounts): void {
    for (const { limit, count: below } of atMost) {
      this.sample(`${name}_bucket`, { ...labels, le: numberText(limit) }, below);
    }
    this.sample(`${name}_bucket`, { ...labels, le: '+Inf' }, count);
    this.sample(`${name}_sum`, labels, sum);
    this.sample(`${name}_count`, labels, count);
  }

  get text(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(`${value}`)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function numberText(value: number): string {
  return value === Number.POSITIVE_INFINITY ? '+Inf' : String(value);
}
