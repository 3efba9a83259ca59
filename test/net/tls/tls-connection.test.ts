// Goal: a TLS connection has the handlers, the back-pressure and the ends of a plain one, and what
// TLS adds: ALPN, SNI, certificates of clients, sessions.
// Method: both sides on a loop; node:tls on the other side where its view matters.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import tls from 'node:tls';
import { connectAsync, listen } from '#src/net/tls/index.js';
import { authority, client, localhost, open, over, scenario, server, until } from './scenario.ts';

const LARGE = Buffer.alloc(5 * 1024 * 1024, 'all work and no play ');

for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
  scenario(`${maxVersion}: bytes go both ways, and both sides end`, async (s) => {
    const { heard, listener, port } = server(s, { tls: { ...localhost, maxVersion } });
    const asked = client(s, port);
    const [there, here] = [await open(heard), await open(asked)];
    assert.equal(here.protocol, maxVersion);
    assert.equal(here.authorized, true);
    assert.equal(here.authorizationError, null);
    assert.equal(here.peerCertificate?.subject.CN, 'localhost');
    assert.equal(there.peerCertificate, null);
    assert.equal(there.cipher?.name, here.cipher?.name);
    assert.deepEqual(there.remoteAddress, here.localAddress);
    assert.equal(here.write('question'), true);
    await until(() => heard.text === 'question');
    there.write(Buffer.from('-an answer-'), 1, 9);
    await until(() => asked.text === 'an answer');
    assert.deepEqual([here.bytesSent, here.bytesReceived, there.bytesReceived], [8, 9, 8]);
    here.end('bye');
    await over(asked, heard);
    assert.equal(heard.text, 'questionbye');
    assert.deepEqual(heard.events, ['open', 'end', 'close']);
    assert.deepEqual(asked.events, ['open', 'end', 'close']);
    assert.deepEqual([heard.closeError, asked.closeError], [null, null]);
    assert.deepEqual([here.isOpen, here.fd, here.queuedBytes], [false, -1, 0]);
    assert.throws(() => here.write('late'), { code: 'ERR_STREAM_WRITE_AFTER_END' });
    assert.deepEqual([listener.connections, listener.handshakes], [0, 0]);
    listener.close();
  });
}

scenario('half-open: the answer comes behind the end', async (s) => {
  const { heard, listener, port } = server(s, {}, true);
  const asked = client(s, port, {}, true);
  const there = await open(heard);
  (await open(asked)).end('question');
  await until(() => heard.events.includes('end'));
  for (const part of ['an ', 'answer']) there.write(part);
  await until(() => asked.text === 'an answer');
  assert.equal(asked.events.includes('end'), false);
  there.end();
  await over(asked, heard);
  assert.deepEqual([heard.closeError, asked.closeError], [null, null]);
  listener.close();
});

scenario('back-pressure: write says when to wait, drain when to go on', async (s) => {
  const { heard, listener, port } = server(s);
  const asked = client(s, port);
  const there = await open(heard);
  there.pause();
  const here = await open(asked);
  let written = 0;
  while (here.write(LARGE)) written += LARGE.length;
  written += LARGE.length;
  assert(here.queuedBytes > 64 * 1024);
  assert(here.bytesSent < written);
  there.resume();
  await until(() => asked.events.includes('drain'));
  await until(() => heard.bytes === written);
  assert.equal(here.bytesSent, written);
  assert.deepEqual(heard.chunks[0]?.subarray(0, 20), LARGE.subarray(0, 20));
  here.end();
  await over(asked, heard);
  listener.close();
});

scenario('a limit of the queue refuses a write before taking anything', async (s) => {
  const { heard, listener, port } = server(s);
  const asked = client(s, port, { queueBytesMax: 1024 * 1024 });
  await open(heard);
  const here = await open(asked);
  assert.throws(() => here.write(LARGE), /above queueBytesMax/);
  here.end('still open');
  await over(asked, heard);
  assert.equal(heard.text, 'still open');
  listener.close();
});

scenario('paused: nothing is delivered, in the middle of a chunk neither', async (s) => {
  const { heard, listener, port } = server(s);
  const asked = client(s, port);
  const there = await open(heard);
  const here = await open(asked);
  // Records of one chunk of TCP, of which the first pauses.
  there.pause();
  for (let index = 0; index < 10; index += 1) here.write(String(index));
  here.end();
  await new Promise((resolve) => s.loop.setTimer(20, () => resolve(undefined)));
  assert.equal(heard.text, '');
  assert.equal(heard.events.includes('end'), false);
  there.resume();
  await over(asked, heard);
  assert.equal(heard.text, '0123456789');
  listener.close();
});

scenario('a handler that pauses gets the rest of the chunk after resume', async (s) => {
  const got: string[] = [];
  let sawEnd = false;
  const { heard, listener, port } = server(s, {
    handlers: {
      data: (connection, chunk) => {
        got.push(Buffer.from(chunk).toString());
        connection.pause();
        assert.equal(connection.isOpen, true);
        s.loop.setTimer(1, () => connection.resume());
      },
      end: () => {
        sawEnd = true;
      },
    },
  });
  const asked = client(s, port);
  const here = await open(asked);
  for (const part of ['one', 'two', 'three']) here.write(part);
  here.end();
  await until(() => sawEnd);
  assert.deepEqual(got, ['one', 'two', 'three']);
  assert.equal(heard.error, null);
  for (const connection of listener) connection.end();
  await over(asked);
  listener.close();
});

scenario('ALPN and SNI: both sides know what was chosen', async (s) => {
  const other = authority.issue('other', { name: 'other', altNames: 'DNS:*.example.org' });
  const names: string[] = [];
  const { heard, listener, port } = server(s, {
    tls: { ...localhost, ALPNProtocols: ['two', 'one'] },
  });
  listener.addContext('*.example.org', other);
  const ca = authority.cert;
  const servername = 'a.example.org';
  const asked = client(s, port, { tls: { ca, ALPNProtocols: ['one', 'two'], servername } });
  const [there, here] = [await open(heard), await open(asked)];
  assert.deepEqual([there.alpnProtocol, here.alpnProtocol], ['two', 'two']);
  assert.deepEqual([there.servername, here.servername], [servername, servername]);
  assert.equal(here.peerCertificate?.subject.CN, 'other');
  here.end();
  await over(asked, heard);
  listener.close();
  // The program's own callback, which answers later.
  const callback = server(s, {
    tls: {
      ...localhost,
      SNICallback: (name, done) => {
        names.push(name);
        setTimeout(() => done(null, tls.createSecureContext(other)), 5);
      },
    },
  });
  const second = client(s, callback.port, { tls: { ca, servername } });
  assert.equal((await open(second)).peerCertificate?.subject.CN, 'other');
  assert.equal((await open(second)).alpnProtocol, null);
  (await open(second)).end();
  await over(second, callback.heard);
  assert.deepEqual(names, [servername]);
  // The host is asked for where no name is given.
  const third = client(s, callback.port, {
    host: 'localhost',
    tls: { ca, rejectUnauthorized: false },
  });
  assert.equal((await open(third)).authorizationError, 'ERR_TLS_CERT_ALTNAME_INVALID');
  (await open(third)).end();
  await over(third);
  assert.equal(names.at(-1), 'localhost');
  callback.listener.close();
});

scenario('certificates of clients: verified, missing, of another authority', async (s) => {
  const own = authority.issue('client', { name: 'a client' });
  const asks = { ...localhost, ca: authority.cert, requestCert: true };
  const strict = server(s, { tls: asks });
  const known = client(s, strict.port, { tls: { ca: authority.cert, ...own } });
  const there = await open(strict.heard);
  assert.equal(there.authorized, true);
  assert.equal(there.peerCertificate?.subject.CN, 'a client');
  (await open(known)).end();
  await over(known, strict.heard);
  const unknown = client(s, strict.port);
  await over(unknown);
  await until(() => strict.heard.error !== null);
  assert.equal(strict.heard.code, 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE');
  strict.listener.close();
  const lenient = server(s, { tls: { ...asks, rejectUnauthorized: false } });
  const tolerated = client(s, lenient.port);
  await open(tolerated);
  assert.equal((await open(lenient.heard)).authorized, false);
  assert.equal((await open(lenient.heard)).authorizationError, 'UNABLE_TO_GET_ISSUER_CERT');
  (await open(tolerated)).end();
  await over(tolerated, lenient.heard);
  lenient.listener.close();
});

for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
  scenario(`${maxVersion}: a session is resumed by its ticket`, async (s) => {
    const ticketKeys = Buffer.alloc(48, 7);
    const { heard, listener, port } = server(s, {
      tls: { ...localhost, maxVersion, ticketKeys, sessionTimeout: 100 },
    });
    assert.deepEqual(Buffer.from(listener.getTicketKeys()), ticketKeys);
    const first = client(s, port);
    const here = await open(first);
    await until(() => first.sessions.length > 0);
    assert.equal(here.isSessionReused, false);
    here.end();
    await over(first, heard);
    const session = Buffer.from(first.sessions[0] ?? []);
    const second = client(s, port, { tls: { ca: authority.cert, session } });
    assert.equal((await open(second)).isSessionReused, true);
    (await open(second)).end();
    await over(second);
    // Other keys cannot read it.
    listener.setTicketKeys(Buffer.alloc(48, 8));
    const third = client(s, port, { tls: { ca: authority.cert, session } });
    assert.equal((await open(third)).isSessionReused, false);
    (await open(third)).end();
    await over(third);
    listener.close();
  });
}

scenario('a session is resumed by its id, from a store of the program', async (s) => {
  const store = new Map<string, Buffer>();
  const { listener, port } = server(s, {
    tls: { ...localhost, maxVersion: 'TLSv1.2', secureOptions: 0x4000 }, // SSL_OP_NO_TICKET
    newSession: (id, session, done) => {
      store.set(id.toString('hex'), session);
      setImmediate(done);
    },
    resumeSession: (id, done) => {
      setImmediate(() => done(null, store.get(id.toString('hex')) ?? null));
    },
  });
  const first = client(s, port);
  await until(() => first.sessions.length > 0);
  (await open(first)).end();
  await over(first);
  assert.equal(store.size, 1);
  const session = Buffer.from(first.sessions[0] ?? []);
  const second = client(s, port, { tls: { ca: authority.cert, session } });
  assert.equal((await open(second)).isSessionReused, true);
  (await open(second)).end();
  await over(second);
  listener.close();
});

scenario('toDuplex: a stream of node:stream over TLS', async (s) => {
  const { listener, port } = server(s, {
    handlers: {
      open: (connection) => {
        const stream = connection.toDuplex();
        assert.throws(() => connection.toDuplex(), /it is one/);
        pipeline(stream, stream).catch(assert.fail);
      },
    },
  });
  const asked = client(s, port);
  const here = await open(asked);
  here.end(LARGE);
  await over(asked);
  assert.equal(asked.bytes, LARGE.length);
  assert(Buffer.concat(asked.chunks).equals(LARGE));
  listener.close();
});

scenario('promises: connectAsync, and for await over a listener', async (s) => {
  const listener = listen(s.loop, { host: '127.0.0.1', port: 0, tls: { ...localhost } });
  const served = (async () => {
    for await (const connection of listener) {
      assert.equal(connection.connection.protocol, 'TLSv1.3');
      for await (const line of connection.lines()) await connection.write(`${line}!\n`);
      await connection.end();
      listener.close();
    }
  })();
  await using connection = await connectAsync(s.loop, {
    host: '127.0.0.1',
    port: listener.port ?? 0,
    tls: { ca: authority.cert },
  });
  assert.equal(connection.connection.authorized, true);
  await connection.write('one\ntwo\n');
  await connection.end(LARGE.subarray(0, 60_000));
  let answer = '';
  for await (const chunk of connection) answer += Buffer.from(chunk).toString();
  assert(answer.startsWith('one!\ntwo!\nall work'));
  await served;
  const refused = connectAsync(s.loop, { host: '127.0.0.1', port: 1 });
  await assert.rejects(refused, { code: 'ECONNREFUSED' });
});

scenario('shutdown: close_notify to all, and handshakes are given up', async (s) => {
  const { heard, listener, port } = server(s);
  const asked = client(s, port);
  await open(asked);
  (await open(heard)).write('last words');
  const silent = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  silent.on('error', () => undefined);
  const { ended, reset } = await listener.shutdown({ deadlineMs: 5000 });
  assert.deepEqual([ended, reset], [1, 0]);
  await over(asked);
  assert.equal(asked.text, 'last words');
  assert.equal(asked.closeError, null);
  await until(() => silent.closed);
});

scenario('node:tls as a client gets the end, and none where the queue was dropped', async (s) => {
  const { heard, listener, port } = server(s);
  for (const how of ['end', 'close'] as const) {
    const socket = tls.connect({ port, host: '127.0.0.1', ca: authority.cert });
    await once(socket, 'secureConnect');
    heard.connection = null;
    await until(() => [...listener].length === 1);
    const [there] = listener;
    there?.write('hello');
    there?.[how]();
    const [chunk] = await once(socket, 'data');
    assert.equal(String(chunk), 'hello');
    socket.resume().end();
    await until(() => socket.closed);
    await until(() => listener.connections === 0);
  }
  listener.close();
});
