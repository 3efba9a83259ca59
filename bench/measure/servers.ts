import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { atEnd } from './at-end.ts';
import { Child } from './child.ts';
import { SERVER_CORE } from './machine.ts';

/** The servers that are measured, by name, and the C programs compiled for the occasion. */

export const REFERENCE = 'c-epoll';
/** The reference a second time, in a process of its own: what they differ by is the noise. */
export const AGAIN = 'c-epoll-again';

const START_MS = 10_000;
const CLI = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

export interface Programs {
  readonly folder: string;
  readonly echo: string;
  readonly load: string;
}

/** Compiles the C programs into a temporary folder, which goes when the bench ends. */
export function buildPrograms(): Programs {
  const folder = mkdtempSync(join(tmpdir(), 'sockloop-bench-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const compile = (name: string, source: string): string => {
    const program = join(folder, name);
    const path = fileURLToPath(new URL(`../../../bench/${source}`, import.meta.url));
    execFileSync(process.env['CC'] ?? 'cc', ['-O2', '-o', program, path], { stdio: 'inherit' });
    return program;
  };
  return {
    folder,
    echo: compile('epoll-echo', 'peers/epoll-echo.c'),
    load: compile('load', 'load.c'),
  };
}

/**
 * How a server is started. A specification is a name of ours (the reference's, or what `--loop`
 * takes), or `NAME=COMMAND`, for any program that prints `listening PORT`.
 */
function commandOf(spec: string, programs: Programs): readonly string[] {
  const name = specName(spec);
  if (name !== spec) return spec.slice(name.length + 1).split(' ');
  if (spec === REFERENCE || spec === AGAIN) return [programs.echo, '0'];
  return [process.execPath, CLI, 'serve', '--loop', spec, '--port', '0'];
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
export async function startServer(spec: string, programs: Programs): Promise<Server> {
  const child = new Child(commandOf(spec, programs), SERVER_CORE);
  try {
    const line = await child.line(START_MS);
    const port = /^listening (?:on \S+:)?(\d+)/.exec(line)?.[1];
    if (port === undefined) throw new Error(`said "${line}" instead of where it listens`);
    return { name: specName(spec), pid: child.pid, port: Number(port), stop: () => child.stop() };
  } catch (error) {
    await child.stop();
    throw error;
  }
}
