// Goal: `load --udp` says exactly what a server did to its datagrams, and fails where it must.
// Method: a python3 echo that loses, doubles, reorders and changes known shares; the real server.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { run, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';
import { serve, sockloop } from '#test/harness/programs.js';
import type { DatagramLoadDocument } from '#tools/load/datagrams/document.js';

const timeout = 90_000;

/** Of ten datagrams by their number: 3 is lost, 5 comes twice, 7 comes behind 8; 9 is changed. */
const PYTHON_ECHO = `import socket, struct, sys
changes = sys.argv[1] == 'changes'
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
s.bind(('127.0.0.1', 0))
print('listening', s.getsockname()[1], flush=True)
held = None
while True:
    data, peer = s.recvfrom(65536)
    n = struct.unpack_from('<I', data, 4)[0] % 10
    if n == 3:
        continue
    if n == 7:
        held = data
        continue
    if n == 9 and changes:
        data = data[:-1] + bytes([data[-1] ^ 1])
    s.sendto(data, peer)
    if n == 5:
        s.sendto(data, peer)
    if n == 8 and held is not None:
        s.sendto(held, peer)
        held = None
`;

const skip = reasonWithout('python3');

async function pythonEcho(t: TestContext, mode: 'exact' | 'changes'): Promise<string> {
  const command = start(t, ['python3', '-c', PYTHON_ECHO, mode]);
  return (await command.until('out', /^listening (\d+)/))[1] ?? '';
}

/** How many of the numbers below `sent` end in `digit`. */
const ending = (sent: number, digit: number): number => Math.floor((sent + 9 - digit) / 10);

for (const words of [[], ['--gro'], ['--no-gso', '--loop', 'epoll'], ['--loop', 'poll']]) {
  test(`load --udp ${words.join(' ')}: what was lost, doubled, reordered`, {
    timeout,
    skip,
  }, async (t) => {
    leakCheck(t);
    const port = await pythonEcho(t, 'exact');
    const shape = ['--rate', '400', '--duration', '1500ms', '--warmup', '0', '--timeout', '2'];
    const { status, out, err } = await run(
      t,
      sockloop('load', '--udp', '127.0.0.1', port, ...shape, '--json', ...words),
    );
    assert.deepEqual([status, err], [0, '']);
    const { counts, plan, latency } = JSON.parse(out) as DatagramLoadDocument;
    const { sent } = counts;
    // However late the client is: what was due is sent.
    assert.equal(sent, 600);
    const lost = ending(sent, 3) + (sent % 10 === 8 ? 1 : 0);
    assert.deepEqual(counts, {
      sent,
      answered: sent - lost,
      duplicates: ending(sent, 5),
      reordered: ending(sent, 7) - (sent % 10 === 8 ? 1 : 0),
      lost,
      late: 0,
      corrupted: 0,
      foreign: 0,
      unsent: 0,
      refused: 0,
      droppedHere: 0,
    });
    assert.equal(latency.count, counts.answered);
    assert.equal(plan.gro, words.includes('--gro'));
  });
}

test('load --udp: changed bytes fail the run, and are counted', { timeout, skip }, async (t) => {
  leakCheck(t);
  const port = await pythonEcho(t, 'changes');
  const words = ['--duration', '300ms', '--warmup', '0', '--pipeline', '8', '--timeout', '300ms'];
  const { status, out, err } = await run(t, sockloop('load', '--udp', '127.0.0.1', port, ...words));
  assert.equal(status, 1);
  assert.match(err, /^sockloop: \d+ datagrams came back with other bytes than were sent\n$/);
  assert.match(out, /^ {2}corrupted {3}\d+ \(/m);
});

test('load --udp: every reply of our own server, in a closed and in an open loop', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serve(t, '--udp');
  const words = ['--duration', '500ms', '--warmup', '100ms', '--json'];
  for (const shape of [
    ['--pipeline', '4'],
    ['--rate', '500', '--connections', '3', '--size', '1200'],
  ]) {
    const { status, out, err } = await run(
      t,
      sockloop('load', '--udp', '127.0.0.1', String(port), ...shape, ...words),
    );
    assert.deepEqual([status, err], [0, '']);
    const { counts } = JSON.parse(out) as DatagramLoadDocument;
    assert.ok(counts.sent > 50);
    assert.deepEqual([counts.corrupted, counts.duplicates, counts.foreign], [0, 0, 0]);
    assert.equal(counts.answered + counts.lost, counts.sent);
  }
  assert.equal((await command.stop()).status, 0);
});

test('load --udp: what it could not send at the rate is told', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serve(t, '--udp');
  // More than any machine sends.
  const words = ['--rate', '10000000', '--duration', '200ms', '--warmup', '0', '--timeout', '1'];
  const json = sockloop('load', '--udp', '127.0.0.1', String(port), ...words, '--json');
  const { counts } = JSON.parse((await run(t, json)).out) as DatagramLoadDocument;
  assert.equal(counts.sent + counts.unsent, 2_000_000);
  assert.ok(counts.sent > 0);
  const failing = sockloop('load', '--udp', '127.0.0.1', String(port), ...words);
  const { status, out } = await run(t, failing);
  assert.equal(status, 0);
  assert.match(out, /^ {2}unsent +[\d ,.]+/m);
  assert.equal((await command.stop()).status, 0);
});

test('load --dgram and --seqpacket: UNIX sockets lose nothing', { timeout }, async (t) => {
  leakCheck(t);
  for (const flag of ['--dgram', '--seqpacket']) {
    const path = join(scratch(t), 'echo');
    const server = start(t, sockloop('serve', '--unix', path, flag));
    await server.until('out', /^listening/m);
    const words = ['--duration', '300ms', '--warmup', '0', '--pipeline', '4', '--json'];
    const { status, out, err } = await run(t, sockloop('load', '--unix', path, flag, ...words));
    assert.deepEqual([status, err], [0, '']);
    const { counts } = JSON.parse(out) as DatagramLoadDocument;
    assert.ok(counts.sent > 20);
    assert.deepEqual([counts.lost, counts.duplicates, counts.reordered], [0, 0, 0]);
    assert.equal((await server.stop()).status, 0);
  }
});

test('load --udp: nobody there, conditions, wrong flags', { timeout }, async (t) => {
  leakCheck(t);
  const { port } = await serve(t, '--udp');
  const short = ['--duration', '200ms', '--warmup', '0', '--timeout', '200ms'];
  const nobody = await run(t, sockloop('load', '--udp', '127.0.0.1', '9', ...short));
  assert.equal(nobody.status, 1);
  assert.match(nobody.err, /nothing was measured: nobody receives there \(ECONNREFUSED\)/);
  const failing = ['--fail-if', 'rate>1', '--fail-if', 'lost>=0%', '--fail-if', 'p50<1us'];
  const failed = await run(
    t,
    sockloop('load', '--udp', '127.0.0.1', String(port), ...short, ...failing),
  );
  assert.equal(failed.status, 1);
  assert.match(failed.err, /--fail-if rate>1: rate is .*; --fail-if lost>=0%: lost is/);
  assert.doesNotMatch(failed.err, /p50/);
  assert.match(failed.out, /passed p50<1us: p50 is/);
  for (const [words, err] of [
    [['--udp', '127.0.0.1', '9', '--size', '8'], '--size takes 12 bytes or more'],
    [['--udp', '127.0.0.1', '9', '--size', '65508'], '--size takes a size from 1 to 65507'],
    [['--udp', '127.0.0.1', '9', '--threads', '2'], '--threads is for connections of bytes'],
    [['--udp', '127.0.0.1', '9', '--churn', '2'], '--churn is for connections of bytes'],
    [['--udp', '127.0.0.1', '9', '--rate', '5', '--pipeline', '5'], '--rate sends whatever'],
    [['--udp', '127.0.0.1', '9', '--fail-if', 'p99>5'], 'needs a time with its unit'],
    [['--udp', '127.0.0.1', '9', '--fail-if', 'connect.p99>5ms'], 'is not measured'],
    [['--udp', '127.0.0.1'], 'load takes a HOST and a PORT'],
    [['127.0.0.1', '9', '--gro'], '--gro goes with --udp'],
    [['--dgram', '127.0.0.1', '9'], '--dgram is for UNIX sockets'],
  ] as const) {
    const outcome = await run(t, sockloop('load', ...words));
    assert.equal(outcome.status, 2, words.join(' '));
    assert.ok(outcome.err.includes(err), outcome.err);
  }
});
