// Goal: what a guard holds back and what the program pauses do not undo each other; a deadline that
// was kept refuses nobody, however late the loop looks; what is over leaves no timer.
// Method: raw clients of a listener on one loop, which the test turns, and keeps busy.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Connection, EventLoop, type ListenOptions, RefusalError } from 'sockloop';
import { createConnection, type Socket } from 'sockloop/socket';
import { portOf } from '#test/conformance/environment.js';
import { leakCheck } from '#test/harness/leaks.js';

const TURNS_MAX = 4000;
const TRUSTED = { from: ['127.0.0.1'] };
const HEADER = 'PROXY TCP4 192.0.2.1 192.0.2.9 4711 443\r\n';
const ANSWER = Buffer.alloc(12_000_000, 'a');

function guarded(t: TestContext, options: Partial<ListenOptions<undefined>>) {
  leakCheck(t);
  const loop = new EventLoop();
  const kinds: string[] = [];
  const opened: Connection[] = [];
  const heard = { text: '' };
  const { handlers, guards, ...more } = options;
  const listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    ...more,
    guards: {
      ...guards,
      onRefused: (error) => kinds.push(error instanceof RefusalError ? error.kind : 'other'),
    },
    handlers: {
      ...handlers,
      open: (connection) => {
        opened.push(connection);
        handlers?.open?.(connection);
      },
      data: (connection, chunk) => {
        heard.text += Buffer.from(chunk).toString();
        handlers?.data?.(connection, chunk);
      },
    },
  });
  const clients: Socket[] = [];
  t.after(() => {
    for (const client of clients) client.close();
    loop.close();
  });
  const until = (done: () => boolean): void => {
    for (let turn = 0; !done(); turn++) {
      assert.ok(turn < TURNS_MAX, 'waited in vain');
      loop.turn(1);
    }
  };
  const connect = (): Socket => {
    const client = createConnection({ host: '127.0.0.1', port: portOf(listener) });
    clients.push(client);
    return client;
  };
  const turns = (count: number): void => {
    for (let turn = 0; turn < count; turn++) loop.turn(1);
  };
  return { loop, listener, kinds, opened, heard, connect, until, turns };
}

/** The loop is kept from its turns for so long. */
function keepBusy(timeMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, timeMs);
}

/** Reads all of the answer, with the loop turning. */
function readAnswer(client: Socket, loop: EventLoop): void {
  const buffer = new Uint8Array(2 ** 20);
  for (let left = ANSWER.length; left > 0; ) {
    left -= client.recv(buffer);
    loop.turn(0);
  }
}

test('guards: bytes behind a header, kept while the program pauses, are a first byte', (t) => {
  const { heard, opened, kinds, connect, until, turns } = guarded(t, {
    proxyProtocol: TRUSTED,
    guards: { firstByteMs: 20 },
    handlers: { open: (connection) => connection.pause() },
  });
  connect().sendAll(`${HEADER}hello`);
  until(() => opened.length === 1);
  keepBusy(30);
  turns(5);
  assert.deepEqual([kinds, heard.text], [[], '']);
  opened[0]?.resume();
  until(() => heard.text === 'hello');
});

test('guards: a header that lies in the socket when its time is over is in time', (t) => {
  const timeoutMs = 300;
  const { heard, kinds, connect, until, turns } = guarded(t, {
    proxyProtocol: { ...TRUSTED, timeoutMs },
  });
  const client = connect();
  turns(5);
  client.sendAll(`${HEADER}hello`);
  keepBusy(timeoutMs + 20);
  until(() => heard.text === 'hello' || kinds.length > 0);
  turns(5);
  assert.deepEqual([kinds, heard.text], [[], 'hello']);
  client.sendAll(' again');
  until(() => heard.text === 'hello again');
});

test('guards: not required, a header that is wrong is no data', (t) => {
  const { heard, kinds, connect, until } = guarded(t, {
    proxyProtocol: { ...TRUSTED, required: false },
  });
  connect().sendAll('PROXY TCP4 nowhere 192.0.2.9 4711 443\r\nhello');
  until(() => kinds.length === 1);
  assert.deepEqual([kinds, heard.text], [['proxyHeader'], '']);
});

const answering = {
  guards: { queuedBytesMax: 1000 },
  handlers: {
    data: (connection: Connection, chunk: Uint8Array): void => {
      if (chunk[0] === 0x78) connection.write(ANSWER);
    },
  },
};

test('guards: resume() of a connection that is held for its queue reads nothing', (t) => {
  const { loop, heard, opened, connect, until, turns } = guarded(t, answering);
  const client = connect();
  client.sendAll('x');
  until(() => heard.text === 'x');
  turns(3);
  client.sendAll('y');
  opened[0]?.pause();
  opened[0]?.resume();
  turns(20);
  assert.equal(heard.text, 'x', 'held until the answer is taken');
  readAnswer(client, loop);
  until(() => heard.text === 'xy');
});

test('guards: a queue that was taken resumes no connection that the program has paused', (t) => {
  const { loop, heard, opened, connect, until, turns } = guarded(t, answering);
  const client = connect();
  client.sendAll('x');
  until(() => heard.text === 'x');
  turns(3);
  opened[0]?.pause();
  client.sendAll('y');
  readAnswer(client, loop);
  turns(20);
  assert.equal(heard.text, 'x');
  opened[0]?.resume();
  until(() => heard.text === 'xy');
});

test('guards: a connection that has gone leaves no timer that looks at its queue', async (t) => {
  const { loop, listener, heard, opened, connect, until, turns } = guarded(t, {
    ...answering,
    guards: { writeStallMs: 60_000 },
  });
  const client = connect();
  client.sendAll('x');
  until(() => heard.text === 'x');
  turns(3);
  opened[0]?.reset();
  listener.close();
  const startMs = performance.now();
  await loop.run();
  assert.ok(performance.now() - startMs < 5000, 'run() ends with the last connection');
});
