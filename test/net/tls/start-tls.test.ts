// Goal: TLS starts on a running connection, on either side, and loses no byte of what is around it.
// Method: STARTTLS between two loops' connections, and with node:tls on the other side.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import type { Connection } from '#src/index.js';
import { startTls } from '#src/net/tls/index.js';
import { authority, Heard, localhost, over, type Scenario, scenario, until } from './scenario.ts';

const COMMAND = 'STARTTLS\r\n';

/** A server that starts TLS when it is asked to, with what came behind the command. */
function upgrading({ loop }: Scenario, heard: Heard): { port: number; close: () => void } {
  const options = { ...localhost };
  const listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: {
      open: (connection) => void connection.write('220 ready\r\n'),
      data: (connection, chunk) => {
        assert.equal(Buffer.from(chunk.subarray(0, COMMAND.length)).toString(), COMMAND);
        connection.write('go ahead\r\n');
        const head = Buffer.from(chunk.subarray(COMMAND.length));
        startTls(connection, {
          isServer: true,
          tls: options,
          head,
          handlers: heard.handlers(),
          onError: (error) => heard.failed(error),
        });
        // It is the caller's again.
        head.fill(0);
        assert.throws(() => connection.toDuplex(), /a stream or TLS has it/);
      },
      close: () => assert.fail('its handlers are called no more'),
    },
  });
  return { port: listener.port ?? 0, close: () => listener.close() };
}

scenario('both sides start TLS', async (s) => {
  const [there, here] = [new Heard(), new Heard()];
  const { port, close } = upgrading(s, there);
  let plain = '';
  s.loop.connect({
    host: '127.0.0.1',
    port,
    handlers: {
      open: (connection) => void connection.write(COMMAND),
      data: (connection, chunk) => {
        plain += Buffer.from(chunk).toString();
        if (!plain.endsWith('go ahead\r\n')) return;
        const tlsOptions = { ca: authority.cert, servername: 'localhost' };
        startTls(connection, { tls: tlsOptions, handlers: here.handlers() });
      },
    },
  });
  await until(() => there.connection !== null && here.connection !== null);
  assert.equal(plain, '220 ready\r\ngo ahead\r\n');
  assert.equal(here.connection?.authorized, true);
  assert.equal(there.connection?.servername, 'localhost');
  here.connection?.end('hello');
  await over(here, there);
  assert.equal(there.text, 'hello');
  assert.deepEqual([here.closeError, there.closeError], [null, null]);
  close();
});

scenario('bytes of TLS that came with the command are the first of the handshake', async (s) => {
  const heard = new Heard();
  const { port, close } = upgrading(s, heard);
  const below = net.connect(port, '127.0.0.1');
  below.on('error', () => undefined);
  await once(below, 'data');
  // The command and the ClientHello in one piece.
  below.cork();
  below.write(COMMAND);
  const answer: Buffer[] = [];
  const pair = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _, done) => void below.write(chunk, done),
  });
  const socket = tls.connect({ socket: pair, ca: authority.cert, servername: 'localhost' });
  setImmediate(() => below.uncork());
  below.on('data', (chunk: Buffer) => {
    answer.push(chunk);
    const isFirst = answer.length === 1;
    if (isFirst) assert.equal(chunk.subarray(0, 10).toString(), 'go ahead\r\n');
    const rest = isFirst ? chunk.subarray(10) : chunk;
    if (rest.length > 0) pair.push(rest);
  });
  await once(socket, 'secureConnect');
  socket.write('hello');
  await until(() => heard.text === 'hello');
  heard.connection?.reset();
  await over(heard);
  below.destroy();
  socket.destroy();
  close();
});

scenario('what cannot be: a closed connection, one that was ended, TLS twice', async (s) => {
  const heard = new Heard();
  const opened: Connection<unknown>[] = [];
  const listener = s.loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: { open: (connection) => void opened.push(connection) },
  });
  const clients = [0, 1, 2].map(() => net.connect(listener.port ?? 0, '127.0.0.1'));
  for (const socket of clients) socket.on('error', () => undefined).resume();
  await until(() => opened.length === 3);
  const options = {
    isServer: true,
    tls: { ...localhost },
    handlers: {},
    onError: (error: Error) => heard.failed(error),
  } as const;
  const [closed, ended, twice] = opened as [Connection, Connection, Connection];
  closed.close();
  ended.end();
  assert.throws(() => startTls(closed, options), /cannot start TLS on the connection: it is over/);
  assert.throws(() => startTls(ended, options), /it is over/);
  assert.throws(() => startTls({} as never, options), /cannot start TLS on an object/);
  assert.throws(() => startTls(twice, { ...options, tls: 1 as never }), /tls is an object, not 1/);
  startTls(twice, options);
  assert.throws(() => startTls(twice, options), /a stream or TLS has it/);
  twice.close();
  await until(() => heard.error !== null);
  assert.equal((heard.error as { code?: unknown } | null)?.code, 'ECONNRESET');
  for (const socket of clients) socket.destroy();
  await until(() => listener.connections === 0);
  listener.close();
});
