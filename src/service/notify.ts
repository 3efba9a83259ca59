import { requireObject, requireText, requireWhole, wrongValue } from '../base/arguments.ts';
import { monotonicUsec } from '../sys/thread-clock.ts';
import { NOTIFY_SOCKET } from './environment.ts';
import { sendNotification } from './notify-socket.ts';
import { tellPredecessor } from './predecessor.ts';

/** What a service tells its supervisor. */
export interface Notification {
  /** It serves. A predecessor that has started it hears of this too. */
  readonly ready?: boolean;
  /** It reloads; `ready` follows when that is done. The time is told too (MONOTONIC_USEC). */
  readonly reloading?: boolean;
  /** It ends. */
  readonly stopping?: boolean;
  /** What it does, in one line: `systemctl status` shows it. */
  readonly status?: string;
  /** It lives: see {@link startWatchdog}. */
  readonly watchdog?: boolean;
  /** The process that serves from now on. */
  readonly mainPid?: number;
  /** Descriptors that the supervisor keeps, and passes on when the service is started again. */
  readonly store?: {
    /** 1 to 253 descriptors, which stay the caller's too. */
    readonly fds: readonly number[];
    /** Their name, for `listenFds`: printable characters without a colon, at most 255. */
    readonly name?: string;
  };
  /** The name of stored descriptors to forget. */
  readonly unstore?: string;
}

/**
 * sd_notify(3): tells the supervisor of this process, systemd say, what the process does.
 *
 * @param notification what to tell; several things go in one message.
 * @returns true if it was told, false where nobody wants to hear (`NOTIFY_SOCKET` is not set).
 * @throws SysError `ECONNREFUSED`, `ENOENT` where nobody listens on that socket; a service goes on
 *   then. `EBADF` for a descriptor that is not open.
 * @throws TypeError, RangeError for a value of a wrong type, a status of several lines, a wrong
 *   name, or a `NOTIFY_SOCKET` that is neither a path nor an abstract name.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { notify } from 'sockloop/service';
 *
 * const isHeard = notify({ ready: true, status: 'serves on port 7007' });
 * assert.equal(isHeard, process.env['NOTIFY_SOCKET'] !== undefined);
 * ```
 */
export function notify(notification: Notification): boolean {
  requireObject('a notification', notification);
  const lines = linesOf(notification);
  if (notification.ready === true) tellPredecessor();
  const place = process.env[NOTIFY_SOCKET];
  if (place === undefined || place === '' || lines.length === 0) return false;
  const fds = notification.store?.fds ?? [];
  sendNotification(place, lines.map((line) => `${line}\n`).join(''), fds);
  return true;
}

/** The lines of a notification. Throws for what they cannot hold. */
function linesOf(notification: Notification): string[] {
  const { ready, reloading, stopping, status, watchdog, mainPid, store, unstore } = notification;
  const lines: string[] = [];
  if (reloading === true) lines.push('RELOADING=1', `MONOTONIC_USEC=${monotonicUsec()}`);
  if (ready === true) lines.push('READY=1');
  if (stopping === true) lines.push('STOPPING=1');
  if (watchdog === true) lines.push('WATCHDOG=1');
  if (status !== undefined) lines.push(`STATUS=${oneLine(status)}`);
  if (mainPid !== undefined) {
    requireWhole('a process', mainPid, 1, 2 ** 31 - 1);
    lines.push(`MAINPID=${mainPid}`);
  }
  if (store !== undefined) {
    requireObject('store', store);
    lines.push('FDSTORE=1');
    if (store.name !== undefined) lines.push(`FDNAME=${descriptorName(store.name)}`);
  }
  if (unstore !== undefined) lines.push('FDSTOREREMOVE=1', `FDNAME=${descriptorName(unstore)}`);
  if (store !== undefined && unstore !== undefined) {
    throw new RangeError('a notification stores descriptors or forgets some, not both');
  }
  return lines;
}

function oneLine(status: string): string {
  requireText('a status', status);
  if (/[\n\0]/.test(status)) throw wrongValue(status, 'a status is one line');
  return status;
}

/** A name as systemd takes it; it ignores others. */
export function descriptorName(name: string): string {
  requireText('a name', name);
  if (/^[\x20-\x39\x3b-\x7e]{1,255}$/.test(name)) return name;
  throw wrongValue(name, 'a name has 1 to 255 printable characters, and no colon');
}
