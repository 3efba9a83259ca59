// Goal: `sockloop load` says what is wrong in one line, with the right status, and never hangs.
// Method: flags that make no sense, and servers that are absent, break off or answer wrongly.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort, peer } from '#test/harness/clients.js';
import { run, start } from '#test/harness/command.js';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';
import { assertOutcome, quoted, serve } from '#test/harness/programs.js';
import { errorsOf, load, loadDocument, shortLoad } from './load-command.ts';

const timeout = 60_000;
const LOCAL = '127.0.0.1';
const HINT = "Try 'sockloop load --help' for more.\n";

test('load: wrong usage', { timeout }, async (t) => {
  leakCheck(t);
  const table: [words: string[], why: string][] = [
    [[], 'load takes a HOST and a PORT, or --unix PATH'],
    [['h', '1', '--nothing'], "unknown option '--nothing'"],
    [
      ['h', '1', '--rate', '-5'],
      '--rate takes messages per second, above 0 and up to 10000000, such as 500 or 20k, not "-5"',
    ],
    [
      ['h', '1', '--fail-if', 'p99>5'],
      '--fail-if: "p99>5" needs a time with its unit: ns, us, ms or s',
    ],
    [['h', '1', '--report='], '--report takes the name of a file'],
  ];
  for (const [words, why] of table) {
    assertOutcome(await sockloopHere('load', ...words), 2, '', `sockloop: ${why}\n${HINT}`);
  }
});

test('load: what this machine or its files do not give', { timeout }, async (t) => {
  leakCheck(t);
  const directory = scratch(t);
  const path = (name: string, content: string): string => {
    writeFileSync(`${directory}/${name}`, content);
    return `${directory}/${name}`;
  };
  const [none, empty, huge] = [`${directory}/none`, path('empty', ''), path('huge', '')];
  truncateSync(huge, 2 ** 24 + 1);
  const [open, two] = [path('open', 'no newline'), path('two', 'a\nb\n')];
  const take = 'cannot take the message from';
  const table: [words: string[], why: string][] = [
    [['--file', none], `${take} ${none}: ENOENT (no such file or directory)`],
    [['--file', directory], `${take} ${directory}: it is a directory`],
    [['--file', empty], `${take} ${empty}: it is empty`],
    [['--file', huge], `${take} ${huge}: it has ${2 ** 24 + 1} bytes, of at most ${2 ** 24}`],
    [
      ['--file', open, '--mode', 'line'],
      `the message from ${open} does not end with a newline: a server in mode line would wait ` +
        'for it',
    ],
    [
      ['--file', two, '--mode', 'once'],
      `the message from ${two} has several lines: a server in mode once answers the first and ` +
        'closes',
    ],
    [
      ['--connections', '4', '--source-ports', '20000-20002'],
      '4 connections from one source address need as many local ports, and there are 3 for each: ' +
        'give 2 addresses with --source-addresses, or more ports with --source-ports',
    ],
  ];
  for (const [words, why] of table) {
    assertOutcome(await load(LOCAL, '1', ...words), 1, '', `sockloop: ${why}\n`);
  }
  const unknown = await load('not a name', '1');
  assert.deepEqual([unknown.status, unknown.out], [1, '']);
  assert.match(unknown.err, /^sockloop: cannot resolve "not a name": ENOTFOUND \(/);
});

test('load: more connections than descriptors', { timeout }, async (t) => {
  leakCheck(t);
  const words = quoted(shortLoad(LOCAL, '1', '--connections', '200'));
  const outcome = await run(t, ['sh', '-c', `ulimit -n 100; exec ${words}`]);
  assert.deepEqual([outcome.status, outcome.out], [1, '']);
  assert.match(
    outcome.err,
    /^sockloop: 200 connections need \d+ descriptors, and this process may have 100: raise /,
  );
});

test('load: a pipe without another end holds nothing up', { timeout }, async (t) => {
  leakCheck(t);
  const pipe = `${scratch(t)}/pipe`;
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  const input = await load(LOCAL, '1', '--file', pipe);
  assertOutcome(
    input,
    1,
    '',
    `sockloop: cannot take the message from ${pipe}: nobody has written to that pipe\n`,
  );
  const output = await load(LOCAL, '1', '--report', pipe);
  assert.equal(output.status, 1);
  assert.match(output.err, /^sockloop: cannot write .*pipe: ENXIO \(/);
});

test('load: nobody there, which is told soon', { timeout }, async (t) => {
  leakCheck(t);
  const port = await freePort();
  const outcome = await load(LOCAL, `${port}`, '--duration', '30');
  assert.equal(outcome.status, 1);
  assert.equal(outcome.out, '', 'no lines of zeros');
  const hint = 'connections were refused: does a server listen there\\?';
  const where = `nothing was measured on ${LOCAL}:${port}`;
  assert.match(outcome.err, new RegExp(`^sockloop: ${where}: \\d+ ${hint}$`, 'm'));
  const path = `${scratch(t)}/socket`;
  const unix = await load('--unix', path, '--json', '--fail-if', 'p99>5ms');
  assert.equal(unix.status, 1);
  assert.equal(JSON.parse(unix.out).response.count, 0);
  assert.match(unix.err, new RegExp(`^sockloop: nothing was measured on ${path}: `, 'm'));
});

test('load: nobody there for a run that is shorter than its warm-up', { timeout }, async (t) => {
  leakCheck(t);
  const port = `${await freePort()}`;
  const short = [LOCAL, port, '--duration', '0.1', '--warmup', '0.5', '--timeout', '0.2'];
  const found = /(connections were refused|no connection was made): does a server listen there\?$/m;
  for (const model of [[], ['--rate', '500'], ['--churn', '1']]) {
    const { status, out, err } = await load(...short, ...model);
    assert.deepEqual([status, out], [1, ''], err);
    assert.match(err, found);
  }
});

/** Loads a server that calls `serves` with each connection. */
async function against(t: TestContext, serves: (socket: Socket) => unknown, ...words: string[]) {
  const port = await peer(t, (socket) => void serves(socket));
  return load(LOCAL, `${port}`, '--json', '--timeout', '0.3', ...words);
}

test('load: servers that do not echo', { timeout }, async (t) => {
  leakCheck(t);
  const table: [name: string, serves: (socket: Socket) => unknown, kind: string, why: RegExp][] = [
    ['never answers', (socket) => socket.resume(), 'timeout', /had no reply in time: does/],
    [
      'answers with other bytes',
      (socket) => socket.on('data', (bytes: Buffer) => socket.write(bytes.map((byte) => byte ^ 1))),
      'mismatch',
      /replies were not what was sent/,
    ],
    [
      'talks first',
      (socket) => socket.on('data', () => undefined).write('220 welcome\r\n'),
      'mismatch',
      /replies were not what was sent/,
    ],
    ['closes at once', (socket) => socket.end(), 'shortReply', /ended before the whole reply/],
    [
      'answers half and closes',
      (socket) => socket.once('data', (bytes: Buffer) => socket.end(bytes.subarray(0, 9))),
      'shortReply',
      /ended before the whole reply/,
    ],
    [
      'resets',
      (socket) => socket.once('data', () => socket.resetAndDestroy()),
      'reset',
      /were reset while a reply was awaited/,
    ],
  ];
  for (const [name, serves, kind, why] of table) {
    const { status, out, err } = await against(t, serves);
    assert.equal(status, 1, name);
    const document = JSON.parse(out);
    assert.equal(document.response.count, 0, name);
    const kinds = Object.keys(errorsOf(document));
    assert.ok(kinds.includes(kind), `${name}: ${kinds}`);
    assert.match(err, why, name);
    assert.equal(document.verdict.valid, false);
  }
});

test('load: servers that echo and misbehave', { timeout }, async (t) => {
  leakCheck(t);
  const table: [name: string, serves: (socket: Socket) => unknown, kind: string][] = [
    [
      'closes after each message',
      (socket) => socket.once('data', (bytes: Buffer) => socket.end(bytes)),
      'shortReply',
    ],
    [
      'sends a byte too many',
      (socket) =>
        socket.on('data', (bytes: Buffer) => {
          socket.write(bytes);
          setTimeout(() => socket.write('x'), 20);
        }),
      'mismatch',
    ],
  ];
  for (const [name, serves, kind] of table) {
    const condition = ['--fail-if', `errors.${kind}>0`];
    const { status, out, err } = await against(t, serves, ...condition);
    assert.equal(status, 1, `${name}: ${err}`);
    const document = JSON.parse(out);
    assert.ok(document.counts.messages > 0, name);
    assert.ok(errorsOf(document)[kind] !== undefined, `${name}: ${out.slice(0, 2000)}`);
    assert.match(err, new RegExp(`there (is|are) \\d+ ${kind} errors?, more than 0`));
  }
});

test('load: a server that trickles is slow, not wrong', { timeout }, async (t) => {
  leakCheck(t);
  const trickles = async (socket: Socket): Promise<void> => {
    for await (const bytes of socket) {
      for (const byte of bytes as Buffer) {
        socket.write(Buffer.from([byte]));
        await delay(2);
      }
    }
  };
  const serves = (socket: Socket): unknown => trickles(socket).catch(() => undefined);
  const { status, out } = await against(t, serves, '--size', '10', '--timeout', '20');
  assert.equal(status, 0);
  const document = JSON.parse(out);
  assert.deepEqual(errorsOf(document), {});
  assert.ok(document.response.minUs > 15_000, `${document.response.minUs}`);
});

test('load: a server that dies in the middle', { timeout }, async (t) => {
  leakCheck(t);
  const { port, command: server } = await serve(t);
  const command = start(
    t,
    shortLoad('--json', LOCAL, `${port}`, '--duration', '60', '--rate', '300'),
  );
  await command.until('err', / measuring .* p99 /);
  await server.stop('SIGKILL');
  await command.until('err', /\d errors? /);
  const { status, out } = await command.stop('SIGINT');
  assert.equal(status, 0);
  const document = JSON.parse(out);
  assert.equal(document.endedEarly, true);
  assert.ok(document.counts.messages > 0);
  assert.ok((errorsOf(document)['refused'] ?? 0) > 0, JSON.stringify(errorsOf(document)));
});

test('load: the longest message there is', { timeout }, async (t) => {
  leakCheck(t);
  const { port } = await serve(t);
  const words = ['--size', `${2 ** 24}`, '--connections', '1'];
  const document = await loadDocument(LOCAL, `${port}`, ...words);
  assert.deepEqual(errorsOf(document), {});
  assert.equal(document.counts.receivedBytes, document.counts.messages * 2 ** 24);
});

const socat = (port: string): string[] => [
  'socat',
  `TCP-LISTEN:${port},bind=${LOCAL},fork,reuseaddr`,
  'EXEC:cat',
];
const ncat = (port: string): string[] => ['ncat', '-l', '-k', '-e', '/bin/cat', LOCAL, port];

for (const [tool, words] of [
  ['socat', socat],
  ['ncat', ncat],
] as const) {
  test(`load: the echo of ${tool}`, { timeout, skip: reasonWithout(tool) }, async (t) => {
    leakCheck(t);
    const port = `${await freePort()}`;
    start(t, words(port));
    while ((await sockloopHere('send', LOCAL, port, 'x')).status !== 0) await delay(20);
    const document = await loadDocument(LOCAL, port, '--rate', '100', '--churn', '20');
    assert.deepEqual(errorsOf(document), {});
    assert.equal(document.counts.messages, 30);
  });
}
