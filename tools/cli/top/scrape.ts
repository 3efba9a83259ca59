import { nativeSys } from 'sockloop/sys';
import { parseExposition } from '../../metrics/scraped.ts';
import { ExpectedError } from '../../terminal/exit.ts';
import { type Snapshot, snapshotOf } from './snapshot.ts';

/** Looks at a server once. Rejects with an ExpectedError if it does not answer within `limitMs`. */
export async function scrape(url: string, limitMs: number): Promise<Snapshot> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(limitMs) });
    text = await response.text();
  } catch (error) {
    throw new ExpectedError(`cannot read the metrics at ${url}: ${reasonOf(error, limitMs)}`);
  }
  const snapshot = response.ok
    ? snapshotOf(parseExposition(text), nativeSys().monotonicMs())
    : null;
  if (snapshot !== null) return snapshot;
  const what = response.ok ? 'not a page of sockloop serve' : `status ${response.status}`;
  throw new ExpectedError(`cannot read the metrics at ${url}: ${what}`);
}

/** The reason of fetch() lies in the cause of its error. */
function reasonOf(error: unknown, limitMs: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer within ${limitMs} ms`;
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  return cause.message === '' ? code || error.message : cause.message;
}
