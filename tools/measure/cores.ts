import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { readProcFile } from './proc.ts';

/** Where servers and client are to run. */
export interface Cores {
  /** In words, for the summary. */
  readonly words: string;
  /** Gives this process its core, all its threads. Throws an Error where that fails. */
  pinClient(): void;
  /** Gives a server its core. Throws an Error where that fails. */
  pinServer(pid: number): void;
}

const TOOL_MS_MAX = 5000;

/**
 * One core for the servers, which are busy one at a time, and another one for this process, where
 * there are two and taskset(1) is there: else a process pays for the core that the other one takes.
 */
export function findCores(): Cores {
  try {
    const { server, client } = corePair();
    return {
      words: `servers on core ${server}, client on core ${client}`,
      pinClient: () => pin(client, process.pid),
      pinServer: (pid) => pin(server, pid),
    };
  } catch (error) {
    const available = availableParallelism();
    const cores = available === 1 ? 'one core' : `${available} cores`;
    const why = error instanceof Error ? error.message : String(error);
    const words = `servers and client share ${cores}: ${why}`;
    return { words, pinClient: () => undefined, pinServer: () => undefined };
  }
}

/** All cores for servers of several threads, which the client shares with them. */
export function sharedCores(threads: number): Cores {
  return {
    words: `servers of ${threads} threads, which share the cores with the client`,
    pinClient: () => undefined,
    pinServer: () => undefined,
  };
}

/** A core for the servers and another one for the client. Throws an Error where there are none. */
export function corePair(): { readonly server: number; readonly client: number } {
  const [server, client] = availableParallelism() < 2 ? [] : twoOf(allowedCores());
  if (server === undefined || client === undefined) throw new Error('there is no other one');
  return { server, client };
}

function twoOf(cores: readonly number[]): readonly [server?: number, client?: number] {
  const [server, ...others] = cores;
  if (server === undefined) return [];
  // Two threads of one core are not two cores.
  const list = `/sys/devices/system/cpu/cpu${server}/topology/thread_siblings_list`;
  const siblings = coresIn(readProcFile(list) ?? '');
  const client = others.find((core) => !siblings.includes(core)) ?? others[0];
  return client === undefined ? [server] : [server, client];
}

/** The cores that this process may use. Throws an Error where that is unknown. */
function allowedCores(): number[] {
  return coresIn(/list: (\S+)/.exec(taskset('-c', '-p', `${process.pid}`))?.[1] ?? '');
}

function pin(core: number, pid: number): void {
  taskset('-a', '-c', '-p', `${core}`, `${pid}`);
}

function taskset(...words: string[]): string {
  const { status, stdout, stderr, error } = spawnSync('taskset', words, {
    encoding: 'utf8',
    timeout: TOOL_MS_MAX,
  });
  if (status === 0) return stdout;
  const code = error !== undefined && 'code' in error ? error.code : null;
  if (code === 'ENOENT') throw new Error('taskset is not installed');
  if (code === 'EAGAIN') {
    throw new Error('taskset could not be started: raise the limit of processes (ulimit -u)');
  }
  throw new Error(`taskset failed: ${error?.message ?? stderr.trim().split('\n')[0] ?? ''}`);
}

/** `0-3,8` as numbers. */
export function coresIn(list: string): number[] {
  if (!/^\d/.test(list)) return [];
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
}
