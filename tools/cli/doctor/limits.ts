import type { Sys } from 'sockloop/sys';
import { openFilesLimit } from '#src/sys/rlimit.js';
import { readProcFile, readProcNumber, readProcNumbers } from '../../measure/proc.ts';

/** A limit of this machine that affects a server. */
export interface LimitFacts {
  /** Under its own name: `net.core.somaxconn`. */
  readonly name: string;
  /** Null without a limit, or if it was not read. */
  readonly value: number | null;
  readonly state: 'read' | 'unlimited' | 'not read';
  /** What it means for a server. */
  readonly meaning: string;
}

/** The limits that this platform reports without running a program. */
export function limitFacts(sys: Sys): LimitFacts[] {
  const system = sys.abi.platform.startsWith('linux-') ? linuxLimits() : bsdLimits();
  return [...openFiles(sys), ...system, fdSetSize(sys)];
}

function openFiles(sys: Sys): LimitFacts[] {
  const { soft, hard } = openFilesLimit(sys);
  return [
    limit(
      'RLIMIT_NOFILE soft',
      soft,
      'descriptors of this process, as Node has lifted it: one for each connection, 4 for each ' +
        'thread, some 20 of its own',
    ),
    limit('RLIMIT_NOFILE hard', hard, 'as far as it can be lifted: ulimit -Hn, limits.conf(5)'),
  ];
}

function linuxLimits(): LimitFacts[] {
  const sysctl = (name: string, meaning: string): LimitFacts =>
    limitOrNotRead(name, readProcNumber(`/proc/sys/${name.replaceAll('.', '/')}`), meaning);
  const threads = [
    sysctl('kernel.threads-max', 'threads of the whole system; a server takes one per client'),
    ...processLimit(),
    ...cgroupLimit(),
    ...lockedMemoryLimit(),
  ];
  return [
    sysctl('net.core.somaxconn', 'connections that may wait to be accepted, for each listener'),
    sysctl('net.ipv4.tcp_max_syn_backlog', 'handshakes that may be under way, for each listener'),
    portRange(),
    ...threads,
  ];
}

function portRange(): LimitFacts {
  const name = 'net.ipv4.ip_local_port_range';
  const [first, last] = readProcNumbers(`/proc/sys/${name.replaceAll('.', '/')}`) ?? [];
  if (first === undefined || last === undefined) return limitOrNotRead(name, null, '');
  return limit(
    name,
    last - first + 1,
    `ports ${first} to ${last}: connections that one source address can make to one port`,
  );
}

/** RLIMIT_NPROC, which counts threads. */
function processLimit(): LimitFacts[] {
  const text = readProcFile('/proc/self/limits') ?? '';
  const soft = /^Max processes\s+(\S+)/m.exec(text)?.[1];
  if (soft === undefined) return [];
  const value = soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
  return [limit('RLIMIT_NPROC soft', value, 'threads of this user: ulimit -u')];
}

/** RLIMIT_MEMLOCK, in the unit of the shell. */
function lockedMemoryLimit(): LimitFacts[] {
  const text = readProcFile('/proc/self/limits') ?? '';
  const soft = /^Max locked memory\s+(\S+)/m.exec(text)?.[1];
  if (soft === undefined) return [];
  const value = soft === 'unlimited' ? Number.POSITIVE_INFINITY : Math.floor(Number(soft) / 1024);
  const meaning =
    'KiB that this user may lock, unless root: an io_uring takes 56, or 16 of what is left, and ' +
    'auto takes epoll beyond: ulimit -l';
  return [limit('RLIMIT_MEMLOCK soft', value, meaning)];
}

/** The pids controller of cgroups(7), version 1 or 2. */
function cgroupLimit(): LimitFacts[] {
  const groups = readProcFile('/proc/self/cgroup') ?? '';
  const v1 = /^\d+:(?:[^:]*,)?pids(?:,[^:]*)?:(.*)$/m.exec(groups)?.[1];
  const v2 = /^0::(.*)$/m.exec(groups)?.[1];
  const files = [
    ...(v1 === undefined ? [] : [`/sys/fs/cgroup/pids${v1}/pids.max`]),
    ...(v2 === undefined ? [] : [`/sys/fs/cgroup${v2}/pids.max`, '/sys/fs/cgroup/pids.max']),
  ];
  for (const file of files) {
    const value = readProcNumber(file);
    if (value !== null) return [limit('cgroup pids.max', value, 'threads of this container')];
  }
  return [];
}

/** The BSDs report these by sysctl(3) only, which is not bound. */
function bsdLimits(): LimitFacts[] {
  const sysctl = (name: string, meaning: string): LimitFacts => limitOrNotRead(name, null, meaning);
  return [
    sysctl('kern.ipc.somaxconn', 'connections that may wait to be accepted, for each listener'),
    sysctl('net.inet.ip.portrange.first', 'the first port for connections of this machine'),
    sysctl('net.inet.ip.portrange.last', 'the last one: together, how many one address can make'),
    sysctl('kern.maxfiles', 'descriptors of the whole system'),
  ];
}

function fdSetSize(sys: Sys): LimitFacts {
  const meaning = 'descriptors that select(2) can hold; --loop select refuses those above';
  return limit('FD_SETSIZE', sys.abi.constants.FD_SETSIZE, meaning);
}

function limit(name: string, value: number, meaning: string): LimitFacts {
  if (value === Number.POSITIVE_INFINITY) return { name, value: null, state: 'unlimited', meaning };
  return { name, value, state: 'read', meaning };
}

function limitOrNotRead(name: string, value: number | null, meaning: string): LimitFacts {
  if (value !== null) return limit(name, value, meaning);
  const remedy = `ask with: sysctl ${name}`;
  const words = meaning === '' ? remedy : `${meaning}; ${remedy}`;
  return { name, value: null, state: 'not read', meaning: words };
}
