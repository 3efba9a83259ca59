// Goal: `sockloop load` does what each flag says, and its document tells what happened.
// Method: the command, in this process, against real servers on every loop; its document is
// compared with the flags. No figure of speed is asserted: the machine may be busy.

import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { peer } from '#test/harness/clients.js';
import { run, start } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { loops, serveOn } from '#test/harness/loops.js';
import { scratch } from '#test/harness/other-programs.js';
import { assertOutcome, serve, sockloop } from '#test/harness/programs.js';
import type { LoadDocument } from '#tools/load/document.js';
import { parseDocument } from '#tools/load/result/parse-document.js';
import { errorsOf, load, loadDocument, sharedServer, shortLoad } from './load-command.ts';

const timeout = 60_000;
const LOCAL = '127.0.0.1';
const server = sharedServer();

/** That messages were echoed, all of them, byte for byte. */
function assertEchoed(document: LoadDocument): void {
  const { counts, response } = document;
  assert.deepEqual(errorsOf(document), {});
  assert.ok(counts.messages > 0, 'nothing was measured');
  assert.equal(response.count, counts.messages);
  assert.equal(counts.receivedBytes % counts.messages, 0);
}

for (const loop of loops) {
  test(`load: against serve on ${loop.name}`, { timeout, skip: loop.skip }, async (t) => {
    leakCheck(t);
    const { port, command } = await serveOn(t, loop);
    const name = loop.shared ? loop.name : 'auto';
    // A server that serves one client at a time leaves the others in its queue.
    const connections = loop.oneByOne ? 1 : 4;
    const words = ['--loop', name, '--connections', `${connections}`, '--rate', '300'];
    const document = await loadDocument(LOCAL, `${port}`, ...words);
    assertEchoed(document);
    assert.equal(document.counts.connections, connections);
    assert.equal(document.plan.loop, name);
    if (loop.shared) assert.equal(document.machines[0]?.loop, name);
    assert.equal(command.child.exitCode, null);
  });
}

test('load --json: the plan that was asked for, and nothing else on standard output', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const { port } = server;
  const { plan } = await loadDocument(
    ...[LOCAL, port, '--threads', '2', '--connections', '6', '--idle', '3'],
    ...['--stages', '0.1s@100,0.2@200.5', '--arrivals', 'poisson', '--size', '1000'],
    ...['--churn', '20', '--warmup', '0.1', '--ramp', '0.05', '--timeout', '1.5', '--seed', '7'],
    ...['--source-addresses', '127.0.0.1,127.0.0.3-127.0.0.4', '--source-ports', '30000-31000'],
  );
  assert.deepEqual(plan, {
    endpoint: { host: LOCAL, port: Number(port) },
    loop: 'auto',
    threads: 2,
    connections: 6,
    idleConnections: 3,
    model: {
      kind: 'open',
      arrivals: 'poisson',
      stages: [
        { durationMs: 100, ratePerSecond: 100 },
        { durationMs: 200, ratePerSecond: 200.5 },
      ],
    },
    message: { kind: 'bytes', bytes: 1000 },
    mode: 'echo',
    messagesPerConnection: 20,
    warmupMs: 100,
    durationMs: 300,
    rampMs: 50,
    timeoutMs: 1500,
    sourceAddresses: [LOCAL, '127.0.0.3', '127.0.0.4'],
    sourcePorts: [30000, 31000],
    startAtMs: null,
    seed: 7,
  });
});

test('load: messages of every kind come back', { timeout }, async (t) => {
  leakCheck(t);
  const { port } = server;
  const file = `${scratch(t)}/message`;
  writeFileSync(file, Buffer.from([0, 255, 10, 13]));
  const table: [words: string[], bytes: number][] = [
    [['--size', '1', '--rate', '300'], 1],
    [['--size', '100000'], 100_000],
    [['--size', '64', '--pipeline', '8'], 64],
    [['--message', 'hello', '--rate', '300'], 5],
    [['--file', file, '--rate', '300'], 4],
  ];
  for (const [words, bytes] of table) {
    const document = await loadDocument(LOCAL, port, ...words);
    assertEchoed(document);
    const { messages, receivedBytes } = document.counts;
    assert.equal(receivedBytes, messages * bytes, words.join(' '));
  }
});

test('load --mode: lines, and a connection for each', { timeout }, async (t) => {
  leakCheck(t);
  const [lines, once] = [await serve(t, '--mode', 'line'), await serve(t, '--mode', 'once')];
  const words = ['--message', 'hello', '--rate', '300'];
  const line = await loadDocument(LOCAL, `${lines.port}`, '--mode', 'line', ...words);
  assertEchoed(line);
  assert.equal(line.counts.connections, 4);
  // Mode line adds the newline.
  assert.equal(line.counts.receivedBytes, line.counts.messages * 6);
  const each = await loadDocument(LOCAL, `${once.port}`, '--mode', 'once', ...words);
  assertEchoed(each);
  assert.ok(each.counts.connections >= each.counts.messages);
});

test('load --churn: so many messages on each connection', { timeout }, async (t) => {
  leakCheck(t);
  const { port } = server;
  const document = await loadDocument(LOCAL, port, '--churn', '5', '--rate', '300');
  assertEchoed(document);
  const { connections, messages } = document.counts;
  assert.equal(messages, 90);
  assert.ok(connections >= 18, `${connections} connections`);
});

test('load --unix', { timeout }, async (t) => {
  leakCheck(t);
  const path = `${scratch(t)}/socket`;
  const server = start(t, sockloop('serve', '--unix', path));
  await server.until('out', /^listening/);
  const document = await loadDocument('--unix', path, '--threads', '2', '--rate', '300');
  assertEchoed(document);
  assert.deepEqual(document.plan.endpoint, { path });
});

test('load --source-addresses, --source-ports: where connections come from', {
  timeout,
  skip: process.platform === 'linux' ? false : 'only Linux has all of 127.0.0.0/8',
}, async (t) => {
  leakCheck(t);
  const seen = new Map<string, number[]>();
  const port = await peer(t, (socket) => {
    const { remoteAddress = '', remotePort = 0 } = socket;
    seen.set(remoteAddress, [...(seen.get(remoteAddress) ?? []), remotePort]);
    socket.pipe(socket);
  });
  const document = await loadDocument(
    ...[LOCAL, `${port}`, '--source-addresses', '127.0.0.2-127.0.0.3'],
    ...['--source-ports', '20000-20099', '--rate', '100'],
  );
  assertEchoed(document);
  assert.deepEqual([...seen.keys()].toSorted(), ['127.0.0.2', '127.0.0.3']);
  assert.ok([...seen.values()].flat().every((from) => from >= 20000 && from <= 20099));
});

test('load --rate: as many as were due', { timeout }, async (t) => {
  leakCheck(t);
  const { port } = server;
  const document = await loadDocument(LOCAL, port, '--rate', '250', '--duration', '0.4');
  assertEchoed(document);
  assert.equal(document.counts.messages, 100);
  assert.equal(document.generator.askedPerSecond, 250);
});

test('load --start-at: waits for its time', { timeout }, async (t) => {
  leakCheck(t);
  const { port } = server;
  const beforeMs = Date.now();
  const { plan, startedAt } = await loadDocument(
    LOCAL,
    port,
    '--start-at',
    '+0.6',
    '--rate',
    '300',
  );
  const { startAtMs, warmupMs } = plan;
  assert.ok(startAtMs !== null && startAtMs >= beforeMs + 600);
  const startedMs = Date.parse(startedAt);
  assert.ok(startedMs >= startAtMs + warmupMs - 1, `${startedMs}, ${startAtMs}`);
});

test('load: the summary, the report and the log', { timeout }, async (t) => {
  leakCheck(t);
  const { port } = server;
  const directory = scratch(t);
  const [report, hdr] = [`${directory}/report.html`, `${directory}/times.hlog`];
  writeFileSync(report, 'an old report, which is longer than nothing');
  const outcome = await load(
    ...[LOCAL, port, '--rate', '200', '--report', report, '--hdr', hdr],
    ...['--fail-if', 'errors>0'],
  );
  assert.equal(outcome.status, 0, outcome.err);
  assert.match(outcome.out, new RegExp(`^open loop against ${LOCAL}:${port}, 0.3 s\n`));
  assert.match(outcome.out, /^(IN)?VALID/m);
  assert.match(outcome.out, /^passed errors>0: there are 0 errors, not more than 0 errors$/m);
  assert.match(outcome.out, new RegExp(`^report: ${report}$`, 'm'));
  assert.match(readFileSync(report, 'utf8'), /^<!doctype html>[\s\S]*<\/html>\s*$/i);
  const log = readFileSync(hdr, 'utf8');
  assert.match(log, /^#\[Histogram log format version 1.[23]\]$/m);
  assert.match(log, /^0\.000,1\.000,[\d.]+,HISTF/m);
});

test('load --fail-if: status 1 for each condition that holds', { timeout }, async (t) => {
  leakCheck(t);
  const { port } = server;
  const conditions = ['p99>1ns', 'p99>100s', 'rate<1', 'errors>=0'].flatMap((condition) => [
    '--fail-if',
    condition,
  ]);
  const { status, out, err } = await load(LOCAL, port, '--rate', '300', ...conditions);
  assert.equal(status, 1);
  assert.match(out, /^passed p99>100s: response time p99 is /m);
  assert.match(out, /^passed rate<1: the rate is /m);
  const time = String.raw`response time p99 is [\d.]+ [mu]s, more than 1.00 ns`;
  const errors = 'there are 0 errors, at least 0 errors';
  assert.match(
    err,
    new RegExp(`^sockloop: --fail-if p99>1ns: ${time}; --fail-if errors>=0: ${errors}$`, 'm'),
  );
});

test('load: two at once do not disturb each other, and are merged', { timeout }, async (t) => {
  leakCheck(t);
  const words = ['--json', LOCAL, server.port, '--rate', '200'];
  const both = await Promise.all([load(...words), run(t, shortLoad(...words))]);
  const directory = scratch(t);
  const files = both.map(({ status, out, err }, at) => {
    assert.equal(status, 0, err);
    const document = parseDocument(out, 'standard output');
    assertEchoed(document);
    assert.equal(document.counts.messages, 60);
    writeFileSync(`${directory}/${at}`, out);
    return `${directory}/${at}`;
  });
  const merged = await sockloopHere('merge', '--json', ...files);
  assert.equal(merged.status, 0, merged.err);
  const { counts, machines, generator } = JSON.parse(merged.out) as LoadDocument;
  assert.deepEqual([counts.messages, machines.length, generator.askedPerSecond], [120, 2, 400]);
});

test('load --help: every flag with its words, in 80 columns', { timeout }, async (t) => {
  leakCheck(t);
  const outcome = await sockloopHere('load', '--help');
  assert.deepEqual([outcome.status, outcome.err], [0, '']);
  for (const line of outcome.out.split('\n')) assert.ok(line.length <= 80, line);
  const flags = [...outcome.out.matchAll(/^ {2}--([a-z-]+) .*/gm)].map(([, name]) => name);
  assert.deepEqual(
    flags,
    (
      'unix connections idle threads loop churn source-addresses source-ports pipeline rate ' +
      'stages arrivals size message file mode seed duration warmup ramp timeout start-at report ' +
      'hdr json fail-if udp dgram seqpacket no-gso gro'
    ).split(' '),
  );
  assert.equal([...outcome.out.matchAll(/^ {2}\$ sockloop load /gm)].length, 3);
});

test('load: results go to files of their own, which appear only when there are some', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const directory = scratch(t);
  const file = `${directory}/new`;
  const none = await load(LOCAL, '1', '--report', `${directory}/no/file`);
  const why = `sockloop: cannot write ${directory}/no/file: ENOENT (no such file or directory)\n`;
  assertOutcome(none, 1, '', why);
  const isDirectory = await load(LOCAL, '1', '--hdr', directory);
  const what = 'EISDIR (illegal operation on a directory)';
  assertOutcome(isDirectory, 1, '', `sockloop: cannot write ${directory}: ${what}\n`);
  const twice = await load(LOCAL, '1', '--report', file, '--hdr', `${directory}/./new`);
  assert.equal(twice.status, 2);
  assert.match(twice.err, /--hdr .*new is the file of another result: it needs its own\n/);
  assert.throws(() => statSync(file), { code: 'ENOENT' });
});
