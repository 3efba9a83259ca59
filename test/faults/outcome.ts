/** What a cell has come to. */
export interface CellOutcome {
  /** `retried`, `closed with its reason`, `exit 1`, `fell back`, ..., or one that is forbidden. */
  readonly word: string;
  /** Whether it must not be. */
  readonly forbidden: boolean;
  /** What the program said, or what was seen. */
  readonly detail: string;
}

export function allowed(word: string, detail = ''): CellOutcome {
  return { word, forbidden: false, detail };
}

export function forbidden(word: string, detail: string): CellOutcome {
  return { word, forbidden: true, detail };
}

/** The words of allowed outcomes, which the page explains. */
export const OUTCOMES: Readonly<Record<string, string>> = {
  served: 'no client noticed, and the program said nothing',
  'served, said': 'no client noticed, and standard error or the report names the error',
  waited: 'clients waited for as long as every call failed, and were served then',
  closed:
    'a connection was closed, standard error or the report names the error, and others were served',
  counted: 'datagrams were not answered, and the last words of the server count each of them',
  'exit 1': 'the program said what it could not do, and why, and ended with status 1',
  'not met': 'the call was not made so often: each thread of a pool counts its own',
};

interface ProgramEnd {
  readonly status: number | null;
  readonly signal: string | null;
  readonly err: string;
}

/** A program that ended: with status 1 and a sentence that names the errno, or it is a defect. */
export function endOf({ status, signal, err }: ProgramEnd, fault: string): CellOutcome {
  const detail = err.trim().split('\n').slice(-3).join(' / ').slice(0, 400);
  const how = signal ?? `status ${status}`;
  if (status !== 1) return forbidden('crash', `${how}: ${detail}`);
  if (/\n\s+at /.test(err)) return forbidden('stack', detail);
  if (!err.includes(fault)) return forbidden('no reason', `${how}: ${detail}`);
  return allowed('exit 1', detail);
}

/** A program that ended ahead of the call that was to fail: it needs none, or it is a defect. */
export function endAhead(end: ProgramEnd): CellOutcome {
  if (end.status === 0) return allowed('not met');
  return forbidden('crash', `${end.signal ?? end.status}: ${end.err.trim().slice(-300)}`);
}
