/** Servers and libraries on sockloop/net, on each runtime, and what does not work there. */

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  identities,
  postgresFiles,
  reasonWithoutPostgres,
  startMosquitto,
  startPostgres,
  startRedis,
} from '#test/adapters/programs/servers.js';
import type { Places } from '#test/adapters/programs/work/main.js';
import { freePort } from '#test/harness/clients.js';
import { type Scope, start } from '#test/harness/command.js';
import { reasonWithout } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';
import { RUNTIMES } from './runtimes.ts';

/** What test/adapters/programs/work/main.ts runs: the rows of the table in docs/runtimes.md. */
const LIBRARIES = [
  'http server',
  'http client',
  'https server',
  'https client',
  'http2 server',
  'http2 client',
  'ws server',
  'ws client',
  'undici',
  'pg',
  'ioredis',
  'mqtt',
];

const NO_KEEPING = 'no keep-alive: answers and closes, with sockets of node:net too';
const NO_FEEDING = 'fails: no TLS by the event `connection`, with sockets of node:net neither';
/** What fails, with the reason in the words of docs/runtimes.md. All of it has to fail. */
const FAILURES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Bun: { 'https server': NO_FEEDING, undici: "fails: Bun's own undici has no `connect`" },
  Deno: { 'http server': NO_KEEPING, 'https server': NO_FEEDING },
};

/** The rows of docs/runtimes.md. */
export function librariesTable(): string {
  const rows = LIBRARIES.map((name) => [
    name,
    ...RUNTIMES.map((runtime) => FAILURES[runtime]?.[name] ?? 'works'),
  ]);
  return [['', ...RUNTIMES], ['---', ...RUNTIMES.map(() => '---')], ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
}

/** Starts the servers that are installed. */
async function places(scope: Scope): Promise<Places> {
  const { good } = identities(scope);
  const host = '127.0.0.1';
  const place = async (
    reason: string | false,
    begin: (scope: Scope, port: number) => Promise<unknown>,
  ) => {
    if (reason !== false) return null;
    const port = await freePort();
    await begin(scope, port);
    return { host, port };
  };
  const postgres = await place(reasonWithoutPostgres(), (own, port) =>
    startPostgres(own, postgresFiles(own, good), port),
  );
  return {
    identity: good,
    postgres: postgres && { ...postgres, ca: good.cert },
    redis: await place(reasonWithout('redis-server'), startRedis),
    mqtt: await place(reasonWithout('mosquitto'), startMosquitto),
  };
}

/** Starts the servers, and lays the programs beside the package that is installed in `folder`. */
export async function layLibraries(scope: Scope, folder: string): Promise<void> {
  const target = join(folder, 'libraries');
  const source = `${root}build/test/adapters/programs/work`;
  mkdirSync(join(target, 'node_modules'), { recursive: true });
  for (const name of readdirSync(source).filter((file) => file.endsWith('.js'))) {
    cpSync(join(source, name), join(target, name));
  }
  for (const name of ['ws', 'undici', 'pg', 'ioredis', 'mqtt']) {
    symlinkSync(`${root}node_modules/${name}`, join(target, 'node_modules', name));
  }
  writeFileSync(join(target, 'package.json'), JSON.stringify({ type: 'module' }));
  writeFileSync(join(target, 'places.json'), JSON.stringify(await places(scope)));
}

/** Runs the programs on `runtime`: what fails is what is known to. */
export async function runLibraries(
  scope: Scope,
  folder: string,
  runtime: string,
  command: readonly string[],
): Promise<void> {
  const cwd = join(folder, 'libraries');
  const env = { ...process.env, BODY_BYTES: '500000' };
  const program = start(scope, [...command, 'main.js', 'places.json'], { cwd, env });
  await program.until('out', /^"done"$/m);
  const outcomes = program.out.trim().split('\n').slice(0, -1);
  assert.ok(outcomes.length > 0);
  const known = FAILURES[runtime] ?? {};
  for (const line of outcomes) {
    const [name, outcome] = JSON.parse(line);
    assert.ok(LIBRARIES.includes(name), name);
    assert.equal(outcome === 'works', known[name] === undefined, line);
  }
  // What has failed may have left connections open.
  if (Object.keys(known).length > 0) return;
  const { status, err } = await program.end();
  assert.equal(status, 0, err);
}
