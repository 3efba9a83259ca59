/** Redis, PostgreSQL and mosquitto on the loopback address, and certificates by openssl. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { selfSigned } from '#test/harness/certificates.js';
import { type Command, type Scope, start } from '#test/harness/command.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';
import type { Identity } from './work/net.ts';

const HOST = '127.0.0.1';
/** The user `nobody` of Debian: PostgreSQL refuses to run as root. */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

/** Starts a redis server, which keeps nothing. */
export async function startRedis(scope: Scope, port: number): Promise<Command> {
  const words = ['--bind', HOST, '--port', `${port}`, '--save', '', '--dir', scratch(scope)];
  const server = start(scope, ['redis-server', ...words]);
  await server.until('out', /Ready to accept connections/);
  return server;
}

/** Starts a broker of MQTT, which keeps nothing. */
export async function startMosquitto(scope: Scope, port: number): Promise<Command> {
  const file = join(scratch(scope), 'mosquitto.conf');
  writeFileSync(file, `listener ${port} ${HOST}\nallow_anonymous true\npersistence false\n`);
  const server = start(scope, ['mosquitto', '-c', file]);
  await server.until('err', /mosquitto version .* running/);
  return server;
}

/** The folder of the programs of PostgreSQL, which Debian does not put on the PATH. */
function postgresPrograms(): string | null {
  const base = '/usr/lib/postgresql';
  const versions = existsSync(base) ? readdirSync(base).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = versions.map((version) => join(base, version, 'bin'));
  return folders.find((folder) => existsSync(join(folder, 'initdb'))) ?? null;
}

/** The reason to skip a test that needs PostgreSQL, or false. */
export function reasonWithoutPostgres(): string | false {
  const tools = postgresPrograms() === null ? ['initdb', 'postgres'] : [];
  return reasonWithout('openssl', ...tools, ...(isRoot ? ['setpriv'] : []));
}

function asPostgres(program: string, words: readonly string[]): string[] {
  const drop = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  const folder = postgresPrograms();
  const path = folder === null ? program : join(folder, program);
  return [...(isRoot ? drop : []), path, ...words];
}

/** The files of a PostgreSQL that lets everybody in. Returns their folder. */
export function postgresFiles(scope: Scope, { key, cert }: Identity): string {
  const folder = scratch(scope);
  writeFileSync(join(folder, 'key.pem'), key, { mode: 0o600 });
  writeFileSync(join(folder, 'cert.pem'), cert);
  if (isRoot) for (const name of ['', 'key.pem']) chownSync(join(folder, name), NOBODY, NOBODY);
  const how = [
    '--no-sync',
    '--no-locale',
    '--encoding=UTF8',
    '--auth=trust',
    '--username=postgres',
  ];
  ran(asPostgres('initdb', [...how, join(folder, 'data')]), folder);
  return folder;
}

/** Starts the PostgreSQL of `folder`, on a port and on a UNIX socket in the folder. */
export async function startPostgres(scope: Scope, folder: string, port: number): Promise<Command> {
  const settings = {
    listen_addresses: HOST,
    unix_socket_directories: folder,
    ssl: 'on',
    ssl_key_file: join(folder, 'key.pem'),
    ssl_cert_file: join(folder, 'cert.pem'),
    fsync: 'off',
    autovacuum: 'off',
    max_connections: '20',
    shared_buffers: '4MB',
  };
  const words = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  let server: Command | null = null;
  // Before the kill of every command: by a fast shutdown its processes end with it.
  scope.after(async () => void (await server?.stop('SIGINT')));
  const command = asPostgres('postgres', ['-D', join(folder, 'data'), '-p', `${port}`, ...words]);
  server = start(scope, command, { cwd: folder });
  await server.until('err', /ready to accept connections/);
  return server;
}

/** The certificates of a test: one that holds, one for another name, one that has expired. */
export interface Identities {
  readonly good: Identity;
  readonly wrongName: Identity;
  readonly expired: Identity;
}

/** Makes keys and certificates that vouch for themselves. */
export function identities(scope: Scope): Identities {
  const folder = scratch(scope);
  const altNames = 'DNS:localhost,IP:127.0.0.1';
  const elsewhere = { name: 'elsewhere', altNames: 'DNS:elsewhere.example' };
  return {
    good: selfSigned(folder, 'good', { name: 'localhost', altNames }),
    wrongName: selfSigned(folder, 'wrong-name', elsewhere),
    expired: selfSigned(folder, 'expired', { name: 'localhost', days: -1 }),
  };
}

/** Makes the certificates before the tests of this suite, and removes them behind it. */
export function identitiesOfSuite(): { readonly made: Identities } {
  const steps: (() => Promise<void> | void)[] = [];
  let made: Identities | null = null;
  before(() => {
    made = identities({ after: (step) => steps.unshift(step) });
  });
  after(async () => {
    for (const step of steps) await step();
  });
  return {
    get made() {
      assert.ok(made !== null, 'asked for before the suite runs');
      return made;
    },
  };
}

function ran(words: readonly string[], cwd: string): void {
  const [file = '', ...rest] = words;
  const env = { ...process.env, LC_ALL: 'C' };
  const { status, stderr, error } = spawnSync(file, rest, { cwd, env, encoding: 'utf8' });
  assert.equal(status, 0, `${words.join(' ')}: ${error?.message ?? stderr}`);
}
