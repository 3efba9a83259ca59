/** The parts of a table of constants and layouts, and what Linux has in it from libkqueue. */

import type { Abi, StructLayout } from '#src/sys/abi/abi.js';

/**
 * What the tables of Linux have from libkqueue 2.7: no header of the system has it. The numbers are
 * the same on both BSDs, EVFILT_USER is FreeBSD's, and the structure is that of macOS.
 */
export const LIBKQUEUE_CONSTANTS: ReadonlySet<string> = new Set([
  'EVFILT_READ',
  'EVFILT_WRITE',
  'EVFILT_TIMER',
  'EVFILT_USER',
  'EV_ADD',
  'EV_DELETE',
  'EV_ENABLE',
  'EV_DISABLE',
  'EV_ONESHOT',
  'EV_CLEAR',
  'EV_RECEIPT',
  'EV_DISPATCH',
  'EV_ERROR',
  'EV_EOF',
  'NOTE_FFNOP',
  'NOTE_TRIGGER',
]);
export const LIBKQUEUE_STRUCTS: ReadonlySet<string> = new Set(['kevent']);

export function structsOf(abi: Abi): [string, StructLayout][] {
  return Object.entries({ ...abi.structs, ...abi.ioUring?.structs });
}

export function constantsOf(abi: Abi): Record<string, number> {
  return { ...abi.constants, ...abi.options, ...abi.ioUring?.constants };
}
