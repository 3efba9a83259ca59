// Goal: secureTransport and startTls encrypt as the proposal says, on either side; what TLS refuses
// fails the socket, and a connection that is cut is no end.
// Method: pairs of sockets, and peers of node:tls and openssl(1), with a certificate of the test.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectNode, createServer as createPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { createServer as createSecure } from 'node:tls';
import { connect, type ListenOptions, listen, type Socket, SocketError } from 'sockloop/web';
import { bytesOf, overLoops, pattern, portOf, rejection, textOf, withNode } from './stage.ts';

const folder = mkdtempSync(join(tmpdir(), 'sockloop-'));
after(() => rmSync(folder, { recursive: true }));
const keyFile = join(folder, 'key.pem');
const certFile = join(folder, 'cert.pem');
const words =
  'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost ' +
  `-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout ${keyFile} -out ${certFile}`;
execFileSync('openssl', words.split(' '), { stdio: 'pipe' });
const key = readFileSync(keyFile, 'utf8');
const cert = readFileSync(certFile, 'utf8');

const LOOPBACK = { hostname: '127.0.0.1', port: 0 };
const server: ListenOptions = { secureTransport: 'on', tls: { key, cert } };
const client = { secureTransport: 'on', tls: { ca: cert } } as const;

/** Echoes what `socket` gets, to its end. */
async function echo(socket: Socket): Promise<void> {
  await socket.readable.pipeTo(socket.writable);
  await socket.closed;
}

overLoops('TLS from the start: bytes both ways, ALPN, both ends', async () => {
  const listener = listen(LOOPBACK, { ...server, alpn: ['two', 'one'], allowHalfOpen: true });
  const socket = connect(`127.0.0.1:${listener.port}`, {
    ...client,
    alpn: ['one', 'two'],
    sni: 'localhost',
    allowHalfOpen: true,
  });
  const bytes = pattern(2_000_000);
  const writer = socket.writable.getWriter();
  const writing = [writer.write(bytes), writer.close()];
  const accepted = await listener.accept();
  const echoing = echo(accepted);
  assert.equal((await socket.opened).alpn, 'two');
  assert.equal((await accepted.opened).alpn, 'two');
  assert.deepEqual([socket.secureTransport, accepted.secureTransport], ['on', 'on']);
  assert.ok(Buffer.from(await bytesOf(socket.readable)).equals(bytes));
  await Promise.all([...writing, echoing, socket.closed, listener.close()]);
});

overLoops('startTls on both sides, with what was sent ahead', async () => {
  const listener = listen(LOOPBACK, { ...server, secureTransport: 'starttls' });
  const plain = connect(`127.0.0.1:${listener.port}`, { ...client, secureTransport: 'starttls' });
  const accepted = await listener.accept();
  const reader = accepted.readable.getReader();
  const writer = plain.writable.getWriter();
  await writer.write('STARTTLS\n');
  assert.equal(new TextDecoder().decode((await reader.read()).value), 'STARTTLS\n');
  const ahead = accepted.writable.getWriter();
  await ahead.write('ready\n');
  const secureServer = accepted.startTls();
  const answer = await plain.readable.getReader().read();
  assert.equal(new TextDecoder().decode(answer.value), 'ready\n');
  const secure = plain.startTls({ expectedServerHostname: 'localhost' });

  assert.deepEqual([plain.upgraded, plain.secureTransport], [true, 'starttls']);
  assert.deepEqual([secure.upgraded, secure.secureTransport], [false, 'on']);
  assert.throws(() => plain.startTls(), /SocketError: cannot start TLS: it was started before/);
  assert.throws(() => secure.startTls(), SocketError);
  await Promise.all([plain.closed, accepted.closed]);
  assert.ok((await rejection(writer.write('late'))) instanceof SocketError);
  assert.equal((await reader.read()).done, true);

  const echoing = echo(secureServer);
  const text = textOf(secure.readable);
  const secret = secure.writable.getWriter();
  await Promise.all([secret.write('secret'), secret.close()]);
  assert.equal(await text, 'secret');
  await Promise.all([echoing, secure.closed, listener.close()]);
});

overLoops('what may not start TLS', async () => {
  const { socket, peer } = await withNode();
  assert.throws(() => socket.startTls(), /secureTransport is off, not starttls/);
  await socket.close();
  peer.destroy();
  const { socket: closed, peer: other } = await withNode({ secureTransport: 'starttls' });
  await closed.close();
  assert.throws(() => closed.startTls(), /SocketError: cannot start TLS: the socket is closed/);
  other.destroy();
  for (const wrong of [{ sni: 'x' }, { alpn: ['x'] }, { tls: {} }]) {
    assert.throws(() => connect('127.0.0.1:1', wrong), /is for secureTransport on or starttls/);
  }
  assert.throws(() => connect('127.0.0.1:1', { ...client, alpn: 'h2' as never }), TypeError);
  assert.throws(() => listen(LOOPBACK, { secureTransport: 'on' }), /tls is needed/);
  assert.throws(() => listen(LOOPBACK, { secureTransport: 'on', tls: { key, cert: 'x' } }));
});

overLoops('a certificate that is not trusted, and one for another name', async () => {
  const listener = listen(LOOPBACK, server);
  const to = `127.0.0.1:${listener.port}`;
  const accepts = [listener.accept(), listener.accept()];
  const stranger = connect(to, { secureTransport: 'on' });
  const misnamed = connect(to, { ...client, sni: 'example.com' });
  const reading = rejection(textOf(stranger.readable));
  const error = await rejection(stranger.opened);
  assert.ok(error instanceof SocketError);
  assert.equal(error.code, 'DEPTH_ZERO_SELF_SIGNED_CERT');
  assert.equal(await rejection(stranger.closed), error);
  assert.equal(await reading, error);
  assert.equal((await rejection(misnamed.opened)).code, 'ERR_TLS_CERT_ALTNAME_INVALID');
  for (const accepted of await Promise.all(accepts)) await Promise.allSettled([accepted.close()]);
  await listener.close();
});

overLoops('plain text to TLS, TLS to plain text, and a peer that leaves', async () => {
  const listener = listen(LOOPBACK, server);
  const plain = connectNode(listener.port ?? 0, '127.0.0.1').on('error', () => undefined);
  const gone = new Promise((resolve) => plain.once('close', resolve));
  plain.resume().write('GET / HTTP/1.1\r\n\r\n');
  const accepted = await listener.accept();
  const refused = await rejection(accepted.opened);
  assert.ok(refused instanceof SocketError);
  assert.match(refused.code ?? '', /^ERR_SSL_/);
  assert.equal(await rejection(accepted.closed), refused);
  await Promise.all([listener.close(), gone]);

  const greeter = createPlain((peer) => {
    peer.on('error', () => undefined).resume();
    peer.write('220 hello\r\n');
  }).listen(0, '127.0.0.1');
  await once(greeter, 'listening');
  const socket = connect(`127.0.0.1:${portOf(greeter)}`, client);
  assert.match((await rejection(socket.opened)).code ?? '', /^ERR_SSL_/);
  greeter.close();

  const silent = createPlain((peer) => {
    peer.on('error', () => undefined).destroy();
  }).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const left = connect(`127.0.0.1:${portOf(silent)}`, client);
  assert.ok((await rejection(left.opened)) instanceof SocketError);
  assert.ok((await rejection(left.closed)) instanceof SocketError);
  silent.close();
});

overLoops('a connection that ends without close_notify is cut', async () => {
  const peers = createSecure({ key, cert }, (peer) => {
    peer.on('error', () => undefined);
    // Sends no close_notify.
    peer.write('a part', () => peer.destroy());
  }).listen(0, '127.0.0.1');
  await once(peers, 'listening');
  const socket = connect(`127.0.0.1:${portOf(peers)}`, client);
  const reader = socket.readable.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), 'a part');
  assert.ok((await rejection(reader.read())) instanceof SocketError);
  assert.ok((await rejection(socket.closed)) instanceof SocketError);
  peers.close();
});

overLoops('closed during the handshake', async () => {
  const silent = createPlain().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const connected = once(silent, 'connection');
  const socket = connect(`127.0.0.1:${portOf(silent)}`, client);
  const [peer] = await connected;
  peer.on('error', () => undefined).resume();
  const reason = new Error('enough');
  await socket.close(reason);
  assert.equal(await rejection(socket.opened), reason);
  peer.destroy();
  silent.close();
});

overLoops('openssl s_client and s_server', async () => {
  const listener = listen(LOOPBACK, server);
  const trust = ['-CAfile', certFile, '-verify_return_error', '-quiet'];
  const at = ['-connect', `127.0.0.1:${listener.port}`, '-no_ign_eof'];
  const child = spawn('openssl', ['s_client', ...at, ...trust], { stdio: 'pipe' });
  child.stdin.write('hello\n');
  const accepted = await listener.accept();
  const reader = accepted.readable.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), 'hello\n');
  await accepted.writable.close();
  const [status] = await once(child, 'close');
  assert.equal(status, 0);
  child.stdin.destroy();
  await Promise.allSettled([accepted.close(), listener.close()]);
});
