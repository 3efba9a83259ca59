// Goal: what `sockloop serve` tells of itself is right, and nobody who asks can harm it.
// Method: the real program; its metrics beside the counts of `sockloop load`, and rude scrapers.

import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { bigText, closed, dial, dismissed, peer, reset, talk } from '#test/harness/clients.js';
import { type Command, run, WAIT_MS } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { sharedKinds } from '#test/harness/loops.js';
import { serve, sockloop } from '#test/harness/programs.js';
import { parseExposition, type Scraped } from '#tools/metrics/scraped.js';

const timeout = 60_000;

interface Measured {
  readonly command: Command;
  readonly port: number;
  readonly url: string;
}

/** `sockloop serve --metrics 0` with `words`. */
async function serveMeasured(t: TestContext, ...words: string[]): Promise<Measured> {
  const { command, port } = await serve(t, '--metrics', '0', ...words);
  const isJson = words.includes('--json');
  const pattern = isJson ? /"url":"(http:[^"]+)\/metrics"/ : /^metrics on (http:.*)\/metrics$/m;
  const [, url = ''] = await command.until('out', pattern);
  return { command, port, url };
}

async function get(url: string, init: RequestInit = {}): Promise<{ status: number; text: string }> {
  // A connection of its own, which does not outlive the test.
  const response = await fetch(url, { ...init, headers: { connection: 'close' } });
  return { status: response.status, text: await response.text() };
}

async function scraped(url: string): Promise<Scraped> {
  const { status, text } = await get(`${url}/metrics`);
  assert.equal(status, 200, text);
  return parseExposition(text);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MS;
  while (!(await holds())) {
    assert.ok(performance.now() < deadlineMs, `${holds}`);
    await pause(20);
  }
}

/** The sum of all threads, or of those samples that have the labels. */
function sumOf(metrics: Scraped, name: string, labels: Record<string, string> = {}): number {
  const samples = metrics.get(`sockloop_${name}`) ?? [];
  const chosen = samples.filter((sample) =>
    Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  return chosen.reduce((sum, { value }) => sum + value, 0);
}

const kinds = [
  ...sharedKinds.map(({ name, skip }) => ({ name, skip, threads: 1, shown: 1 })),
  { name: 'auto', skip: false as const, threads: 2, shown: 2 },
  // A pool is shown as one, and has no loop.
  { name: 'threads', skip: false as const, threads: 16, shown: 1 },
];

for (const { name, skip, threads, shown } of kinds) {
  const title = `metrics: --loop ${name} --threads ${threads}: what load has counted`;
  test(title, { timeout, skip }, async (t) => {
    leakCheck(t);
    const { port, url } = await serveMeasured(t, '--loop', name, '--threads', `${threads}`);
    const words = ['--connections', '7', '--duration', '500ms', '--warmup', '0', '--json'];
    const { out, err } = await run(t, sockloop('load', '127.0.0.1', `${port}`, ...words));
    const { counts } = JSON.parse(out);
    assert.ok(counts.sentBytes > 0, err);
    // Of a busy server one may wait in the queue of listen(2) when the client has ended.
    const done = { reason: 'done' };
    await until(async () => sumOf(await scraped(url), 'connections_closed_total', done) >= 7);
    const metrics = await scraped(url);
    assert.equal(sumOf(metrics, 'connections_accepted_total'), counts.connections);
    assert.equal(sumOf(metrics, 'received_bytes_total'), counts.sentBytes);
    assert.equal(sumOf(metrics, 'sent_bytes_total'), counts.receivedBytes);
    assert.equal(sumOf(metrics, 'connections_open'), 0);
    assert.equal(sumOf(metrics, 'connections_closed_total', done), 7);
    assert.equal(metrics.get('sockloop_connections_open')?.length, shown);
    assert.equal(sumOf(metrics, 'loop_lag_seconds_count') > 0, name !== 'threads');
    assert.ok((metrics.get('process_cpu_seconds_total')?.[0]?.value ?? 0) > 0);
  });
}

test('metrics: connections that are open, and why others have ended', { timeout }, async (t) => {
  leakCheck(t);
  const words = ['--mode', 'line', '--max-line', '10', '--idle-timeout', '300ms'];
  const { port, url } = await serveMeasured(t, ...words);
  await talk({ port }, 'hello\n');
  const greedy = await dial({ port });
  greedy.write('far more than ten bytes\n');
  await dismissed(greedy);
  const rude = await dial({ port });
  await reset(rude);
  const idle = await dial({ port });
  await until(async () => sumOf(await scraped(url), 'connections_open') === 0);
  await closed(idle);
  const metrics = await scraped(url);
  for (const reason of ['done', 'refused', 'reset', 'timeout']) {
    assert.equal(sumOf(metrics, 'connections_closed_total', { reason }), 1, reason);
  }
  assert.equal(sumOf(metrics, 'connections_accepted_total'), 4);
});

test('metrics: health, unknown paths, other methods, and what is no HTTP', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const { command, port, url } = await serveMeasured(t);
  assert.deepEqual(await get(`${url}/healthz`), { status: 200, text: 'serving\n' });
  assert.equal((await get(`${url}/readyz`)).status, 200);
  assert.equal((await get(`${url}/`)).status, 200);
  assert.equal((await get(`${url}/metrics`, { method: 'HEAD' })).text, '');
  assert.equal((await get(`${url}/other`)).status, 404);
  assert.equal((await get(`${url}/metrics`, { method: 'POST', body: 'x' })).status, 405);
  const garbage = [Buffer.from('\0\x01\xff garbage\r\n\r\n'), Buffer.alloc(100_000, 'a')];
  for (const bytes of garbage) {
    const answer = await talk({ port: Number(new URL(url).port) }, bytes).catch(() => null);
    if (answer !== null) assert.match(`${answer}`, /^HTTP\/1\.1 4\d\d /);
  }
  assert.equal(`${await talk({ port }, 'still here\n')}`, 'still here\n');
  const { status, err } = await command.stop();
  assert.deepEqual([status, err], [0, '']);
});

test('metrics: while it drains it is scraped, and not healthy', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port, url } = await serveMeasured(t);
  const slow = await dial({ port });
  slow.on('error', () => undefined);
  slow.pause();
  slow.write(bigText());
  await until(async () => sumOf(await scraped(url), 'queued_bytes') > 0);
  const ended = command.stop('SIGTERM');
  await until(async () => (await get(`${url}/healthz`)).text === 'draining\n');
  assert.equal((await get(`${url}/healthz`)).status, 503);
  assert.equal((await get(`${url}/readyz`)).status, 503);
  const metrics = await scraped(url);
  assert.equal(sumOf(metrics, 'draining'), 1);
  assert.equal(sumOf(metrics, 'connections_open'), 1);
  slow.destroy();
  assert.equal((await ended).status, 0);
  await assert.rejects(get(`${url}/healthz`));
});

/** A scraper that asks many times and reads nothing. */
function deafScraper(url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  socket.pause();
  socket.write('GET /metrics HTTP/1.1\r\nhost: here\r\n\r\n'.repeat(5000));
  return socket;
}

test('metrics: scrapers that never read hold up nobody', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port, url } = await serveMeasured(t);
  const deaf = Array.from({ length: 5 }, () => deafScraper(url));
  for (let round = 0; round < 5; round++) {
    assert.equal(`${await talk({ port }, 'hello\n')}`, 'hello\n');
    await scraped(url);
  }
  const use = (await scraped(url)).get('process_resident_memory_bytes')?.[0]?.value ?? 0;
  assert.ok(use > 0 && use < 400e6, `${use} bytes`);
  assert.equal((await command.stop()).status, 0);
  for (const socket of deaf) socket.destroy();
});

test('metrics: a port in use is told of before the server listens', { timeout }, async (t) => {
  leakCheck(t);
  const taken = await peer(t, (socket) => void socket.end());
  const { status, out, err } = await sockloopHere('serve', '--port', '0', '--metrics', `${taken}`);
  const where = `127.0.0.1:${taken}`;
  const why = 'EADDRINUSE (address already in use)';
  assert.deepEqual([status, out], [1, '']);
  assert.equal(err, `sockloop: cannot serve metrics on ${where}: ${why}\n`);
});

test('metrics and logs: wrong flags', async (t) => {
  leakCheck(t);
  const cases: readonly (readonly [words: string[], pattern: RegExp])[] = [
    [
      ['--metrics', 'here'],
      /^sockloop: --metrics takes PORT, HOST:PORT or \[IPv6\]:PORT, not "here"/,
    ],
    [['--metrics', '70000'], /^sockloop: --metrics takes a number from 0 to 65535, not "70000"/],
    [['--metrics', '0', '--loop', 'blocking'], /^sockloop: --metrics takes a thread that answers/],
    [['--log-format', 'xml'], /^sockloop: --log-format takes text or json, not "xml"/],
    [['--log-format', 'text', '--json'], /^sockloop: --json is --log-format json: /],
  ];
  for (const [words, pattern] of cases) {
    const { status, out, err } = await sockloopHere('serve', '--port', '0', ...words);
    assert.deepEqual([status, out], [2, ''], words.join(' '));
    assert.match(err, pattern);
  }
});

for (const loop of ['auto', 'threads', 'blocking']) {
  test(`--log-format: how each connection went, on --loop ${loop}`, { timeout }, async (t) => {
    leakCheck(t);
    const words = ['--loop', loop, '--mode', 'line', '--max-line', '10'];
    const { command, port } = await serve(t, ...words, '--log-format', 'text');
    await talk({ port }, 'hello\n');
    const greedy = await dial({ port });
    greedy.write('far more than ten bytes\n');
    await dismissed(greedy);
    const { out } = await command.stop();
    const [, one, two] = out.split('\n');
    const start = 'closed connection=1 address=127\\.0\\.0\\.1:\\d+ receivedBytes=6 sentBytes=6';
    assert.match(one ?? '', new RegExp(`^${start} durationMs=[\\d.]+ reason=done$`));
    const failure = 'reason=refused failure="a line is longer than 10 bytes"';
    assert.match(two ?? '', new RegExp(`^closed connection=2 .* ${failure}$`));
  });
}
