// Goal: the relay and the DNS forwarder in examples/ do what their heads say, between programs that
// know nothing of each other.
// Method: as their user would: started, talked to by sockperf, iperf3, socat, dnsmasq and the
// resolver of Node.js, and ended by Ctrl-C; a DNS server of our own that forges and is silent.

import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { Socket } from '#src/socket/index.js';
import { freePort } from '#test/harness/clients.js';
import { type Command, eventually, run, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';
import { boundUdp, freeUdpPort } from '#test/harness/udp.js';

const timeout = 240_000;
const LOCAL = '127.0.0.1';
const isLinux = process.platform === 'linux';
/** A receive that waits longer has failed, also on a busy machine. */
const WAIT_MS = 20_000;

interface Running {
  readonly program: Command;
  readonly port: number;
}

/** Starts an example in front of `port`, on a free port or `own`. */
async function running(t: TestContext, name: string, port: number, own = 0): Promise<Running> {
  const words = [`${root}build/examples/${name}.js`, LOCAL, `${port}`, `${own}`];
  const program = start(t, [process.execPath, ...words]);
  const [, listens] = await program.until('out', /^listening on port (\d+)$/m);
  return { program, port: Number(listens) };
}

/** Ctrl-C ends it, without a word on standard error. */
async function stopped({ program }: Running): Promise<void> {
  const { status, signal, err } = await program.stop('SIGINT');
  assert.deepEqual([status, signal, err], [0, null, '']);
}

function datagrams(t: TestContext): Socket {
  const socket = new Socket('IPv4', { type: 'SOCK_DGRAM' });
  t.after(() => socket.close());
  socket.setTimeout(WAIT_MS);
  socket.bind({ address: LOCAL, port: 0 });
  return socket;
}

function portOf(socket: Socket): number {
  const name = socket.getSockName();
  return name.family === 'UNIX' ? 0 : name.port;
}

const text = (bytes: Uint8Array, length: number): string =>
  new TextDecoder().decode(bytes.subarray(0, length));

test('the relay answers each client by its own socket', { timeout }, async (t) => {
  leakCheck(t);
  const server = datagrams(t);
  const relay = await running(t, 'udp-relay', portOf(server));
  const clients = [0, 1, 2].map(() => datagrams(t));
  const bytes = new Uint8Array(2 ** 16);
  for (const round of ['first', 'second']) {
    for (const [index, client] of clients.entries()) {
      client.sendTo(`${round} of ${index}`, { address: LOCAL, port: relay.port });
    }
    const ports = new Set<number>();
    for (let count = 0; count < clients.length; count += 1) {
      const [length, from] = server.recvFrom(bytes);
      if (from.family !== 'UNIX') ports.add(from.port);
      server.sendTo(`answer to the ${text(bytes, length)}`, from);
    }
    assert.equal(ports.size, clients.length);
    for (const [index, client] of clients.entries()) {
      const [length, from] = client.recvFrom(bytes);
      assert.equal(text(bytes, length), `answer to the ${round} of ${index}`);
      assert.ok(from.family === 'IPv4' && from.port === relay.port);
    }
  }
  // An empty one, and the longest.
  for (const length of [0, 65_507]) {
    clients[0]?.sendTo(new Uint8Array(length).fill(7), { address: LOCAL, port: relay.port });
    assert.equal(server.recv(bytes), length);
  }
  // A server that is gone loses datagrams, and stops nothing.
  server.close();
  for (let count = 0; count < 3; count += 1) {
    clients[0]?.sendTo('lost', { address: LOCAL, port: relay.port });
  }
  await stopped(relay);
});

test('the relay keeps runs of datagrams together, both ways', {
  timeout,
  skip: isLinux ? false : 'segmentation exists on Linux only',
}, async (t) => {
  leakCheck(t);
  const server = datagrams(t);
  const client = datagrams(t);
  for (const socket of [server, client]) socket.setSockOpt('UDP_GRO', true);
  const relay = await running(t, 'udp-relay', portOf(server));
  const run = new Uint8Array(2500).map((_, index) => index % 251);
  const control = [{ kind: 'UDP_SEGMENT', segmentSize: 1000 }] as const;
  const bytes = new Uint8Array(2 ** 16);
  client.sendMsg(run, { to: { address: LOCAL, port: relay.port }, control });
  const there = server.recvMsg(bytes);
  assert.deepEqual(bytes.subarray(0, there.length), run);
  assert.deepEqual(there.control, [{ kind: 'UDP_GRO', segmentSize: 1000 }]);
  assert.ok(there.address !== null);
  server.sendMsg(run, { to: there.address, control });
  const back = client.recvMsg(bytes);
  assert.deepEqual(bytes.subarray(0, back.length), run);
  assert.deepEqual(back.control, [{ kind: 'UDP_GRO', segmentSize: 1000 }]);
  await stopped(relay);
});

test('sockperf through the relay: nothing lost, doubled or out of order', {
  timeout,
  skip: reasonWithoutProc || reasonWithout('sockperf'),
}, async (t) => {
  leakCheck(t);
  const port = await freeUdpPort();
  const server = start(t, ['sockperf', 'server', '-i', LOCAL, '-p', `${port}`]);
  await boundUdp(port);
  const relay = await running(t, 'udp-relay', port);
  const words = ['ping-pong', '-i', LOCAL, '-p', `${relay.port}`, '-t', '1', '-m', '1200'];
  const { status, out, err } = await run(t, ['sockperf', ...words]);
  assert.equal(status, 0, `${out}\n${err}`);
  const summary = /dropped messages = 0; # duplicated messages = 0; # out-of-order messages = 0/;
  assert.match(out, summary);
  const sent = Number(/SentMessages=(\d+)/.exec(out)?.[1]);
  assert.ok(sent > 10, out);
  await stopped(relay);
  await server.stop('SIGTERM');
});

test('iperf3 through the relay, and its commands through the proxy of TCP', {
  timeout,
  skip: reasonWithoutProc || reasonWithout('iperf3'),
}, async (t) => {
  leakCheck(t);
  const port = await freePort();
  const server = start(t, ['iperf3', '-s', '-B', LOCAL, '-p', `${port}`, '--forceflush']);
  await server.until('out', /Server listening on/);
  // It takes one port for both protocols.
  const proxy = await running(t, 'proxy', port);
  const relay = await running(t, 'udp-relay', port, proxy.port);
  for (const direction of [[], ['-R']]) {
    const rate = ['-u', '-b', '20M', '-l', '1200', '-t', '1', '-J', ...direction];
    const words = ['iperf3', '-c', LOCAL, '-p', `${proxy.port}`, ...rate];
    const { status, out, err } = await run(t, words);
    assert.equal(status, 0, `${out}\n${err}`);
    const { packets, lost_packets: lost } = JSON.parse(out).end.sum;
    // About 2083 in a second; a busy machine may be late, and its sockets full.
    assert.ok(packets > 200 && lost < packets / 2, `${lost} of ${packets}`);
  }
  await stopped(relay);
  await stopped(proxy);
  await server.stop('SIGTERM');
});

test('socat at both ends of the relay', {
  timeout,
  skip: reasonWithoutProc || reasonWithout('socat'),
}, async (t) => {
  leakCheck(t);
  const port = await freeUdpPort();
  const server = start(t, ['socat', `UDP4-RECVFROM:${port},bind=${LOCAL},fork`, 'EXEC:cat']);
  await boundUdp(port);
  const relay = await running(t, 'udp-relay', port);
  const client = start(t, ['socat', '-', `UDP4:${LOCAL}:${relay.port}`]);
  client.child.stdin?.write('there and back');
  await client.until('out', /^there and back$/);
  await client.stop('SIGTERM');
  await stopped(relay);
  await server.stop('SIGTERM');
});

/** A resolver that asks one server once. */
function resolverOf(port: number): Resolver {
  const resolver = new Resolver({ timeout: WAIT_MS, tries: 1 });
  resolver.setServers([`${LOCAL}:${port}`]);
  return resolver;
}

test('the DNS forwarder in front of dnsmasq: many questions at once', {
  timeout,
  skip: reasonWithoutProc || reasonWithout('dnsmasq'),
}, async (t) => {
  leakCheck(t);
  const port = await freeUdpPort();
  const NAMES = 100;
  const names = Array.from({ length: NAMES }, (_, index) => `name-${index}.test`);
  const records = names.map((name, index) => `--host-record=${name},192.0.2.${index}`);
  const quiet = ['--no-daemon', '--no-resolv', '--no-hosts', '--conf-file=/dev/null'];
  const where = [`--port=${port}`, `--listen-address=${LOCAL}`, '--bind-interfaces'];
  const server = start(t, ['dnsmasq', ...quiet, ...where, '--local=/test/', ...records]);
  await server.until('err', /started, version/);
  const forwarder = await running(t, 'dns-forwarder', port);
  const resolver = resolverOf(forwarder.port);
  const answers = await Promise.all(names.map((name) => resolver.resolve4(name)));
  assert.deepEqual(
    answers,
    names.map((_, index) => [`192.0.2.${index}`]),
  );
  await assert.rejects(resolver.resolve4('nobody.test'), { code: 'ENOTFOUND' });
  await assert.rejects(resolver.resolve4('elsewhere.example'), { code: 'EREFUSED' });
  await stopped(forwarder);
  await server.stop('SIGTERM');
});

const HEADER_BYTES = 12;

/** The answer of a DNS server to the question of `query`: 192.0.2.`last`. */
function answerTo(query: Buffer, last: number): Buffer {
  let end = HEADER_BYTES;
  while (query[end] !== 0) end += (query[end] ?? 0) + 1;
  const question = Buffer.from(query.subarray(0, end + 5));
  question.writeUInt16BE(0x8180, 2);
  question.writeUInt16BE(1, 6);
  question.writeUInt32BE(0, 8);
  const record = [0xc0, HEADER_BYTES, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, last];
  return Buffer.concat([question, Buffer.from(record)]);
}

test('the DNS forwarder: forged answers, silence and nonsense', { timeout }, async (t) => {
  leakCheck(t);
  const server = createSocket('udp4').bind(0, LOCAL);
  await once(server, 'listening');
  t.after(() => once(server.close(), 'close').then(() => undefined));
  let asked = 0;
  const ids = new Set<number>();
  server.on('message', (query: Buffer, { port, address }: RemoteInfo) => {
    asked += 1;
    ids.add(query.readUInt16BE(0));
    if (query.includes('silent')) return;
    const wrongId = answerTo(query, 1);
    wrongId.writeUInt16BE(query.readUInt16BE(0) ^ 1, 0);
    const wrongName = answerTo(query, 2);
    wrongName.write('f', HEADER_BYTES + 1);
    const question = Buffer.from(query);
    for (const forged of [wrongId, wrongName, question, Buffer.alloc(3), answerTo(query, 7)]) {
      server.send(forged, port, address);
    }
  });
  const forwarder = await running(t, 'dns-forwarder', server.address().port);

  // What is no question gets no answer, and reaches no server.
  const client = datagrams(t);
  const to = { address: LOCAL, port: forwarder.port };
  const question = Buffer.from('00010100000100000000000004686f737404746573740000010001', 'hex');
  const endless = Buffer.concat([question.subarray(0, HEADER_BYTES), Buffer.alloc(40, 63)]);
  const none = Buffer.from(question);
  none.writeUInt16BE(0, 4);
  const nonsense = ['', 'short', answerTo(question, 1), endless, none, question.subarray(0, 20)];
  for (const one of nonsense) client.sendTo(one, to);

  const resolver = resolverOf(forwarder.port);
  assert.deepEqual(await resolver.resolve4('right.test'), ['192.0.2.7']);
  assert.equal(asked, 1, 'nonsense was not passed on');
  const startMs = performance.now();
  await assert.rejects(resolver.resolve4('silent.test'), { code: 'ESERVFAIL' });
  assert.ok(performance.now() - startMs > 1900);
  client.sendTo(question, to);
  const bytes = Buffer.alloc(512);
  await eventually(() => assert.equal(asked, 3));
  const length = client.recv(bytes);
  assert.deepEqual(bytes.subarray(0, length), answerTo(question, 7), 'with the id of the client');
  assert.equal(ids.size, 3);
  await stopped(forwarder);
});
