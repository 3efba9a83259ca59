/** What is done with an installed package on each runtime. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, type Outcome, run, type Scope, start } from '#test/harness/command.js';
import { root } from '#test/harness/programs.js';
import type { ProgramName } from './runtimes.ts';
import { runStep } from './tarball.ts';

/** A runtime, and the folder in which the package is installed. */
interface Installed {
  /** The words that run a script. */
  readonly command: readonly string[];
  readonly folder: string;
}

const BESIDE = `import http from 'node:http';
import { EventLoop } from 'sockloop';
const loop = new EventLoop();
const listener = loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
const server = http.createServer((_, response) => response.end('answered'));
server.listen(0, '127.0.0.1', async () => {
  const answer = await fetch('http://127.0.0.1:' + server.address().port);
  console.log(await answer.text());
  setTimeout(() => {
    listener.close();
    server.close();
    server.closeAllConnections();
  }, 1);
});
setTimeout(() => process.exit(9), 20_000).unref();
await new Promise((resolve) => server.once('listening', resolve));
await loop.run();
console.log('ended');
`;

// A loop that has nothing to do is left alone: it takes few turns, and its first message comes.
const ATTACHED = `import http from 'node:http';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { EventLoop } from 'sockloop';
const loop = new EventLoop();
loop.attach();
const listener = loop.listen({
  host: '127.0.0.1',
  port: 0,
  handlers: { data: (client, chunk) => void client.end(chunk) },
});
const server = http.createServer((_, response) => response.end('answered'));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const answer = await fetch('http://127.0.0.1:' + server.address().port);
console.log(await answer.text());
await delay(1000);
const before = loop.turns;
await delay(1000);
const turns = loop.turns - before;
console.log(turns < 200 ? 'idle' : turns + ' turns in a second');
await new Promise((resolve) => loop.setTimer(5, resolve));
const socket = net.connect(listener.port, '127.0.0.1');
socket.write('hello');
for await (const chunk of socket) console.log(String(chunk));
process.once('SIGINT', () => {
  console.log('SIGINT');
  listener.close();
  server.close();
  server.closeAllConnections();
});
console.log('ready');
setTimeout(() => process.exit(9), 30_000).unref();
`;

const REGISTERED = `import net from 'node:net';
import { Socket } from 'sockloop/net';
const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1', () => {
  const client = net.connect(server.address().port, '127.0.0.1');
  client.on('data', (chunk) => console.log(client instanceof Socket, String(chunk)));
  client.on('close', () => server.close());
  client.end('hello');
});
`;

const DATAGRAMS = `import dgram from 'IMPORTED';
import { Socket } from 'sockloop/dgram';
const echo = dgram.createSocket('udp4', (message, { port, address }) => {
  echo.send(message, port, address, () => echo.close());
}).bind(0, '127.0.0.1', () => {
  const client = dgram.createSocket('udp4', (message) => {
    console.log(client instanceof Socket, String(message));
    client.close();
  });
  client.send('hello', echo.address().port, '127.0.0.1');
});
`;

/** Writes the programs of `folder` that are no part of the package, and compiles the examples. */
export async function writePrograms(scope: Scope, folder: string): Promise<void> {
  const blocks = readFileSync(`${root}README.md`, 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm);
  const names = [...blocks].map(([, text = ''], index) => {
    writeFileSync(join(folder, `example-${index}.mts`), text);
    return `example-${index}`;
  });
  assert.ok(names.length > 0);
  const imports = names.map((name) => `await import('./${name}.mjs');\n`).join('');
  writeFileSync(join(folder, 'examples.mjs'), `${imports}console.log('examples passed');\n`);
  writeFileSync(join(folder, 'beside.mjs'), BESIDE);
  writeFileSync(join(folder, 'attached.mjs'), ATTACHED);
  writeFileSync(join(folder, 'registered.mjs'), REGISTERED);
  for (const [name, imported] of [
    ['datagrams', 'sockloop/dgram'],
    ['registered-datagrams', 'node:dgram'],
  ]) {
    const text = DATAGRAMS.replace('IMPORTED', imported ?? '');
    writeFileSync(join(folder, `${name}.mjs`), text);
  }
  const config = {
    extends: `${root}tsconfig.base.json`,
    compilerOptions: {
      typeRoots: [`${root}node_modules/@types`],
      composite: false,
      declaration: false,
      declarationMap: false,
      sourceMap: false,
      // The declarations of the package are checked, too.
      skipLibCheck: false,
    },
    include: ['*.mts'],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(root, 'node_modules/.bin/tsc');
  const { status, out } = await runStep(scope, [tsc, '-p', folder], folder);
  assert.equal(status, 0, out);
}

/** A script of the package, by the name of its command. */
function words({ command, folder }: Installed, name: string): string[] {
  const manifest = join(folder, 'node_modules/sockloop/package.json');
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8'));
  const file = join(folder, 'node_modules/sockloop', bin[name]);
  assert.ok(existsSync(file), file);
  return [...command, file];
}

/** Runs a command of the package, or a script of the folder, and returns what it prints. */
async function output(
  scope: Scope,
  installed: Installed,
  [name = '', ...rest]: readonly string[],
): Promise<string> {
  const { command, folder } = installed;
  const script = name.endsWith('.mjs') ? [...command, name] : words(installed, name);
  const outcome = await run(scope, [...script, ...rest], '', { cwd: folder });
  return assertDone(outcome).out;
}

function assertDone(outcome: Outcome): Outcome {
  const { status, signal, out, err } = outcome;
  assert.deepEqual([status, signal], [0, null], `${out}\n${err}`);
  return outcome;
}

async function serving(
  scope: Scope,
  installed: Installed,
): Promise<{ server: Command; port: string }> {
  const server = start(scope, [...words(installed, 'sockloop'), 'serve', '--port', '0']);
  const [, port = ''] = await server.until('out', /^listening on .*:(\d+) \(/m);
  return { server, port };
}

type Program = (scope: Scope, installed: Installed) => Promise<void>;

export const programs: Readonly<Record<ProgramName, Program>> = {
  'the examples of README.md': async (scope, installed) => {
    assert.match(await output(scope, installed, ['examples.mjs']), /^examples passed\n$/m);
  },
  'a loop beside an HTTP server and timers': async (scope, installed) => {
    assert.equal(await output(scope, installed, ['beside.mjs']), 'answered\nended\n');
  },
  'attach() beside an HTTP server, timers and Ctrl-C': async (scope, { command, folder }) => {
    const program = start(scope, [...command, 'attached.mjs'], { cwd: folder });
    await program.until('out', /^ready$/m);
    const { out } = assertDone(await program.stop('SIGINT'));
    assert.equal(out, 'answered\nidle\nhello\nready\nSIGINT\n');
  },
  'sockloop/dgram': async (scope, installed) => {
    assert.equal(await output(scope, installed, ['datagrams.mjs']), 'true hello\n');
  },
  'node:net and node:dgram under sockloop/register': async (scope, { command, folder }) => {
    const isNode = !/(?:bun|deno)$/.test(command[0] ?? '');
    // Deno takes a path alone.
    const file = './node_modules/sockloop/dist/src/adapters/register/index.js';
    const option = isNode ? ['--import', 'sockloop/register'] : ['--preload', file];
    for (const program of ['registered.mjs', 'registered-datagrams.mjs']) {
      const words = [...command, ...option, program];
      const { out } = assertDone(await run(scope, words, '', { cwd: folder }));
      assert.equal(out, 'true hello\n', program);
    }
  },
  'sockloop doctor': async (scope, installed) => {
    const { loops } = JSON.parse(await output(scope, installed, ['sockloop', 'doctor', '--json']));
    const here = loops.filter((loop: { available: boolean }) => loop.available);
    assert.ok(here.some((loop: { name: string }) => loop.name === 'poll'));
  },
  'sockloop serve, send, Ctrl-C': async (scope, installed) => {
    const { server, port } = await serving(scope, installed);
    const send = ['sockloop', 'send', '127.0.0.1', port, 'hello'];
    assert.equal(await output(scope, installed, send), 'hello\n');
    const { out } = assertDone(await server.stop('SIGINT'));
    assert.match(out, /^served 1 connection: 6 bytes in, 6 out$/m);
  },
  'sockloop send --threads': async (scope, installed) => {
    const { port } = await serving(scope, installed);
    const send = ['sockloop', 'send', '--threads', '2', '127.0.0.1', port, 'hello'];
    const lines = (await output(scope, installed, send)).trim().split('\n');
    assert.deepEqual(lines.sort(), ['thread 1: hello', 'thread 2: hello']);
  },
  'sockloop load': async (scope, installed) => {
    const { port } = await serving(scope, installed);
    const plan = ['--duration', '500ms', '--warmup', '0', '--rate', '200', '--connections', '2'];
    const load = ['sockloop', 'load', '127.0.0.1', port, ...plan, '--threads', '2', '--json'];
    const { counts } = JSON.parse(await output(scope, installed, load));
    assert.ok(counts.messages > 0);
    const errors = Object.entries(counts.errors).filter(([, count]) => count !== 0);
    assert.deepEqual(errors, []);
  },
  'sockloop compare --help': async (scope, installed) => {
    assert.match(await output(scope, installed, ['sockloop', 'compare', '--help']), /^Usage: /);
  },
  'tcpserver, tcpclient': async (scope, installed) => {
    const server = start(scope, [...words(installed, 'tcpserver'), '0']);
    const [, port = ''] = await server.until('out', /^server listening on port (\d+)\n/);
    const client = [...words(installed, 'tcpclient'), 'localhost', port];
    const { out } = assertDone(await run(scope, client, 'hello\n'));
    assert.match(out, /Echo from server: hello\n$/);
  },
};
