/**
 * Commands under the conditions of a container, without an engine: process 1 of namespaces of its
 * own, a read-only root, a user and no capabilities, and the io_uring calls refused as by the
 * default profile of Docker and Podman.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type Command, eventually, type Scope, start } from './command.ts';
import { reasonWithout, reasonWithoutProc, scratch } from './other-programs.ts';
import { quoted, refusingRings, root } from './programs.ts';

/** The user of a container that root starts. Others start one as themselves. */
const USER = 65_532;

const isRoot = process.getuid?.() === 0;

/** Where things are in a container. The project keeps its path: commands name it. */
const MOUNTED = ['/usr', '/bin', '/lib', '/lib64', '/etc/ld.so.cache', '/etc/ld.so.conf.d'];
const DEVICES = ['null', 'zero', 'urandom', 'random'];

/** What a container may take. */
export interface ContainerLimits {
  /** RLIMIT_NOFILE and RLIMIT_MEMLOCK, soft and hard; those of this process if left out. */
  readonly files?: number;
  readonly lockedBytes?: number;
  /** False to leave the calls of io_uring alone. */
  readonly filtered?: boolean;
}

/** A command in a container. */
export interface Container {
  readonly command: Command;
  /** The process that is process 1 of its namespace, as seen from outside. */
  readonly pid: number;
}

/** Starts `words` in a container that is made in a directory of its own. */
export async function startInContainer(
  scope: Scope,
  words: readonly string[],
  limits: ContainerLimits = {},
): Promise<Container> {
  const place = scratch(scope);
  // What this process is told by its environment is not there.
  const env = { PATH: process.env['PATH'] };
  const command = start(scope, containerWords(place, words, limits), { env });
  // Its parent is unshare(1), which waits for it.
  const children = `/proc/${command.pid}/task/${command.pid}/children`;
  let pid = 0;
  await eventually(() => {
    pid = Number(readFileSync(children, 'utf8').trim());
    assert.ok(pid > 0, `no process in the container: ${command.err}`);
  });
  return { command, pid };
}

/** `words` in the network of a container: a client beside it. */
export function besideContainer({ pid }: Container, words: readonly string[]): string[] {
  const user = isRoot ? [] : ['--user', '--preserve-credentials'];
  return ['nsenter', '--target', `${pid}`, '--net', ...user, ...words];
}

/** `words` among the processes of a container, as an engine's `exec` starts them. */
export function insideContainer({ pid }: Container, words: readonly string[]): string[] {
  const user = isRoot ? [] : ['--user', '--preserve-credentials'];
  return ['nsenter', '--target', `${pid}`, '--net', '--pid', ...user, ...words];
}

function containerWords(
  place: string,
  words: readonly string[],
  { files, lockedBytes, filtered = true }: ContainerLimits,
): string[] {
  const limited = [
    'prlimit',
    ...(files === undefined ? [] : [`--nofile=${files}:${files}`]),
    ...(lockedBytes === undefined ? [] : [`--memlock=${lockedBytes}:${lockedBytes}`]),
  ];
  const user = isRoot ? [`--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'] : [];
  const none = ['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--no-new-privs'];
  return [
    'unshare',
    ...(isRoot ? [] : ['--map-root-user']),
    ...['--mount', '--pid', '--fork', '--kill-child', '--net', '--ipc', '--uts', '--cgroup'],
    ...['sh', '-ec', mountScript(place), 'sh'],
    ...limited,
    ...['chroot', place, 'setpriv', ...user, ...none],
    ...(filtered ? refusingRings('EPERM') : []),
    ...words,
  ];
}

/** Makes `place` a root that nothing can be written to but /tmp, and runs "$@". */
function mountScript(place: string): string {
  const bind = (path: string): string => {
    const [from, to] = [quoted([path]), quoted([`${place}${path}`])];
    const file = `mkdir -p "$(dirname ${to})"; : > ${to}`;
    return [
      `if [ -d ${from} ]; then mkdir -p ${to}; elif [ -e ${from} ]; then ${file}; fi`,
      `if [ -e ${from} ]; then`,
      `mount --bind ${from} ${to}; mount -o remount,bind,ro ${to}`,
      'fi',
    ].join('\n');
  };
  const bound = [...MOUNTED, root.replace(/\/$/, ''), process.execPath];
  return [
    'ip link set lo up',
    `mount -t tmpfs -o mode=755 tmpfs ${quoted([place])}`,
    `cd ${quoted([place])}`,
    'mkdir proc dev tmp',
    ...bound.filter((path, index) => !isBelow(path, bound.slice(0, index))).map(bind),
    ...DEVICES.map((name) => `: > dev/${name}; mount --bind /dev/${name} dev/${name}`),
    'mount -t proc proc proc',
    // A project below /tmp is a mount of its own there.
    ...(root.startsWith('/tmp/') ? [] : ['mount -t tmpfs -o size=16m,mode=1777 tmpfs tmp']),
    'mount -o remount,bind,ro .',
    'exec "$@"',
  ].join('\n');
}

function isBelow(path: string, parents: readonly string[]): boolean {
  return parents.some((parent) => path.startsWith(`${parent}/`));
}

/** Why a test that needs a container is left out, or false. In CI it never is. */
export const reasonWithoutContainers =
  reasonWithoutProc ||
  reasonWithout('unshare', 'nsenter', 'setpriv', 'prlimit', 'chroot', 'ip', 'mount', 'python3') ||
  refusal();

function refusal(): string | false {
  if (process.env['CI'] !== undefined) return false;
  const user = isRoot ? [] : ['--map-root-user'];
  const made = ['--mount', '--pid', '--fork', '--net', 'mount', '-t', 'tmpfs', 'none', '/mnt'];
  if (spawnSync('unshare', [...user, ...made]).status === 0) return false;
  return 'unshare(1) cannot make the namespaces of a container here';
}
