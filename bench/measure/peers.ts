import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sockloopVersion } from '#tools/measure/versions.js';
import { MAIN } from '#tools/terminal/program.js';
import { COMPILER, compileC, OPTIMIZE, ROOT } from './c-compiler.ts';
import { ASK_MS, bunProgram, denoProgram, run } from './installed.ts';
import { type Programs, startServer } from './servers.ts';

/** The echo servers that are set beside the C epoll one, and how each of them is had. */

export interface Peer {
  readonly name: string;
  /** What a table calls it. */
  readonly title: string;
  /**
   * Builds it in the folder or installs it, and starts it once, to see that it listens. The command
   * that starts it on a port of the kernel's choice, or why it cannot be had here.
   */
  prepare(programs: Pick<Programs, 'folder'>): Promise<Prepared>;
}

interface Built {
  readonly command: readonly string[];
  /** With what it was built or is run: `gcc 12.2.0 -O2`, `Bun 1.4.5`. */
  readonly version: string;
}

type Prepared = Built | { readonly reason: string };

/** Go compiles its standard library at the first time. */
const BUILD_MS = 120_000;
const NODE = `Node ${process.versions.node}`;
/** Every peer takes the port as its last argument: this one leaves the choice to the kernel. */
const ANY_PORT = '0';

const sourceOf = (file: string): string => join(ROOT, 'bench/peers', file);

function peer(
  name: string,
  title: string,
  build: (folder: string) => Built | Promise<Built>,
): Peer {
  const prepare = async ({ folder }: Pick<Programs, 'folder'>): Promise<Prepared> => {
    try {
      const built = await build(folder);
      const server = await startServer({ name, command: built.command });
      await server.stop();
      return built;
    } catch (error) {
      return { reason: error instanceof Error ? error.message : String(error) };
    }
  };
  return { name, title, prepare };
}

/** As `gcc 12.2.0 -O2`, from a first line as `cc (Debian 12.2.0-14) 12.2.0`. */
async function compilerVersion(): Promise<string> {
  const text = await run([COMPILER, '--version'], ASK_MS, 'gcc');
  const line = text.split('\n', 1)[0] ?? '';
  const version = [...line.matchAll(/\d+(\.\d+)+/g)].at(-1)?.[0] ?? 'of an unknown version';
  return `${line.includes('clang') ? 'clang' : 'gcc'} ${version} ${OPTIMIZE}`;
}

async function inC(folder: string, name: string): Promise<Built> {
  const program = compileC(folder, `peers/${name}.c`);
  return { command: [program, ANY_PORT], version: await compilerVersion() };
}

async function onLibuv(folder: string): Promise<Built> {
  const header = '/usr/include/uv.h';
  if (!existsSync(header)) throw new Error(`needs ${header} (on Debian: the package libuv1-dev)`);
  const program = compileC(folder, 'peers/libuv-echo.c', '-luv');
  const version = await run([program, '--version'], ASK_MS, 'libuv1');
  return { command: [program, ANY_PORT], version: `libuv ${version.trim()}` };
}

async function inGo(folder: string): Promise<Built> {
  const program = join(folder, 'go-echo');
  const words = ['build', '-o', program, sourceOf('go-echo.go')];
  await run(['go', ...words], BUILD_MS, 'golang-go');
  const text = await run(['go', 'version'], ASK_MS, 'golang-go');
  const version = /go(\d[\w.]*)/.exec(text)?.[1] ?? text.trim();
  return { command: [program, ANY_PORT], version: `Go ${version}` };
}

async function onBun(): Promise<Built> {
  const program = await bunProgram();
  const version = await run([program, '--version'], ASK_MS, 'npm');
  return {
    command: [program, sourceOf('bun-echo.js'), ANY_PORT],
    version: `Bun ${version.trim()}`,
  };
}

async function onDeno(folder: string): Promise<Built> {
  const program = await denoProgram();
  const text = await run([program, '--version'], ASK_MS, 'npm');
  const version = /^deno (\S+)/.exec(text)?.[1] ?? text.trim();
  // Its caches would otherwise lie in the user's home.
  const command = ['env', `DENO_DIR=${join(folder, 'deno')}`, program, 'run', '--allow-net'];
  return { command: [...command, sourceOf('deno-echo.js'), ANY_PORT], version: `Deno ${version}` };
}

function onSockloop(loop: string): Built {
  const command = [process.execPath, MAIN, 'serve', '--loop', loop, '--port', ANY_PORT];
  return { command, version: `sockloop ${sockloopVersion()}, ${NODE}` };
}

function onNodeNet(): Built {
  return { command: [process.execPath, sourceOf('node-net-echo.mjs'), ANY_PORT], version: NODE };
}

/** What every ratio is to. */
export const reference = peer('c-epoll', 'C, epoll', (folder) => inC(folder, 'epoll-echo'));

/** All others. */
export const peers: readonly Peer[] = [
  peer('c-uring', 'C, io_uring', (folder) => inC(folder, 'uring-echo')),
  peer('sockloop-io_uring', 'sockloop, io_uring', () => onSockloop('io_uring')),
  peer('sockloop-epoll', 'sockloop, epoll', () => onSockloop('epoll')),
  peer('libuv', 'C, libuv', onLibuv),
  peer('node-net', 'Node.js, node:net', onNodeNet),
  peer('bun', 'Bun, Bun.listen', onBun),
  peer('deno', 'Deno, Deno.listen', onDeno),
  peer('go', 'Go, net', inGo),
];
