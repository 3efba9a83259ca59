import { spawnSync } from 'node:child_process';
import { type Command, Option } from 'commander';
import { ExpectedError, UsageError } from '../../terminal/exit.ts';

/** The flag of `serve` that gives up root. */
export interface UserFlag {
  readonly user?: string;
}

/** Whom a server becomes once it listens. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
  /** The name, whose further groups are taken; null where there are numbers only. */
  readonly name: string | null;
}

/** The largest user or group id: the one above means "leave it as it is". */
const ID_MAX = 2 ** 32 - 2;

/** initgroups(3), which the types of Node leave out. */
const { initgroups } = process as { initgroups?: (user: string, group: number) => void };

/** Adds the flag to `serve`. */
export function addUserFlag(command: Command): Command {
  const text = 'become this user once the sockets listen: a name, or UID:GID';
  return command.addOption(new Option('--user <user>', text));
}

/**
 * Whom `--user` names; null without it.
 *
 * Throws a UsageError for what is no user, and an ExpectedError where this process may not become
 * that user: before anything listens.
 */
export function serverUserOf({ user }: UserFlag): ServerUser | null {
  if (user === undefined) return null;
  const wanted = /^\d/.test(user) ? numbered(user) : named(user);
  const uid = process.geteuid?.();
  // A successor is started by a process that has become the user already.
  if (uid !== 0 && uid !== wanted.uid) {
    throw new ExpectedError(`cannot become ${user}: this process is of user ${uid}, not of root`);
  }
  return wanted;
}

/**
 * setgroups(2), setgid(2), setuid(2): gives up root for good, in all threads of the process. No
 * effect where it is that user already.
 */
export function become({ uid, gid, name }: ServerUser): void {
  if (process.geteuid?.() !== 0) return;
  if (name === null) process.setgroups?.([gid]);
  else initgroups?.call(process, name, gid);
  process.setgid?.(gid);
  process.setuid?.(uid);
  if (uid !== 0 && process.geteuid?.() !== uid) {
    throw new ExpectedError(`cannot become user ${uid}: setuid(2) has had no effect`);
  }
}

function numbered(text: string): ServerUser {
  const [, user, group] = /^(\d+):(\d+)$/.exec(text) ?? [];
  const [uid, gid] = [Number(user), Number(group)];
  if (uid <= ID_MAX && gid <= ID_MAX) return { uid, gid, name: null };
  throw new UsageError(`--user takes a name, or UID:GID as in 1000:1000, not "${text}"`);
}

/** id(1) asks whatever the system has: a file, LDAP. */
function named(name: string): ServerUser {
  if (!/^[a-z_][a-z0-9_.-]*\$?$/i.test(name)) {
    throw new UsageError(`--user takes a name, or UID:GID as in 1000:1000, not "${name}"`);
  }
  const [uid, gid] = [idOf('-u', name), idOf('-g', name)];
  return { uid, gid, name };
}

function idOf(flag: string, name: string): number {
  const { error, status, stdout } = spawnSync('id', [flag, name], { encoding: 'utf8' });
  if (error !== undefined) {
    throw new ExpectedError(
      `cannot look up the user ${name}: ${error.message}; UID:GID needs no id`,
    );
  }
  if (status !== 0) throw new UsageError(`--user names a user that there is not: ${name}`);
  return Number(stdout);
}
