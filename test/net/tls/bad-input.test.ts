// Goal: whatever a peer does, the connection ends with an error that says what, with the code of
// node:tls where it has one, no descriptor is left, and the server goes on.
// Method: peers of node:net that break off in each state, certificates that do not verify, plain
// text on either side, openssl(1) as a peer that renegotiates; leakCheck behind each.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { connect, listen, TlsError } from '#src/net/tls/index.js';
import {
  authority,
  client,
  Heard,
  localhost,
  open,
  over,
  type Scenario,
  scenario,
  server,
  until,
} from './scenario.ts';

const ca = authority.cert;

/** A connection of node:net, open. */
async function plainClient(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** A TLS client of node:tls whose socket of node:net is at hand. */
async function nodeClient(
  port: number,
  options: tls.ConnectionOptions = {},
): Promise<{ socket: tls.TLSSocket; below: net.Socket }> {
  const below = await plainClient(port);
  const socket = tls.connect({ socket: below, ca, servername: 'localhost', ...options });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return { socket, below };
}

/** The server still serves. */
async function stillServes(s: Scenario, port: number): Promise<void> {
  const asked = client(s, port);
  (await open(asked)).end('hello');
  await over(asked);
  assert.equal(asked.closeError, null);
}

/** The first bytes of a ClientHello, of a client that never goes on. */
async function clientHello(): Promise<Buffer> {
  const catcher = net.createServer().listen(0, '127.0.0.1');
  await once(catcher, 'listening');
  const { port } = catcher.address() as net.AddressInfo;
  const asking = tls.connect({ port, host: '127.0.0.1' });
  asking.on('error', () => undefined);
  const [socket] = (await once(catcher, 'connection')) as [net.Socket];
  const [hello] = await once(socket, 'data');
  socket.destroy();
  asking.destroy();
  catcher.close();
  await once(catcher, 'close');
  return hello as Buffer;
}

scenario('a client that ends or resets, before and in the handshake', async (s) => {
  const { heard, listener, port } = server(s);
  const hello = await clientHello();
  for (const sent of [Buffer.alloc(0), hello.subarray(0, 50), hello]) {
    for (const how of ['resetAndDestroy', 'destroy'] as const) {
      heard.error = null;
      const socket = await plainClient(port);
      if (sent.length > 0) socket.write(sent);
      await until(() => listener.handshakes === 1);
      if (sent === hello) await once(socket, 'readable');
      socket[how]();
      await until(() => heard.error !== null);
      assert.equal(heard.code, 'ECONNRESET', `${sent.length} ${how}`);
      await until(() => listener.handshakes === 0);
    }
  }
  assert.equal(listener.stats.handshakesFailed, 6);
  assert.deepEqual(heard.events, []);
  await stillServes(s, port);
  listener.close();
});

scenario('a server that ends or resets, before and in the handshake', async (s) => {
  for (const how of ['resetAndDestroy', 'destroy'] as const) {
    for (const waits of [false, true]) {
      const catcher = net.createServer((socket) => {
        socket.on('error', () => undefined);
        if (waits) socket.once('data', () => socket[how]());
        else socket[how]();
      });
      catcher.listen(0, '127.0.0.1');
      await once(catcher, 'listening');
      const asked = client(s, (catcher.address() as net.AddressInfo).port);
      await over(asked);
      assert.equal(asked.code, 'ECONNRESET');
      assert.deepEqual(asked.events, []);
      catcher.close();
      await once(catcher, 'close');
    }
  }
});

for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
  scenario(`${maxVersion}: a FIN without close_notify is a truncation`, async (s) => {
    const { heard, listener, port } = server(s, { tls: { ...localhost, maxVersion } });
    const { socket, below } = await nodeClient(port);
    await new Promise((done) => socket.write('half a mess', done));
    await until(() => heard.text === 'half a mess');
    below.end();
    await over(heard);
    assert.equal(heard.closeCode, 'ERR_SSL_UNEXPECTED_EOF_WHILE_READING');
    assert(heard.closeError instanceof TlsError);
    assert.match(
      heard.closeError.message,
      /^cannot keep the TLS connection with 127\.0\.0\.1:\d+: /,
    );
    assert.deepEqual(heard.events, ['open', 'close']);
    socket.destroy();
    // A server that is cut off, too.
    const cutting = tls.createServer({ ...localhost, maxVersion });
    const sockets: net.Socket[] = [];
    cutting.on('connection', (one) => sockets.push(one));
    cutting.on('secureConnection', (one) => {
      one.on('error', () => undefined);
      one.write('half an ans', () => sockets[0]?.end());
    });
    cutting.listen(0, '127.0.0.1');
    await once(cutting, 'listening');
    const asked = client(s, (cutting.address() as net.AddressInfo).port);
    await over(asked);
    assert.equal(asked.text, 'half an ans');
    assert.equal(asked.closeCode, 'ERR_SSL_UNEXPECTED_EOF_WHILE_READING');
    assert.deepEqual(asked.events, ['open', 'close']);
    cutting.close();
    await stillServes(s, port);
    listener.close();
  });
}

scenario('a peer that resets, open and while this side ends', async (s) => {
  const { heard, listener, port } = server(s, {}, true);
  for (const ending of [false, true]) {
    heard.closeError = undefined;
    heard.connection = null;
    const { socket, below } = await nodeClient(port);
    const there = await open(heard);
    if (ending) there.end('bye');
    below.resetAndDestroy();
    await over(heard);
    assert.equal(heard.closeCode, 'ECONNRESET');
    socket.destroy();
  }
  await until(() => listener.connections === 0);
  listener.close();
});

scenario('plain text to a TLS server, and TLS to a plain one', async (s) => {
  const { heard, listener, port } = server(s);
  const socket = await plainClient(port);
  socket.resume().end('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await until(() => heard.error !== null);
  assert.equal(heard.code, 'ERR_SSL_HTTP_REQUEST');
  await until(() => socket.closed);
  const noise = await plainClient(port);
  heard.error = null;
  noise.resume().write(Buffer.alloc(1000, 'noise '));
  await until(() => heard.error !== null);
  assert.equal(heard.code, 'ERR_SSL_WRONG_VERSION_NUMBER');
  noise.destroy();
  await stillServes(s, port);
  listener.close();
  const plain = s.loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: { data: (connection) => connection.end('220 mail.example.org ESMTP\r\n') },
  });
  const asked = client(s, plain.port ?? 0);
  await over(asked);
  assert.equal(asked.code, 'ERR_SSL_WRONG_VERSION_NUMBER');
  plain.close();
});

scenario('bytes that break the encryption', async (s) => {
  const { heard, listener, port } = server(s);
  const { socket, below } = await nodeClient(port);
  await open(heard);
  below.write(Buffer.from(`1703030020${'00'.repeat(32)}`, 'hex'));
  await over(heard);
  assert.equal(heard.closeCode, 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC');
  assert.deepEqual(heard.events, ['open', 'close']);
  socket.destroy();
  await stillServes(s, port);
  listener.close();
});

/** The code with which node:tls refuses the server. */
async function codeOfNode(port: number, options: tls.ConnectionOptions): Promise<unknown> {
  const socket = tls.connect({ port, host: '127.0.0.1', ...options });
  try {
    await once(socket, 'secureConnect');
    return null;
  } catch (error) {
    return (error as { code?: unknown }).code;
  } finally {
    socket.destroy();
  }
}

scenario('certificates that do not verify: the code is that of node:tls', async (s) => {
  const names = { name: 'localhost', altNames: 'DNS:localhost,IP:127.0.0.1' };
  const expired = authority.issue('expired', { ...names, days: -1 });
  const wrong = authority.issue('wrong', { name: 'example.org', altNames: 'DNS:example.org' });
  const cases = [
    ['CERT_HAS_EXPIRED', expired, { ca }],
    ['ERR_TLS_CERT_ALTNAME_INVALID', wrong, { ca }],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', localhost, {}],
  ] as const;
  for (const [code, certificate, options] of cases) {
    const { listener, port } = server(s, { tls: { ...certificate } });
    const asked = client(s, port, { tls: { ...options } });
    await over(asked);
    assert.equal(asked.code, code);
    assert.equal(asked.code, await codeOfNode(port, options));
    assert(asked.error instanceof TlsError && asked.error.cause !== undefined);
    assert.deepEqual(asked.events, []);
    const lenient = client(s, port, { tls: { ...options, rejectUnauthorized: false } });
    const there = await open(lenient);
    assert.deepEqual([there.authorized, there.authorizationError], [false, code]);
    there.end();
    await over(lenient);
    await until(() => listener.connections === 0);
    listener.close();
  }
});

scenario('a client of another version of TLS is refused on both sides', async (s) => {
  const { heard, listener, port } = server(s, { tls: { ...localhost, minVersion: 'TLSv1.3' } });
  const asked = client(s, port, { tls: { ca, maxVersion: 'TLSv1.2' } });
  await over(asked);
  await until(() => heard.error !== null);
  assert.equal(heard.code, 'ERR_SSL_UNSUPPORTED_PROTOCOL');
  // The alert has arrived, in spite of the close.
  assert.equal(asked.code, 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  listener.close();
});

scenario('a client that renegotiates is refused', async (s) => {
  const { heard, listener, port } = server(s, { tls: { ...localhost, maxVersion: 'TLSv1.2' } });
  const words = ['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_2'];
  const peer = spawn('openssl', words, { stdio: ['pipe', 'ignore', 'ignore'] });
  await open(heard);
  peer.stdin.on('error', () => undefined);
  peer.stdin.write('R\n');
  await over(heard);
  assert.equal(heard.closeCode, 'ERR_TLS_RENEGOTIATION_DISABLED');
  peer.stdin.end();
  await until(() => peer.exitCode !== null);
  await stillServes(s, port);
  listener.close();
});

scenario('openssl s_client is served, and ends by close_notify', async (s) => {
  const { heard, listener, port } = server(s, {}, true);
  const words = ['s_client', '-connect', `127.0.0.1:${port}`, '-quiet', '-no_ign_eof'];
  const peer = spawn('openssl', words, { stdio: ['pipe', 'pipe', 'ignore'] });
  const there = await open(heard);
  peer.stdin.write('hello\n');
  await until(() => heard.text === 'hello\n');
  there.end('answer\n');
  const [chunk] = await once(peer.stdout, 'data');
  assert.equal(String(chunk), 'answer\n');
  peer.stdin.end();
  await until(() => peer.exitCode !== null);
  await over(heard);
  assert.equal(heard.closeError, null);
  listener.close();
});

scenario('handshakes begun and left: bounded, and given up in time', async (s) => {
  const { heard, listener, port } = server(s, { maxHandshakes: 50, handshakeTimeoutMs: 1000 });
  const sockets: net.Socket[] = [];
  const hello = await clientHello();
  for (let index = 0; index < 100; index += 1) {
    const socket = await plainClient(port);
    socket.resume().write(index % 2 === 0 ? hello : hello.subarray(0, 10));
    sockets.push(socket);
  }
  await until(() => listener.handshakes === 50);
  let most = 0;
  await until(() => {
    most = Math.max(most, listener.handshakes);
    return listener.stats.handshakesFailed === 100;
  });
  assert.equal(most, 50);
  assert.equal(heard.code, 'ERR_TLS_HANDSHAKE_TIMEOUT');
  await until(() => sockets.every(({ destroyed }) => destroyed));
  await stillServes(s, port);
  assert.equal(listener.handshakes, 0);
  listener.close();
});

scenario('a handler that throws closes its connection without close_notify', async (s) => {
  const heard = new Heard();
  const errors: unknown[] = [];
  const { listener, port } = server(s, {
    handlers: {
      ...heard.handlers(),
      data: (connection, chunk) => {
        connection.write('half an ans');
        if (chunk.length === 4) throw new Error('thrown');
        return Promise.reject(new Error('rejected')) as unknown as undefined;
      },
    },
    onHandlerError: (error) => errors.push((error as Error).message),
  });
  for (const text of ['four', 'more']) {
    const asked = client(s, port);
    (await open(asked)).write(text === 'four' ? text : 'longer');
    await over(asked);
    assert.equal(asked.closeCode, 'ERR_SSL_UNEXPECTED_EOF_WHILE_READING');
  }
  assert.deepEqual(errors, ['thrown', 'rejected']);
  await until(() => listener.connections === 0);
  assert.deepEqual(heard.events, ['open', 'close', 'open', 'close']);
  listener.close();
});

scenario('an abort, a cancel and a timeout end a connect in its handshake', async (s) => {
  const silent = net.createServer((socket) => socket.on('error', () => undefined).resume());
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as net.AddressInfo;
  const abort = new AbortController();
  const asked = client(s, port, { signal: abort.signal });
  const [first] = (await once(silent, 'connection')) as [net.Socket];
  abort.abort(new Error('enough'));
  await over(asked);
  assert.equal(asked.error?.message, 'enough');
  await until(() => first.closed);
  const late = client(s, port, { timeoutMs: 300 });
  await over(late);
  // On a busy machine the connect itself may be late.
  assert.match(String(late.code), /^(ERR_TLS_HANDSHAKE_TIMEOUT|ETIMEDOUT)$/);
  const handlers = { open: () => assert.fail('it was cancelled') };
  const onError = () => assert.fail('it was cancelled');
  const connector = connect(s.loop, { host: '127.0.0.1', port, handlers, onError });
  const [third] = (await once(silent, 'connection')) as [net.Socket];
  connector.cancel();
  assert.equal(connector.connecting, false);
  await until(() => third.closed);
  silent.close();
  const aborted = client(s, port, { signal: AbortSignal.abort(new Error('before')) });
  await over(aborted);
  assert.equal(aborted.error?.message, 'before');
});

scenario('wrong options are refused by the call', async ({ loop }) => {
  await Promise.resolve();
  const where = { host: '127.0.0.1', port: 0, handlers: {} };
  const tried = (options: object) => () => listen(loop, { ...where, tls: {}, ...options } as never);
  const asked = (options: object) => () =>
    connect(loop, { ...where, port: 1, ...options } as never);
  assert.throws(tried({ tls: undefined }), /^TypeError: tls is an object, not undefined$/);
  assert.throws(tried({ maxHandshakes: 0 }), /maxHandshakes is a number from 1 to/);
  assert.throws(tried({ handshakeTimeoutMs: 0 }), /handshakeTimeoutMs is above 0/);
  assert.throws(tried({ onHandshakeError: 1 }), /onHandshakeError is a function, not 1/);
  assert.throws(tried({ handlers: { session: 1 } }), /the handler session is a function/);
  assert.throws(tried({ tls: { key: 'no key' } }), { code: /ERR_OSSL/ });
  assert.throws(tried({ tls: { SNICallback: 1 } }), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(asked({ tls: 1 }), /^TypeError: tls is an object, not 1$/);
  assert.throws(asked({ tls: { cert: 'none' } }), { code: /ERR_OSSL/ });
  assert.throws(asked({ onError: 1 }), /onError is a function, not 1/);
  assert.throws(() => connect(null as never, where), /loop is an EventLoop, not null/);
});
