import { counted, formatCount } from '#src/base/number-format.js';
import type { LoadPoint } from './document.ts';

/** `50 connections`, `10 connections beside 1,000 idle ones`. */
export function loadPointWords({ connections, idleConnections }: LoadPoint): string {
  const busy = counted(connections, 'connection');
  if (idleConnections === 0) return busy;
  const idle = `${formatCount(idleConnections)} idle ${idleConnections === 1 ? 'one' : 'ones'}`;
  return `${busy} beside ${idle}`;
}

/** A reason, with the loops that it holds for. */
export interface Remark {
  readonly names: readonly string[];
  readonly words: string;
}

/** Merges remarks with the same words. */
export function together(remarks: readonly { name: string; words: string }[]): Remark[] {
  const byWords = new Map<string, string[]>();
  for (const { name, words } of remarks) {
    const names = byWords.get(words) ?? [];
    if (!names.includes(name)) names.push(name);
    byWords.set(words, names);
  }
  return [...byWords].map(([words, names]) => ({ names, words }));
}
