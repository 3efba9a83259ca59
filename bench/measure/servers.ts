import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MAIN } from '#tools/terminal/program.js';
import { compileC } from './c-compiler.ts';
import { cleanup, pinnedChild } from './pinned-child.ts';

/** The servers that are measured, by name, and the C programs compiled for the occasion. */

export const REFERENCE = 'c-epoll';
/** The reference a second time, in a process of its own: what they differ by is the noise. */
export const AGAIN = 'c-epoll-again';

const START_MS = 10_000;

export interface Programs {
  /** Where they lie, and where a peer may put what it compiles. Goes when the bench ends. */
  readonly folder: string;
  readonly echo: string;
  readonly load: string;
  readonly churn: string;
}

/** Compiles the C programs into a temporary folder. Throws where there is no C compiler. */
export function buildPrograms(): Programs {
  const folder = mkdtempSync(join(tmpdir(), 'sockloop-bench-'));
  cleanup.add(() => rmSync(folder, { recursive: true, force: true }));
  return {
    folder,
    echo: compileC(folder, 'peers/epoll-echo.c'),
    load: compileC(folder, 'load.c'),
    churn: compileC(folder, 'churn.c'),
  };
}

/** A server by its name, and how it is started. It prints `listening PORT`. */
export interface Contender {
  readonly name: string;
  readonly command: readonly string[];
  /** It is not asked to hold more than this. */
  readonly connectionsMax?: number;
}

/** Of the loops that cannot hold any number; the others get whatever is measured. */
const LOOP_CONNECTIONS_MAX: ReadonlyMap<string, number> = new Map([
  ['blocking', 1],
  // Descriptors above 1023 are beyond FD_SETSIZE.
  ['select', 900],
  // A worker thread of Node takes 9 MiB and 20 ms to start.
  ['threads', 64],
]);

/**
 * The contender of a specification: a name of ours (the reference's, or one that `--loop` takes),
 * or `NAME=COMMAND`, for any program that prints `listening PORT`.
 */
export function contenderOf(spec: string, programs: Programs): Contender {
  const name = specName(spec);
  if (name !== spec) return { name, command: spec.slice(name.length + 1).split(' ') };
  if (spec === REFERENCE || spec === AGAIN) return { name, command: [programs.echo, '0'] };
  const command = [process.execPath, MAIN, 'serve', '--loop', spec, '--port', '0'];
  const connectionsMax = LOOP_CONNECTIONS_MAX.get(spec);
  return connectionsMax === undefined ? { name, command } : { name, command, connectionsMax };
}

/** The name that a specification gives to its server. */
export function specName(spec: string): string {
  return spec.split('=', 1)[0] ?? spec;
}

export interface Server {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts a server and waits until it listens. Throws with its own words if it does not. */
export async function startServer({ name, command }: Contender): Promise<Server> {
  const child = pinnedChild('server', command);
  try {
    const port = await child.port(START_MS);
    return { name, pid: child.pid, port, stop: () => child.stop() };
  } catch (error) {
    await child.stop();
    throw error;
  }
}
