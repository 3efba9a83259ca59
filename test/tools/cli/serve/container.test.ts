// Goal: `sockloop serve` runs in a container, as examples/container and kubernetes start it.
// Method: the real program under the same conditions, which namespaces and a seccomp filter make.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { run, start } from '#test/harness/command.js';
import {
  besideContainer,
  type Container,
  type ContainerLimits,
  insideContainer,
  reasonWithoutContainers as skip,
  startInContainer,
} from '#test/harness/container.js';
import { leakCheck } from '#test/harness/leaks.js';
import { autoLoop } from '#test/harness/loops.js';
import { assertOutcome, root, sockloop } from '#test/harness/programs.js';

const timeout = 120_000;

/** The ports of the examples: nobody else listens in the network of a container. */
const PLACE = ['127.0.0.1', '7007'];
const METRICS = 'http://127.0.0.1:9090';

/** The words of a command in a file of the examples, which are a list of JSON. */
function wordsIn(file: string, pattern: RegExp): string[] {
  const [, list = ''] = pattern.exec(readFileSync(`${root}examples/${file}`, 'utf8')) ?? [];
  return JSON.parse(list);
}

const IMAGE = 'container/Containerfile';
const imageWords = wordsIn(IMAGE, /^CMD (.*)$/m);
const podWords = wordsIn('kubernetes/echo.yaml', /^ +args: (.*)$/m);

/** `sockloop` in a container, once it listens. */
async function serveContained(
  t: TestContext,
  words: readonly string[],
  limits?: ContainerLimits,
): Promise<Container> {
  const container = await startInContainer(t, sockloop(...words), limits);
  await container.command.until('out', /metrics(?: on |","url")/);
  return container;
}

/** Prints the answer of a path, again and again until it matches: a probe in one process. */
const PROBE = `const [url, pattern] = process.argv.slice(1);
for (;;) {
  const answer = await fetch(url, { headers: { connection: 'close' } });
  const text = answer.status + ' ' + (await answer.text());
  if (new RegExp(pattern).test(text)) { console.log(text); break; }
  await new Promise((resolve) => setTimeout(resolve, 20));
}`;

async function answered(
  t: TestContext,
  container: Container,
  path: string,
  pattern = '',
): Promise<string> {
  const words = [process.execPath, '--input-type=module', '-e', PROBE];
  const { out, err } = await run(
    t,
    besideContainer(container, [...words, '--', `${METRICS}${path}`, pattern]),
  );
  assert.equal(err, '');
  return out;
}

function statusOf(pid: number | string): Map<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').trim().split('\n');
  return new Map(lines.map((line) => line.split(':\t') as [string, string]));
}

/** Mounts that a container may write to: its own, and devices. */
function isOwn(place = ''): boolean {
  return place === '/proc' || place === '/tmp' || place.startsWith('/dev/');
}

/** The children of a process that have ended and that it has not waited for. */
function zombiesOf(pid: number): string[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return children.filter((child) => child !== '' && statusOf(child).get('State')?.startsWith('Z'));
}

test('container: process 1 on the batched epoll, without a capability, echoes and is seen', {
  timeout,
  skip,
}, async (t) => {
  leakCheck(t);
  const container = await serveContained(t, imageWords, { files: 256, lockedBytes: 65_536 });
  const { command, pid } = container;
  assert.match(command.out, /^listening on 0\.0\.0\.0:7007 \(epoll, echo\)$/m);
  const status = statusOf(pid);
  assert.match(status.get('NSpid') ?? '', /\t1$/);
  assert.equal(status.get('NoNewPrivs'), '1');
  assert.equal(status.get('Seccomp'), '2');
  const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').trim().split('\n');
  assert.equal(status.get('Uid')?.startsWith('0'), false);
  const writable = mounts.filter((mount) => !/^(?:\S+ ){5}ro[, ]/.test(mount));
  assert.deepEqual(
    writable.map((mount) => mount.split(' ')[4]).filter((at) => !isOwn(at)),
    [],
  );
  for (const set of ['CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
    assert.equal(Number(`0x${status.get(set)}`), 0, set);
  }
  const words = ['--connections', '20', '--duration', '500ms', '--warmup', '0', '--json'];
  const load = await run(t, besideContainer(container, sockloop('load', ...PLACE, ...words)));
  const { counts } = JSON.parse(load.out);
  assert.ok(counts.messages > 0, load.err);
  assert.deepEqual(new Set(Object.values(counts.errors)), new Set([0]), load.out);
  const metrics = await answered(t, container, '/metrics', 'open{[^}]*} 0\\n');
  assert.match(metrics, new RegExp(`received_bytes_total{[^}]*} ${counts.sentBytes}\n`));
  assert.match(await answered(t, container, '/readyz'), /^200 /);
  const [, , ...check] = wordsIn(IMAGE, /^ +CMD (.*)$/m);
  const inside = insideContainer(container, sockloop(...check));
  assertOutcome(await run(t, inside), 0, 'well?\n', '');
  assert.deepEqual(zombiesOf(pid), []);
  process.kill(pid, 'SIGTERM');
  assertOutcome(await command.end(), 0, command.out, '');
  assert.match(command.out, /served 21 connections: /);
});

test('container: SIGTERM delivers every answer that is under way', { timeout, skip }, async (t) => {
  leakCheck(t);
  const container = await serveContained(t, [...podWords, '--delay', '2s']);
  const { command, pid } = container;
  const words = sockloop('send', '--threads', '8', ...PLACE, 'hello');
  const clients = start(t, besideContainer(container, words));
  await answered(t, container, '/metrics', 'received_bytes_total{[^}]*} 48\\n');
  process.kill(pid, 'SIGTERM');
  assert.match(await answered(t, container, '/readyz'), /^503 /);
  const { status, out, err } = await clients.end();
  assert.equal(status, 0, err);
  assert.equal(out.match(/^thread \d: hello$/gm)?.length, 8, out);
  const { status: served, out: log } = await command.end();
  assert.equal(served, 0);
  const { totals } = JSON.parse(log.trim().split('\n').at(-1) ?? '');
  assert.deepEqual(
    [totals.connections, totals.failed, totals.sentBytes, totals.unacknowledgedBytes],
    [8, 0, 48, 0],
  );
});

test('container: more clients than descriptors, and no restart that would end them', {
  timeout,
  skip,
}, async (t) => {
  leakCheck(t);
  // Without the filter, so that a ring is tried, for which there is no memory to lock.
  const limits = { files: 64, lockedBytes: 4096, filtered: false };
  const container = await serveContained(t, imageWords, limits);
  const { command, pid } = container;
  if (autoLoop === 'io_uring') {
    await command.until('err', /^sockloop: epoll in place of io_uring: .*RLIMIT_MEMLOCK/m);
  }
  const words = ['--connections', '80', '--duration', '500ms', '--warmup', '0', '--json'];
  const load = await run(t, besideContainer(container, sockloop('load', ...PLACE, ...words)));
  const { counts } = JSON.parse(load.out);
  assert.ok(counts.messages > 0, load.err);
  assert.ok(counts.connections > 64, load.out);
  process.kill(pid, 'SIGUSR2');
  await command.until('err', /^sockloop: SIGUSR2: no restart: .* process 1, /m);
  const metrics = await answered(t, container, '/metrics', 'open{[^}]*} 0\\n');
  assert.match(metrics, /connections_shed_total{[^}]*} [1-9]/);
  process.kill(pid, 'SIGTERM');
  const { status, out } = await command.end();
  assert.equal(status, 0);
  assert.match(out, /\d+ turned away/);
});
