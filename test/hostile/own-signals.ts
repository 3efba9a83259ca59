/** The signals that a server under attack handles, since preload.ts is imported ahead of it. */

/** Does nothing but interrupt. */
export const INTERRUPTING = 'SIGWINCH';

/** Sets its wall clock forward or back. */
export const CLOCK_STEPPING = 'SIGURG';
