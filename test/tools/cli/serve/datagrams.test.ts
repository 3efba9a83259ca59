// Goal: `serve --udp`, `--dgram` and `--seqpacket` echo on every loop, answer nobody whom they must
// not, and say what they did; `send` says what came of each message.
// Method: the real programs, sockets of node:dgram and python3 beside them.

import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Command, run, type Scope, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';
import { assertOutcome, send, serve, sockloop } from '#test/harness/programs.js';
import { ReplyGuard } from '#tools/echo/datagrams/reply-guard.js';

const timeout = 60_000;
const LOOPS = ['auto', 'epoll', 'poll', 'select', 'io_uring', 'blocking'];

async function nodeSocket(scope: Scope, port = 0): Promise<Socket> {
  const socket = createSocket('udp4');
  scope.after(async () => {
    const closed = once(socket, 'close');
    socket.close();
    await closed;
  });
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** The server's last lines. */
async function stopped(command: Command): Promise<string> {
  const { status, out, err } = await command.stop('SIGINT');
  assert.deepEqual([status, err], [0, '']);
  return out;
}

for (const loop of LOOPS) {
  test(`serve --udp on ${loop}: datagrams of every length come back`, { timeout }, async (t) => {
    leakCheck(t);
    const { command, port } = await serve(t, '--udp', '--loop', loop);
    const socket = await nodeSocket(t);
    for (const length of [1, 0, 512, 1472, 65_507]) {
      const bytes = Buffer.alloc(length, length % 251);
      const came = once(socket, 'message');
      socket.send(bytes, port, '127.0.0.1');
      const [echo] = (await came) as [Buffer];
      assert.deepEqual(echo.equals(bytes), true, `${length} bytes`);
    }
    assert.match(await stopped(command), /^5 datagrams in, 67492 bytes; 5 out, 67492 bytes$/m);
  });

  test(`serve --dgram and --seqpacket on ${loop}: UNIX sockets`, { timeout }, async (t) => {
    leakCheck(t);
    for (const flag of ['--dgram', '--seqpacket']) {
      const path = join(scratch(t), 'echo');
      const command = start(t, sockloop('serve', '--unix', path, flag, '--loop', loop));
      await command.until('out', /^listening on /m);
      const words = ['--unix', path, flag];
      assertOutcome(await send(t, [...words, 'one', 'two']), 0, 'one\ntwo\n', '');
      assertOutcome(await send(t, words, 'three\nfour\n'), 0, 'three\nfour\n', '');
      assert.match(await stopped(command), /^4 datagrams in, 15 bytes; 4 out, 15 bytes$/m);
      assert.equal(existsSync(path), false);
      const gone = await send(t, [...words, 'five']);
      assert.equal(gone.status, 1);
      assert.match(gone.err, /^sockloop: cannot .*: ENOENT/);
    }
  });
}

test('serve --udp: services are not answered, nor more than the rate', { timeout }, (t) => {
  leakCheck(t);
  const guard = new ReplyGuard({ perSecond: 3, limitsLoopback: false });
  for (const port of [0, 7, 19, 53, 123, 11_211])
    assert.equal(guard.allows('192.0.2.1', port, 0), false);
  const answered = (host: string, nowMs: number): boolean => guard.allows(host, 40_000, nowMs);
  assert.deepEqual(
    [1, 2, 3, 4].map((at) => answered('192.0.2.1', at)),
    [true, true, true, false],
  );
  // Another address has a rate of its own, and so has the next second.
  assert.equal(answered('192.0.2.2', 5), true);
  assert.equal(answered('192.0.2.1', 1001), true);
  for (let at = 0; at < 100; at++) assert.equal(answered('127.0.0.1', at), true);
  for (const host of ['2001:db8::1', '2001:db8::2', '2001:db8::ffff:1']) answered(host, 2000);
  assert.equal(answered('2001:db8::3', 2000), false);
  assert.deepEqual(guard.counts, { port: 6, rate: 2, rateInAll: 0 });
  // The other way of writing IPv4, and a zone, make no other sender.
  assert.equal(answered('::ffff:192.0.2.2', 3000), true);
  for (let at = 0; at < 2; at++) assert.equal(answered('192.0.2.2', 3000), true);
  assert.equal(answered('192.0.2.2', 3000), false);
  assert.equal(answered('2001:db8::4%lo', 2000), false);
});

test('serve --udp: a hundred thousand forged addresses take bounded memory', { timeout }, (t) => {
  leakCheck(t);
  const guard = new ReplyGuard({ perSecond: 1000, limitsLoopback: false });
  let answers = 0;
  for (let index = 0; index < 200_000; index++) {
    const host = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
    if (guard.allows(host, 40_000, 0)) answers += 1;
  }
  // A second of all addresses together.
  assert.equal(answers, 100_000);
  assert.equal(guard.counts.rateInAll, 100_000);
});

test('serve --udp: two echo servers that take each other for clients fall silent', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const first = await serve(t, '--udp', '--udp-rate', '50');
  const second = await serve(t, '--udp', '--udp-rate', '50');
  // A datagram to one of them from the port of the other needs a forger; this is what it starts.
  const forged = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
import struct
payload = b'ping'
header = struct.pack('!HHHH', ${second.port}, ${first.port}, 8 + len(payload), 0)
s.sendto(header + payload, ('127.0.0.1', 0))`;
  const outcome = await run(t, ['python3', '-c', forged]);
  if (outcome.status !== 0) {
    t.skip('only root can forge an address');
    return;
  }
  await first.command.until('out', /^listening/m);
  const probe = await send(t, ['--udp', '127.0.0.1', String(first.port), 'still there']);
  const lines = [await stopped(first.command), await stopped(second.command)];
  const received = lines.map((text) => Number(/^(\d+) datagrams in/m.exec(text)?.[1]));
  for (const count of received) assert.ok(count >= 1 && count < 150, lines.join(''));
  // The rate ends it for good: the server answers a client, or has no answer left in this second.
  assert.ok(probe.status === 0 || /no reply/.test(probe.err), probe.err);
});

test('serve --udp: what is wrong is told', { timeout }, async (t) => {
  leakCheck(t);
  const { port } = await serve(t, '--udp');
  const taken = await run(t, sockloop('serve', '--udp', '--port', String(port)));
  assert.equal(taken.status, 1);
  assert.match(taken.err, new RegExp(`^sockloop: cannot .* 127.0.0.1:${port}: EADDRINUSE`));
  const path = join(scratch(t), 'file');
  writeFileSync(path, '');
  for (const [words, status, err] of [
    [['--udp', '--unix', path], 2, '--udp has a port: on a UNIX socket datagrams are --dgram'],
    [['--dgram'], 2, '--dgram is for UNIX sockets: it goes with --unix PATH'],
    [['--udp', '--dgram'], 2, '--udp, --dgram and --seqpacket exclude each other'],
    [['--udp-rate', '5'], 2, '--udp-rate goes with --udp'],
    [['--udp', '--udp-rate', '0'], 2, '--udp-rate takes a number from 1'],
    [['--udp', '--loop', 'threads'], 2, '--loop threads has a thread for each connection'],
    [['--udp', '--max-connections', '5'], 2, '--max-connections is for connections of bytes'],
    [['--udp', '--mode', 'line'], 2, '--mode is for connections of bytes'],
    [['--udp', '--metrics', '0'], 2, '--metrics is for connections of bytes'],
    [['--udp', '--host', 'no.such.host.invalid'], 1, 'no.such.host.invalid'],
    [['--unix', path, '--dgram'], 1, 'EADDRINUSE'],
    [['--unix', path, '--seqpacket'], 1, 'EADDRINUSE'],
  ] as const) {
    const outcome = await run(t, sockloop('serve', ...words));
    assert.equal(outcome.status, status, words.join(' '));
    assert.ok(outcome.err.includes(err), outcome.err);
  }
});

test('send --udp: nobody there, no reply, a name with two addresses, --json', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const silent = await nodeSocket(t);
  const silentPort = String(silent.address().port);
  const late = await send(t, ['--udp', '--timeout', '50ms', '127.0.0.1', silentPort, 'hello']);
  assertOutcome(late, 1, '', /^sockloop: no reply from 127\.0\.0\.1:\d+ within 50 ms/);
  const { port } = await serve(t, '--udp');
  assertOutcome(await send(t, ['--udp', 'localhost', String(port), 'a', 'b']), 0, 'a\nb\n', '');
  const json = await send(t, ['--udp', '--json', '127.0.0.1', String(port), 'hello']);
  const document = JSON.parse(json.out);
  assert.equal(document.server, `127.0.0.1:${port}`);
  assert.deepEqual(
    document.exchanges.map(({ roundTripMs: _, ...rest }: { roundTripMs: number }) => rest),
    [{ sentBytes: 5, receivedBytes: 5, reply: 'hello' }],
  );
  const closing = await nodeSocket(t);
  const nobody = String(closing.address().port);
  const { command: other } = await serve(t, '--udp');
  await other.stop();
  const refused = await send(t, ['--udp', '127.0.0.1', '9', 'x']);
  assertOutcome(refused, 1, '', /127\.0\.0\.1:9: ECONNREFUSED \(nobody receives there\)/);
  assert.ok(nobody.length > 0);
  for (const [words, err] of [
    [['--udp', '--threads', '2', '127.0.0.1', '9', 'x'], '--threads is for connections of bytes'],
    [['--udp', '--mode', 'echo', '127.0.0.1', '9', 'x'], '--mode is for connections of bytes'],
    [['--dgram', '127.0.0.1', '9', 'x'], '--dgram is for UNIX sockets'],
  ] as const) {
    const outcome = await send(t, words);
    assert.equal(outcome.status, 2);
    assert.ok(outcome.err.includes(err), outcome.err);
  }
});

test('serve --udp beside python3: its sockets, and one without a name', {
  timeout,
  skip: reasonWithout('python3'),
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serve(t, '--udp', '--loop', 'epoll');
  const client = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
for n in range(200):
    s.sendto(b'%d' % n, ('127.0.0.1', ${port}))
    assert s.recv(100) == b'%d' % n
print('done')`;
  assertOutcome(await run(t, ['python3', '-c', client]), 0, 'done\n', '');
  assert.match(await stopped(command), /^200 datagrams in/m);
  const path = join(scratch(t), 'echo');
  const unix = start(t, sockloop('serve', '--unix', path, '--dgram'));
  await unix.until('out', /^listening/m);
  const nameless = `import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(b'x', '${path}')`;
  assertOutcome(await run(t, ['python3', '-c', nameless]), 0, '', '');
  assertOutcome(await send(t, ['--unix', path, '--dgram', 'y']), 0, 'y\n', '');
  assert.match(await stopped(unix), /not answered: 1 from a socket without a name/);
});
