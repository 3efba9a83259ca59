// What a failed accept(2) means for a server, by the code of the error.

/** The connection went away while it waited in the queue: accept(2), section Errors. */
export const TRANSIENT: ReadonlySet<string> = new Set([
  'ECONNABORTED',
  'EPROTO',
  'ENETDOWN',
  'ENOPROTOOPT',
  'EHOSTDOWN',
  'ENONET',
  'EHOSTUNREACH',
  'EOPNOTSUPP',
  'ENETUNREACH',
]);

/** There is nothing left to accept a connection with, or (ENOSPC) to wait for one with. */
export const EXHAUSTED: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'ENOSPC',
]);
