// Goal: a trace decodes arguments as strace(1) does.
// Method: one program under both, and the lines of both in one form.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { leakCheck } from '#test/harness/leaks.js';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const RUN_TIMEOUT_MS = 30_000;

/** Prints its own trace to standard output, one line per call. */
const PROGRAM = `
import { writeSync } from 'node:fs';
import { nativeSys, TracingSys } from 'sockloop/sys';
import { Socket } from 'sockloop/socket';
const sys = new TracingSys(nativeSys(), (line) => writeSync(1, line + '\\n'));
const text = 'tab\\t "quoted" \\\\ \\x001 \\u00e4 \\x7f and more than 32 bytes';
for (const [family, address] of [['IPv4', '127.0.0.1'], ['IPv6', '::1']]) {
  const server = new Socket(family, { sys });
  server.setSockOpt('SO_REUSEADDR', true);
  server.setTimeout(1500);
  server.bind({ address, port: 0 });
  server.listen(5);
  const client = new Socket(family, { sys });
  client.setSockOpt('TCP_NODELAY', true);
  client.setSockOpt('SO_LINGER', 0);
  client.setSockOpt('SO_KEEPALIVE', true);
  client.setSockOpt('TCP_CONGESTION', 'reno');
  client.connect(server.getSockName());
  const [accepted] = server.accept();
  client.getPeerName();
  client.sendAll(new TextEncoder().encode(text));
  accepted.recv(new Uint8Array(64), 0, 64, client.constants.MSG_DONTWAIT);
  client.getSockOpt('SO_ERROR');
  client.shutdown('write');
}
for (const path of ['/nowhere/a"b\\n\\u00e4', '\\0abstract\\0name']) {
  try {
    new Socket('UNIX', { sys }).connect({ path });
  } catch {}
}
Socket.pair({ sys });
`;

const CALLS = 'socket socketpair bind listen accept4 connect send recv setsockopt getsockopt '
  .concat('getsockname getpeername shutdown')
  .split(' ');

/** 1.5 s as a timeval, for a strace that does not decode it. */
const RAW_TIMEVAL = '"\\1\\0\\0\\0\\0\\0\\0\\0 \\241\\7\\0\\0\\0\\0\\0"';

/** A line of strace in the form of a TracingSys: without names of fields and some arguments. */
function inOurWords(line: string): string {
  return line
    .replace(/\) += /, ') = ')
    .replace(
      /\{sa_family=AF_INET, sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)\}/,
      '{AF_INET, $2:$1}',
    )
    .replace(
      /\{sa_family=AF_INET6, sin6_port=htons\((\d+)\), .*inet_pton\(AF_INET6, "([^"]+)".*?\}/,
      '{AF_INET6, [$2]:$1}',
    )
    .replace('{sa_family=AF_UNIX, sun_path=', '{AF_UNIX, ')
    .replace(/, \[128 => \d+\]/, '')
    .replace(/^sendto(.*), NULL, 0\) = /, 'send$1) = ')
    .replace(/^recvfrom(.*), NULL, NULL\) = /, 'recv$1) = ')
    .replace('SOL_TCP', 'IPPROTO_TCP')
    .replace('TIMEO_OLD', 'TIMEO')
    .replace(RAW_TIMEVAL, '{tv_sec=1, tv_usec=500000}');
}

/** Why strace cannot be used, or null. */
function straceMissing(): string | null {
  const { error, status, stderr } = spawnSync('strace', ['-f', '-e', 'trace=none', 'true'], {
    encoding: 'utf8',
    timeout: RUN_TIMEOUT_MS,
  });
  if (error !== undefined) return `strace cannot be run: ${error.message}`;
  return status === 0 ? null : `strace may not trace here: ${stderr.trim()}`;
}

test('trace: it agrees with strace', { timeout: 2 * RUN_TIMEOUT_MS }, (t) => {
  leakCheck(t);
  if (process.platform !== 'linux') return t.skip('strace exists on Linux only');
  const missing = straceMissing();
  if (missing !== null) {
    assert.equal(process.env['CI'], undefined, missing);
    return t.skip(missing);
  }
  const directory = mkdtempSync(join(tmpdir(), 'sockloop-strace-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const output = join(directory, 'strace');
  const program = [process.execPath, '--input-type=module', '-e', PROGRAM];
  const { status, stdout, stderr } = spawnSync(
    'strace',
    ['-f', '-o', output, '-e', 'trace=network', '-e', 'signal=none', ...program],
    { cwd: root, encoding: 'utf8', timeout: RUN_TIMEOUT_MS },
  );
  assert.equal(status, 0, stderr);

  const ours = stdout.split('\n').filter((line) => CALLS.includes(line.split('(')[0] ?? ''));
  assert.ok(ours.length > 40, `only ${ours.length} lines`);
  assert.deepEqual([...new Set(ours.map((line) => line.split('(')[0]))].sort(), [...CALLS].sort());
  // Node makes calls of its own: on its standard streams, and on other threads.
  const first = /^(\d+) +socket\(AF_INET, /m.exec(readFileSync(output, 'utf8'));
  assert.ok(first);
  const theirs = readFileSync(output, 'utf8')
    .slice(first.index)
    .split('\n')
    .filter((line) => line.startsWith(`${first[1]} `))
    .map((line) => inOurWords(line.slice(line.indexOf(' ') + 1).trim()))
    .filter((line) => CALLS.includes(line.split('(')[0] ?? ''));
  assert.deepEqual(ours, theirs.slice(0, ours.length));
});
