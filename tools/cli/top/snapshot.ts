import type { Sample, Scraped } from '../../metrics/scraped.ts';

/** What a scrape tells of a thread: counts since it started. */
export interface ThreadCounts {
  readonly thread: string;
  readonly open: number;
  readonly accepted: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly queuedBytes: number;
  readonly turns: number;
  /** Measurements of the lag that were at most so many seconds late. */
  readonly lag: readonly { readonly seconds: number; readonly count: number }[];
}

/** What a scrape tells of a server. */
export interface Snapshot {
  /** On a monotonic clock. */
  readonly atMs: number;
  readonly loop: string;
  readonly mode: string;
  readonly draining: boolean;
  readonly threads: readonly ThreadCounts[];
  /** Connections that have ended, by why. */
  readonly ended: ReadonlyMap<string, number>;
  readonly shed: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly openDescriptors: number | null;
  /** For how long the process has run. */
  readonly upSeconds: number;
}

/** Null if the page is not that of `sockloop serve`. */
export function snapshotOf(metrics: Scraped, atMs: number): Snapshot | null {
  const info = metrics.get('sockloop_info')?.[0]?.labels;
  if (info === undefined) return null;
  const one = (name: string): number | null => metrics.get(name)?.[0]?.value ?? null;
  const names = (metrics.get('sockloop_connections_open') ?? []).map(({ labels }) => labels);
  const startSeconds = one('process_start_time_seconds') ?? 0;
  return {
    atMs,
    loop: info['loop'] ?? '',
    mode: info['mode'] ?? '',
    draining: one('sockloop_draining') === 1,
    threads: names.map(({ thread = '0' }) => threadOf(metrics, thread)),
    ended: endsOf(metrics.get('sockloop_connections_closed_total') ?? []),
    shed: sum(metrics.get('sockloop_connections_shed_total') ?? []),
    cpuSeconds: one('process_cpu_seconds_total') ?? 0,
    residentBytes: one('process_resident_memory_bytes') ?? 0,
    openDescriptors: one('process_open_fds'),
    upSeconds: Math.max(0, Date.now() / 1000 - startSeconds),
  };
}

function threadOf(metrics: Scraped, thread: string): ThreadCounts {
  const ofThread = (name: string): readonly Sample[] =>
    (metrics.get(`sockloop_${name}`) ?? []).filter(({ labels }) => labels['thread'] === thread);
  const value = (name: string): number => ofThread(name)[0]?.value ?? 0;
  return {
    thread,
    open: value('connections_open'),
    accepted: value('connections_accepted_total'),
    receivedBytes: value('received_bytes_total'),
    sentBytes: value('sent_bytes_total'),
    queuedBytes: value('queued_bytes'),
    turns: value('loop_turns_total'),
    lag: ofThread('loop_lag_seconds_bucket').map(({ labels, value: count }) => {
      const limit = labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le']);
      return { seconds: limit, count };
    }),
  };
}

function endsOf(samples: readonly Sample[]): Map<string, number> {
  const ends = new Map<string, number>();
  for (const { labels, value } of samples) {
    const { reason = '' } = labels;
    ends.set(reason, (ends.get(reason) ?? 0) + value);
  }
  return ends;
}

function sum(samples: readonly Sample[]): number {
  return samples.reduce((total, { value }) => total + value, 0);
}
