/** The errors of a thread that cannot start, with their remedies. */
const REMEDIES: Readonly<Record<string, string>> = {
  EAGAIN:
    'EAGAIN (no more threads): raise the limit of processes (ulimit -u), or take fewer threads',
  EMFILE: 'EMFILE (too many open files): raise the limit (ulimit -n), or take fewer threads',
  ENOMEM: 'ENOMEM (cannot allocate memory): take fewer threads',
};

/**
 * Why a thread could not start. Node throws an Error whose message is the name of an errno
 * (`EAGAIN`), or contains it.
 */
export function threadReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const [code = ''] = /\bE(?:AGAIN|MFILE|NOMEM)\b/.exec(message) ?? [];
  return REMEDIES[code] ?? message;
}
