// Goal: the textbook's server says what it does in the textbook's words, and no client ends it.
// Method: the real program; clients of Node's net, polite and rude; descriptors counted from
// outside.

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { lookupService } from 'node:dns/promises';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { backends } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import {
  bigText,
  closed,
  dial,
  heard,
  peer,
  rudeClients,
  type Target,
  talk,
} from '#test/harness/clients.js';
import { closeReader, eventually, run, start } from '#test/harness/command.js';
import { tcpclientHere, tcpserverHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';
import { inNamespace, reasonWithoutNamespaces } from '#test/harness/namespace.js';
import { reasonWithout, reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { openFdsOf } from '#test/harness/process-state.js';
import {
  assertOutcome,
  quoted,
  serveTextbook,
  tcpclient,
  tcpserver,
} from '#test/harness/programs.js';

const timeout = 60_000;

const USAGE = 'usage: tcpserver [--loop select|poll|epoll|kqueue|io_uring] [--trace] <port>\n';
const notAPort = (text: string): string =>
  `ERROR, "${text}" is not a port: a number from 0 to 65535\n`;

test('tcpserver: wrong usage and bad ports', { timeout }, async (t) => {
  leakCheck(t);
  const table: [words: string[], err: string][] = [
    [[], USAGE],
    [['1', '2'], USAGE],
    [['--loop', 'magic', '0'], USAGE],
    [['--loop', 'threads', '0'], USAGE],
    [['--loop', 'io_uring'], USAGE],
    ...['abc', '-1', '65536', '', '80x', '0x50', '8e1', ' 80', '000080', '99999999999'].map(
      (text): [string[], string] => [[text], notAPort(text)],
    ),
  ];
  for (const [words, err] of table) assertOutcome(await tcpserverHere(...words), 1, '', err);
  assertOutcome(await run(t, tcpserver()), 1, '', USAGE);
});

test('tcpserver and tcpclient: --help', { timeout }, async (t) => {
  leakCheck(t);
  for (const [program, flags] of [
    [tcpserverHere, '--loop --trace --help <port>'],
    [tcpclientHere, '--threads --count --timeout --trace --help <hostname> <port>'],
  ] as const) {
    const { status, out, err } = await program('--help');
    assert.deepEqual([status, err], [0, '']);
    assert.match(out, /^usage: tcp(server|client) \[/);
    for (const flag of flags.split(' ')) assert.ok(out.includes(flag), flag);
  }
});

test('tcpserver and tcpclient --trace: their calls on standard error', { timeout }, async (t) => {
  leakCheck(t);
  const loops = backends.filter(({ available }) => available(nativeSys()) === true);
  for (const words of [[], ...loops.map(({ name }) => ['--loop', name])]) {
    const command = start(t, tcpserver(...words, '--trace', '0'));
    const port = (await command.until('out', /port (\d+)/))[1] ?? '';
    const { status, out, err } = await run(t, tcpclient('--trace', '127.0.0.1', port), 'hello\n');
    assert.deepEqual([status, out], [0, 'Echo from server: hello\n']);
    assert.match(err, /^connect\(\d+, \{AF_INET, 127\.0\.0\.1:\d+\}, 16\) = 0$/m);
    assert.match(err, /^recv\(\d+, "hello\\n", \d+, 0\) = 6$/m);
    await command.until('err', /^listen\(\d+, \d+\) = 0$/m);
    await command.until('err', /"hello\\n"/);
    await command.stop('SIGTERM');
  }
  const threads = await run(t, tcpclient('--trace', '--threads', '1', '127.0.0.1', '1'), 'x\n');
  assert.match(threads.err, /connect\(.* = -1 ECONNREFUSED/);
});

test('tcpserver: who sends no newline is answered after a second of silence', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveTextbook(t);
  // What fgets(3) leaves in a buffer of 1,024 bytes, and strlen(3) bytes of a text.
  for (const sent of ['a'.repeat(1023), 'hello']) {
    const waiting = talk({ port }, sent, 'stay');
    const behind = talk({ port }, 'behind it\n', 'stay');
    assert.equal((await waiting).toString(), sent);
    assert.equal((await behind).toString(), 'behind it\n');
  }
  assert.equal(command.err, '');
});

test('tcpserver: a resolver that is silent holds up nobody', {
  timeout,
  skip: process.getuid?.() === 0 ? reasonWithout('unshare', 'mount') : 'takes the rights of root',
}, async (t) => {
  leakCheck(t);
  const directory = scratch(t);
  // Its queries are heard, and never answered.
  const resolver = createSocket('udp4');
  t.after(() => resolver.close());
  resolver.bind(53, '127.0.0.77');
  await once(resolver, 'listening');
  writeFileSync(`${directory}/resolv.conf`, 'nameserver 127.0.0.77\n');
  writeFileSync(`${directory}/nsswitch.conf`, 'hosts: dns\n');
  const mount = ['resolv', 'nsswitch'].map(
    (name) => `mount --bind ${directory}/${name}.conf /etc/${name}.conf && `,
  );
  const script = `${mount.join('')}exec ${quoted(tcpserver('0'))}`;
  const command = start(t, ['unshare', '-m', 'sh', '-c', script]);
  const port = Number((await command.until('out', /port (\d+)/))[1]);
  const beganMs = performance.now();
  for (let client = 0; client < 5; client += 1) {
    assert.equal(
      (await talk({ port, localAddress: '127.0.0.9' }, 'x\n', 'stay')).toString(),
      'x\n',
    );
  }
  // Of the ten seconds that the resolver takes by itself, one is waited for, and by one client.
  assert.ok(performance.now() - beganMs < 8000);
  assert.match(command.out, /^server established connection with 127\.0\.0\.9$/m);
});

test('tcpserver: a port in use', { timeout }, async (t) => {
  leakCheck(t);
  const port = await peer(t, (socket) => socket.end());
  const outcome = await tcpserverHere(`${port}`);
  assertOutcome(outcome, 1, '', 'ERROR on binding: Address already in use\n');
});

/** What the server calls a client: the textbook's name and address, or the address alone. */
async function nameOf(address: string): Promise<string> {
  const name = await lookupService(address, 80).catch(() => null);
  return name === null ? address : `${name.hostname} (${address})`;
}

test('tcpserver: says who came and what, echoes one line, closes', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serveTextbook(t);
  const who = `server established connection with ${await nameOf('127.0.0.1')}\n`;
  const table: { sent: string | Buffer; finish?: 'stay'; back?: string; says: string }[] = [
    { sent: 'hello\n', finish: 'stay', says: '6 bytes: hello' },
    { sent: '\n', finish: 'stay', says: '1 bytes: ' },
    { sent: 'no newline', says: '10 bytes: no newline' },
    { sent: '', says: '0 bytes: ' },
    { sent: 'a\0b\0\n', finish: 'stay', says: '5 bytes: a\0b\0' },
    {
      sent: 'gr\u{fc}\u{df}e \u{1f600}\n',
      finish: 'stay',
      says: '13 bytes: gr\u{fc}\u{df}e \u{1f600}',
    },
    { sent: '\u{feff}mark\n', finish: 'stay', says: '8 bytes: \u{feff}mark' },
    { sent: 'crlf\r\n', finish: 'stay', says: '6 bytes: crlf\r' },
    { sent: 'one\ntwo\n', back: 'one\n', says: '4 bytes: one' },
  ];
  let printed = `server listening on port ${port}\n`;
  for (const { sent, finish, back, says } of table) {
    const reply = await talk({ port }, sent, finish);
    assert.deepEqual(reply, Buffer.from(back ?? sent), says);
    printed += `${who}server received ${says}\n`;
    await eventually(() => assert.equal(command.out, printed));
  }
  assert.equal(command.err, '');
  const { status, signal } = await command.stop('SIGINT');
  assert.deepEqual([status, signal], [null, 'SIGINT'], 'Ctrl-C ends it');
});

test('tcpserver: an address without a name stands alone', { timeout }, async (t) => {
  leakCheck(t);
  const { command, port } = await serveTextbook(t);
  const target: Target = { port, localAddress: '127.0.0.3' };
  assert.equal((await talk(target, 'x\n')).toString(), 'x\n');
  const expected = `server established connection with ${await nameOf('127.0.0.3')}\n`;
  assert.equal(command.out.split('\n')[1], expected.trimEnd());
});

/** Answers no question for a name, and sends lines to the server of its arguments, one by one. */
const SILENT = `
  const udp = require('node:dgram').createSocket('udp4');
  const [, ...words] = process.argv;
  udp.on('message', () => {}).bind(53, '127.0.0.1', () => {
    const { spawn } = require('node:child_process');
    const { connect } = require('node:net');
    const server = spawn(words[0], words.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    const began = performance.now();
    const send = (left) => {
      if (left === 0) {
        console.log(JSON.stringify({ printed, ms: performance.now() - began }));
        server.kill('SIGKILL');
        udp.close();
        return;
      }
      const port = Number(printed.match(/port (\\d+)/)[1]);
      const client = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.3' });
      client.resume().on('close', () => send(left - 1)).write('x\\n');
    };
    server.stdout.on('data', (piece) => {
      const isFirst = printed === '';
      printed += piece;
      if (isFirst) send(3);
    });
  });
`;

/** The resolver gives up after a minute. */
const SILENT_RESOLVER =
  'f=$(mktemp); printf "nameserver 127.0.0.1\\noptions timeout:30 attempts:2\\n" > $f; ' +
  'mount --bind $f /etc/resolv.conf; rm $f';

test('tcpserver: a resolver that is silent delays a client by a second', {
  timeout,
  skip: reasonWithoutNamespaces,
}, async (t) => {
  leakCheck(t);
  const words = [process.execPath, '-e', SILENT, ...tcpserver('0')];
  const { out, err } = await run(t, inNamespace(SILENT_RESOLVER, words));
  assert.equal(err, '');
  const { printed, ms } = JSON.parse(out) as { printed: string; ms: number };
  assert.equal(printed.match(/connection with 127\.0\.0\.3$/gm)?.length, 3, printed);
  assert.ok(ms < 20_000, `${ms} ms`);
});

test('tcpserver: bytes that are no text, and 10 MB', { timeout }, async (t) => {
  leakCheck(t);
  const { port } = await serveTextbook(t);
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  const [head, tail] = [everyByte.subarray(0, 10), everyByte.subarray(11)];
  for (const bytes of [head, tail, bigText(), Buffer.concat([bigText(), Buffer.from('\n')])]) {
    assert.ok(bytes.equals(await talk({ port }, bytes)), `${bytes.length} bytes come back whole`);
  }
});

test('tcpserver: no client ends it, and none leaves a descriptor', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveTextbook(t);
  const before = openFdsOf(command.pid);
  for (const rude of rudeClients) {
    await t.test(rude.name, { timeout }, async (each) => {
      leakCheck(each);
      await rude.run({ port });
      assert.equal((await talk({ port }, 'still there\n', 'stay')).toString(), 'still there\n');
      await eventually(() => assert.deepEqual(openFdsOf(command.pid), before));
    });
  }
  assert.match(command.err, /^ERROR reading from socket: Connection reset by peer$/m);
  const known = /^ERROR (reading from|writing to) socket: (Connection reset by peer|Broken pipe)$/;
  for (const line of command.err.trimEnd().split('\n')) assert.match(line, known);
});

test('tcpserver: 300 clients, one after another', {
  timeout,
  skip: reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveTextbook(t);
  const before = openFdsOf(command.pid);
  for (let count = 0; count < 300; count++) {
    const line = `client ${count}\n`;
    assert.equal((await talk({ port }, line, 'stay')).toString(), line);
  }
  await eventually(() => assert.deepEqual(openFdsOf(command.pid), before));
  assert.equal(command.out.match(/server received/g)?.length, 300);
  assert.equal(command.err, '');
});

test('tcpserver: clients that come while another is served wait their turn', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const { port } = await serveTextbook(t);
  const silent = await dial({ port });
  const waiting = [1, 2, 3].map((count) => talk({ port }, `${count}\n`, 'stay'));
  silent.write('at last\n');
  assert.equal((await heard(silent)).toString(), 'at last\n');
  assert.equal(Buffer.concat(await Promise.all(waiting)).toString(), '1\n2\n3\n');
  await closed(silent);
});

test('tcpserver: a connection that is gone before accept(2) is no reason to end', {
  timeout,
  skip: reasonWithout('strace'),
}, async (t) => {
  leakCheck(t);
  const inject = ['-e', 'trace=accept4', '-e', 'inject=accept4:error=ECONNABORTED:when=1'];
  // With -D the server is the child of this test, and is ended with it.
  const command = start(t, ['strace', '-D', '-qq', ...inject, ...tcpserver('0')]);
  const port = Number((await command.until('out', /port (\d+)/))[1]);
  await command.until('err', /^ERROR on accept: Software caused connection abort$/m);
  assert.equal((await talk({ port }, 'on\n', 'stay')).toString(), 'on\n');
});

test('tcpserver: a reader of its output that leaves does not end it', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const { command, port } = await serveTextbook(t);
  await closeReader(command);
  for (let clients = 0; clients < 3; clients++) {
    assert.equal((await talk({ port }, 'hello\n')).toString(), 'hello\n');
  }
  const { signal, err } = await command.stop();
  assert.deepEqual([signal, err], ['SIGTERM', '']);
});
