import type { RefusalCounts } from './reply-guard.ts';

/** What a server of datagrams has done. */
export interface DatagramTotals {
  received: number;
  receivedBytes: number;
  sent: number;
  sentBytes: number;
  /** Not answered on purpose. */
  readonly refused: RefusalCounts;
  /** Not answered because the sender has no name: a UNIX socket that is not bound. */
  nameless: number;
  /** Answers that the kernel did not take, or that found the queue full. */
  unsent: number;
  /** Dropped by the kernel because nobody took them in time, as far as it has told. */
  droppedByKernel: number;
}

export function newDatagramTotals(refused: RefusalCounts): DatagramTotals {
  return {
    received: 0,
    receivedBytes: 0,
    sent: 0,
    sentBytes: 0,
    refused,
    nameless: 0,
    unsent: 0,
    droppedByKernel: 0,
  };
}

/** `1 refused for its port, 12 beyond the rate`; null where all was answered. */
export function unansweredWords(totals: DatagramTotals): string | null {
  const { port, rate, rateInAll } = totals.refused;
  const parts = [
    [port, 'from the port of a service'],
    [rate, 'beyond the rate of their address'],
    [rateInAll, 'beyond the rate in all'],
    [totals.nameless, 'from a socket without a name'],
    [totals.unsent, 'that the kernel did not take'],
    [totals.droppedByKernel, 'dropped by the kernel: they came faster than they were taken'],
  ] as const;
  const words = parts.flatMap(([count, why]) => (count === 0 ? [] : [`${count} ${why}`]));
  return words.length === 0 ? null : `not answered: ${words.join('; ')}`;
}
