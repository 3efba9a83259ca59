// What a process that starts a service passes on in the environment: sd_listen_fds(3), sd_notify(3)
// and sd_watchdog_enabled(3), and what stands in for it where a service starts its own successor.

/** The first of the descriptors that are passed on: SD_LISTEN_FDS_START. */
export const FIRST_FD = 3;

/** How many descriptors, for which process, and their names. */
export const LISTEN_FDS = 'LISTEN_FDS';
export const LISTEN_PID = 'LISTEN_PID';
export const LISTEN_FDNAMES = 'LISTEN_FDNAMES';

/** Where systemd, or another supervisor, takes notifications. */
export const NOTIFY_SOCKET = 'NOTIFY_SOCKET';

/** How often it wants to hear of the service, and of which process. */
export const WATCHDOG_USEC = 'WATCHDOG_USEC';
export const WATCHDOG_PID = 'WATCHDOG_PID';

/**
 * The process that this one succeeds, instead of LISTEN_PID: a program cannot know the number of a
 * process before it has started it.
 */
export const PREDECESSOR = 'SOCKLOOP_PREDECESSOR';
/** The descriptor on which to tell it. */
export const READY_FD = 'SOCKLOOP_READY_FD';

/** The variables, as `process.env` holds them. */
export type Environment = Record<string, string | undefined>;

/** A whole number of a variable, 0 and up; null where it is none. */
export function wholeNumber(text: string | undefined): number | null {
  if (text === undefined || !/^\d{1,15}$/.test(text)) return null;
  return Number(text);
}
