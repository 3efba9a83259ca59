/** What to do about the errors that say that there can be no more threads. */
const REMEDIES: Readonly<Record<string, string>> = {
  EAGAIN:
    'EAGAIN (no more threads): raise the limit of processes (ulimit -u), or take fewer threads',
  EMFILE: 'EMFILE (too many open files): raise the limit (ulimit -n), or take fewer threads',
  ENOMEM: 'ENOMEM (cannot allocate memory): take fewer threads',
};

/**
 * Why a thread could not be started, in words. Node throws an Error whose message is the name of an
 * errno (`EAGAIN`), or a longer one that contains it.
 */
export function threadReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const [code = ''] = /\bE(?:AGAIN|MFILE|NOMEM)\b/.exec(message) ?? [];
  return REMEDIES[code] ?? message;
}
