// Goal: bytes, ends, errors and closings come at a socket of sockloop/net as at one of node:net, in
// the same order.
// Method: the same scenario on both; the events, their order and the results are the same.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { closed, compared, type Pair, portOf, until } from './differential.ts';
import { inWords } from './recorder.ts';

const host = '127.0.0.1';
const LARGE = Buffer.alloc(20 * 1024 * 1024, 'all work and no play ');

/** Waits for what needs no event: that the other side has got so many bytes. */
async function received({ server }: Pair, bytes: number): Promise<void> {
  await until(() => server.bytesRead >= bytes, 'all bytes are received');
}

compared('an end with data from each side, the client first', async ({ pair }) => {
  const { client, server } = await pair();
  const over = closed(client, server);
  server.resume();
  client.resume();
  client.end('bye');
  await over;
});

compared('an end with data from each side, the server first', async ({ pair }) => {
  const { client, server } = await pair();
  const over = closed(client, server);
  server.end('bye');
  server.resume();
  client.resume();
  await over;
});

compared('both sides end at once', async ({ pair }) => {
  const { client, server } = await pair();
  const over = closed(client, server);
  for (const socket of [client, server]) socket.resume().end('bye');
  await over;
});

compared('half-open: the answer comes after the end', async ({ pair, recorder }) => {
  const { client, server } = await pair({ allowHalfOpen: true });
  const over = closed(client, server);
  client.resume();
  server.resume();
  client.end('question');
  await once(server, 'end');
  recorder.note('facts', `${server.readyState} ${client.readyState} ${server.allowHalfOpen}`);
  server.write('answer');
  await until(() => client.bytesRead === 6, 'the answer has come');
  server.end();
  await over;
});

compared('half-open: a side that is never ended is destroyed', async ({ pair }) => {
  const { client, server } = await pair({ allowHalfOpen: true });
  const over = closed(client, server);
  client.resume();
  server.resume();
  client.end();
  await once(server, 'end');
  server.destroy();
  await over;
});

compared('an end that nobody reads', async ({ pair, recorder }) => {
  const whole = await pair();
  whole.client.end();
  const over = closed(whole.client, whole.server);
  await over;
  recorder.note('facts', `${whole.server.readyState} ${whole.client.readyState}`);
});

compared('data and an end that are read late', async ({ pair, recorder }) => {
  const whole = await pair();
  const { client, server } = whole;
  const over = closed(client, server);
  client.resume();
  client.end('late');
  await received(whole, 4);
  await new Promise((resolve) => setTimeout(resolve, 20));
  recorder.note('facts', `${server.readyState} ${server.readableLength}`);
  server.resume();
  await over;
});

compared('a write after the end, by the program', async ({ pair, recorder }) => {
  const { client, server } = await pair();
  client.on('error', () => undefined);
  server.on('error', () => undefined);
  server.resume();
  const over = closed(client, server);
  client.end('last');
  client.write('too late', (error) => recorder.note('write', inWords(error)));
  await over;
});

compared('a write after the end of the peer', async ({ pair, recorder }) => {
  const { client, server } = await pair();
  server.on('error', () => undefined);
  client.on('error', () => undefined);
  server.resume();
  client.resume();
  const over = closed(server, client);
  client.end();
  await once(server, 'finish');
  const wrote = server.write('too late', (error) => recorder.note('write', inWords(error)));
  recorder.note('facts', `${wrote}`);
  await over;
});

compared('destroyed with bytes that are not sent', async ({ pair, recorder }) => {
  const { client, server } = await pair();
  const over = closed(client);
  server.pause();
  client.write(LARGE, () => recorder.note('write', 'called'));
  client.write('more', (error) => recorder.note('write', inWords(error)));
  client.destroy();
  recorder.note('facts', `${client.destroyed} ${client.readyState} ${client.pending}`);
  await over;
});

compared('destroyed with an error, twice', async ({ pair }) => {
  const { client, server } = await pair();
  client.on('error', () => undefined);
  server.resume();
  const over = closed(client, server);
  client.destroy(new Error('no more'));
  client.destroy(new Error('no more at all'));
  await over;
});

compared('destroyed in the handler of each event', async ({ pair }) => {
  for (const event of ['data', 'end'] as const) {
    const { client, server } = await pair({ allowHalfOpen: true });
    server.resume();
    const over = closed(client);
    client.on('data', () => undefined);
    client.on(event, () => client.destroy());
    server.end('data');
    await over;
    const gone = closed(server);
    server.destroy();
    await gone;
  }
});

compared('destroyed when all is sent', async ({ pair }) => {
  const { client, server } = await pair();
  server.resume();
  const over = closed(client, server);
  client.on('finish', () => client.destroy());
  client.end('bye');
  await over;
});

compared('destroyed as soon as all is written', async ({ pair }) => {
  const whole = await pair();
  const { client, server } = whole;
  server.resume();
  const over = closed(client, server);
  client.write(LARGE);
  client.destroySoon();
  await over;
});

compared('a reset in each direction', async ({ pair }) => {
  for (const end of ['client', 'server'] as const) {
    const whole = await pair();
    for (const socket of [whole.client, whole.server]) {
      socket.on('error', () => undefined);
      socket.resume();
    }
    const over = closed(whole.client, whole.server);
    whole[end].resetAndDestroy();
    await over;
  }
});

compared('a reset before the connection, and of none', async ({ net, listen, recorder }) => {
  const listener = await listen();
  listener.on('connection', (socket) => socket.on('error', () => undefined));
  const client = recorder.watch('client', net.connect(portOf(listener), host));
  client.on('error', () => undefined);
  client.resetAndDestroy();
  await closed(client);
  const none = recorder.watch('none', new net.Socket());
  none.on('error', () => undefined);
  none.resetAndDestroy();
  await closed(none);
});

compared('a reset while a write waits', async ({ pair, recorder }) => {
  const { client, server } = await pair();
  client.on('error', () => undefined);
  server.pause();
  const over = closed(client, server);
  client.write(LARGE, (error) => {
    const code = (error as NodeJS.ErrnoException | null | undefined)?.code;
    recorder.note('write', `${code === 'EPIPE' ? 'ECONNRESET' : code}`);
  });
  await until(() => server.readableLength > 0, 'something is received');
  server.resetAndDestroy();
  await over;
});

compared('20 MB both ways by pipe', async ({ pair, recorder }) => {
  const { client, server } = await pair();
  server.pipe(server);
  const hash = createHash('sha256');
  client.on('data', (chunk) => hash.update(chunk));
  const over = closed(client, server);
  client.end(LARGE);
  await over;
  recorder.forgetData();
  recorder.note('facts', `${hash.digest('hex')} ${client.bytesWritten} ${server.bytesWritten}`);
});

compared('a writer that ignores backpressure', async ({ pair, recorder }) => {
  const { client, server } = await pair();
  let drains = 0;
  client.on('drain', () => {
    drains += 1;
  });
  server.pause();
  let full = 0;
  for (let at = 0; at < 512; at++) if (!client.write(Buffer.alloc(64 * 1024, at))) full += 1;
  recorder.note('facts', `${full > 100} ${client.bytesWritten} ${client.writableNeedDrain}`);
  const hash = createHash('sha256');
  server.on('data', (chunk) => hash.update(chunk));
  const over = closed(client, server);
  server.resume();
  await once(client, 'drain');
  client.end();
  await over;
  recorder.note('facts', `${drains} ${hash.digest('hex')} ${server.bytesRead}`);
});

compared('paused and resumed', async ({ pair, recorder }) => {
  const whole = await pair();
  const { client, server } = whole;
  server.pause();
  client.write(LARGE);
  await until(() => server.readableLength > 0, 'something is received');
  const held = server.bytesRead;
  recorder.note('facts', `${server.isPaused()} ${held < LARGE.length}`);
  const over = closed(client, server);
  server.resume();
  client.end();
  await over;
  recorder.note('facts', `${server.bytesRead}`);
});

compared('corked writes come in one piece', async ({ pair, recorder }) => {
  const { client, server } = await pair();
  client.cork();
  for (const word of ['one ', 'two ', 'three']) client.write(word);
  recorder.note('facts', `${client.bytesWritten} ${client.writableCorked}`);
  client.uncork();
  const [chunk] = await once(server, 'data');
  recorder.note('facts', `${chunk} ${Buffer.isBuffer(chunk)}`);
});

compared('text in an encoding, both ways', async ({ pair, recorder }) => {
  const { client, server } = await pair();
  server.setEncoding('utf8');
  server.on('data', (text) => recorder.note('text', `${text}`));
  client.setDefaultEncoding('utf16le');
  const over = closed(client, server);
  client.write('caf\u00e9', 'latin1');
  client.write(new Uint8Array([0x62, 0x63]));
  client.end('\u00e9');
  await over;
});

compared('timeouts', async ({ pair, recorder }) => {
  const { client, server } = await pair();
  client.setTimeout(20, () => recorder.note('callback', 'called'));
  recorder.note('facts', `${client.timeout} ${server.timeout}`);
  await once(client, 'timeout');
  recorder.note('facts', `${client.destroyed}`);
  client.setTimeout(0);
  const callback = (): void => recorder.note('callback', 'called in vain');
  server.setTimeout(10, callback);
  server.setTimeout(0, callback);
  await new Promise((resolve) => setTimeout(resolve, 40));
  const over = closed(client, server);
  client.end();
  await over;
  recorder.note('facts', `${client.setTimeout(5) === client} ${client.timeout}`);
});

compared('settings and what they return', async ({ pair, recorder }) => {
  const { client, server } = await pair();
  const chains: ((socket: Socket) => unknown)[] = [
    (socket) => socket.setNoDelay(),
    (socket) => socket.setKeepAlive(true, 2000),
    (socket) => socket.setEncoding('utf8'),
    (socket) => socket.ref().unref().ref(),
    (socket) => socket.pause().resume(),
    (socket) => socket.end('x'),
    (socket) => socket.destroy(),
    (socket) => socket.resetAndDestroy(),
    (socket) => socket.setNoDelay(false).setKeepAlive(),
  ];
  client.on('error', () => undefined);
  const over = closed(client);
  for (const chain of chains) recorder.note('chains', `${chain(client) === client}`);
  await over;
  const gone = closed(server);
  server.destroy();
  await gone;
});

compared('read by an iterator, left early', async ({ pair, recorder }) => {
  const { client, server } = await pair();
  client.on('error', () => undefined);
  client.write('hello');
  for await (const chunk of server) {
    recorder.note('chunk', `${chunk}`);
    break;
  }
  recorder.note('facts', `${server.destroyed}`);
});
