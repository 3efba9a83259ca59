// Goal: the flags of `sockloop serve` for an open network do what they say on every kind of loop
// and on its threads, and what they refuse is counted by kind.
// Method: the real program, with clients of Node's own net; then the flags alone.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { encodeProxyHeader } from 'sockloop';
import { dial, dismissed, heard, talk, turnedAway } from '#test/harness/clients.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { kinds } from '#test/harness/loops.js';
import { serve } from '#test/harness/programs.js';
import { guardPlanOf } from '#tools/cli/serve/guard-flags.js';

const timeout = 60_000;

interface Stopped {
  readonly totals: { readonly refused: Readonly<Record<string, number>> };
}

/** The last document of a server with --json: what it refused, without kinds that it had not. */
function refusedIn(out: string): Record<string, number> {
  const last = out.trimEnd().split('\n').at(-1) ?? '';
  const { totals } = JSON.parse(last) as Stopped;
  return Object.fromEntries(Object.entries(totals.refused).filter(([, count]) => count > 0));
}

async function checkGuards(t: TestContext, ...words: string[]): Promise<void> {
  leakCheck(t);
  const guards = ['--first-byte-timeout', '200ms', '--deny', '127.0.0.64/26', '--json'];
  const { command, port } = await serve(t, ...words, ...guards);
  const silent = await dial({ port });
  await turnedAway({ port, localAddress: '127.0.0.65' });
  assert.equal(`${await talk({ port }, 'hello\n')}`, 'hello\n');
  await dismissed(silent);
  const { status, out } = await command.stop();
  assert.equal(status, 0);
  assert.match(out, /"code":"EACCES"/);
  assert.match(out, /nothing came within 200 ms/);
  assert.deepEqual(refusedIn(out), { denied: 1, firstByte: 1 });
}

for (const { name, skip } of kinds) {
  test(`serve --loop ${name}: guards`, { timeout, skip }, (t) => checkGuards(t, '--loop', name));
}

test('serve --threads: guards', { timeout }, (t) => checkGuards(t, '--threads', '2'));

test('serve --proxy-protocol, --max-per-address: who the client is, and the closing line', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const words = ['--proxy-protocol', '127.0.0.1', '--max-per-address', '1', '--verbose'];
  const { command, port } = await serve(t, ...words);
  const source = { family: 'IPv4', address: '192.0.2.7', port: 4711 } as const;
  const header = encodeProxyHeader({ source, destination: source });
  const first = await dial({ port });
  first.write(header);
  first.write('hello\n');
  assert.equal(`${await heard(first)}`, 'hello\n');
  const second = await dial({ port });
  second.write(header);
  await dismissed(second);
  await turnedAway({ port, localAddress: '127.0.0.2' });
  first.end();
  await dismissed(first);
  const { status, out } = await command.stop();
  assert.equal(status, 0);
  assert.match(out, /^connection 1 from 192\.0\.2\.7:4711$/m);
  const kinds = '1 above the limit of their address, 1 not from a proxy';
  assert.match(out, new RegExp(`^refused or closed by a guard: 2 \\(${kinds}\\)$`, 'm'));
});

test('serve: defaults of an open network, and what turns them off', (t) => {
  leakCheck(t);
  const open = { loop: 'auto', host: '0.0.0.0' } as const;
  const guards = guardPlanOf({}, open)?.guards;
  assert.deepEqual(guards, {
    connectionsPerAddressMax: 1024,
    firstByteMs: 30_000,
    writeStallMs: 30_000,
    lifetimeMs: null,
  });
  const flags = { firstByteTimeout: 'off', writeTimeout: '5', maxPerAddress: 'off' };
  assert.deepEqual(guardPlanOf(flags, open)?.guards, {
    firstByteMs: null,
    writeStallMs: 5000,
    lifetimeMs: null,
  });
  for (const host of ['127.0.0.1', 'localhost', '::1', null]) {
    assert.equal(guardPlanOf({}, { loop: 'epoll', host }), null);
  }
  for (const loop of ['threads', 'blocking'] as const) {
    assert.deepEqual(guardPlanOf({}, { loop, host: '::' })?.guards, guards);
  }
});

for (const [words, reason] of [
  [['--allow', '10.0.0.0/40'], /"10\.0\.0\.0\/40" in --allow is no address and no CIDR block/],
  [['--max-per-address', '0'], /--max-per-address takes a number from 1/],
  [['--accept-rate', 'fast'], /--accept-rate takes connections per second/],
  [['--lifetime', '0'], /--lifetime takes a time above 0/],
  [['--loop', 'threads', '--proxy-protocol', '::1'], /--proxy-protocol takes an event loop: /],
  [['--unix', '/nowhere/a.sock', '--deny', '::1'], /--deny is about IP addresses/],
] as const) {
  test(`serve ${words.join(' ')}: refused with a sentence`, { timeout }, async (t) => {
    leakCheck(t);
    const { status, err } = await sockloopHere('serve', '--port', '0', ...words);
    assert.equal(status, 2);
    assert.match(err, reason);
  });
}
