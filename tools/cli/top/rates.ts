import type { Snapshot, ThreadCounts } from './snapshot.ts';

/** What a thread, or all of them, did between two scrapes. */
export interface Rates {
  readonly thread: string;
  readonly open: number;
  readonly accepted: number;
  readonly acceptedPerSecond: number;
  readonly inPerSecond: number;
  readonly outPerSecond: number;
  readonly queuedBytes: number;
  readonly turnsPerSecond: number;
  /** Of the lag; null where nothing was measured. */
  readonly lagP50Us: number | null;
  readonly lagP99Us: number | null;
}

/** The figures of one look at a server. */
export interface Figures {
  readonly now: Snapshot;
  readonly all: Rates;
  readonly threads: readonly Rates[];
  /** Of one core. */
  readonly cpuShare: number;
}

export function figuresOf(before: Snapshot, now: Snapshot): Figures {
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1000);
  const earlier = new Map(before.threads.map((counts) => [counts.thread, counts]));
  const pairs = now.threads.map((counts): [ThreadCounts, ThreadCounts] => {
    const then = earlier.get(counts.thread);
    // A thread that was replaced counts anew.
    const isSame = then !== undefined && then.turns <= counts.turns;
    return [isSame ? then : { ...nothing(counts.thread) }, counts];
  });
  const sumOf = (counts: readonly ThreadCounts[]): ThreadCounts =>
    counts.reduce(added, nothing('all'));
  const befores = pairs.map(([then]) => then);
  return {
    now,
    all: ratesOf(sumOf(befores), sumOf(now.threads), seconds),
    threads: pairs.map(([then, counts]) => ratesOf(then, counts, seconds)),
    cpuShare: Math.max(0, now.cpuSeconds - before.cpuSeconds) / seconds,
  };
}

function ratesOf(then: ThreadCounts, now: ThreadCounts, seconds: number): Rates {
  const rate = (from: number, to: number): number => Math.max(0, to - from) / seconds;
  const lag = now.lag.map(({ seconds: limit, count }, index) => {
    return { limit, count: count - (then.lag[index]?.count ?? 0) };
  });
  return {
    thread: now.thread,
    open: now.open,
    accepted: now.accepted,
    acceptedPerSecond: rate(then.accepted, now.accepted),
    inPerSecond: rate(then.receivedBytes, now.receivedBytes),
    outPerSecond: rate(then.sentBytes, now.sentBytes),
    queuedBytes: now.queuedBytes,
    turnsPerSecond: rate(then.turns, now.turns),
    lagP50Us: quantileUs(lag, 0.5),
    lagP99Us: quantileUs(lag, 0.99),
  };
}

/** As histogram_quantile of Prometheus: linear within the bucket. */
function quantileUs(
  lag: readonly { readonly limit: number; readonly count: number }[],
  share: number,
): number | null {
  const total = lag.at(-1)?.count ?? 0;
  if (total <= 0) return null;
  const wanted = share * total;
  let [low, below] = [0, 0];
  for (const { limit, count } of lag) {
    if (count >= wanted) {
      if (limit === Number.POSITIVE_INFINITY) return low * 1e6;
      const part = count === below ? 1 : (wanted - below) / (count - below);
      return (low + (limit - low) * part) * 1e6;
    }
    [low, below] = [limit, count];
  }
  return low * 1e6;
}

function nothing(thread: string): ThreadCounts {
  const counts = { open: 0, accepted: 0, receivedBytes: 0, sentBytes: 0, queuedBytes: 0, turns: 0 };
  return { thread, ...counts, lag: [] };
}

function added(sum: ThreadCounts, more: ThreadCounts): ThreadCounts {
  return {
    thread: sum.thread,
    open: sum.open + more.open,
    accepted: sum.accepted + more.accepted,
    receivedBytes: sum.receivedBytes + more.receivedBytes,
    sentBytes: sum.sentBytes + more.sentBytes,
    queuedBytes: sum.queuedBytes + more.queuedBytes,
    turns: sum.turns + more.turns,
    lag: more.lag.map(({ seconds, count }, index) => {
      return { seconds, count: count + (sum.lag[index]?.count ?? 0) };
    }),
  };
}
