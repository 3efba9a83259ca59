// Goal: when the server goes away, libraries see on sockloop/net what they see on node:net, connect
// again, and leave nothing open.
// Method: PostgreSQL, Redis and mosquitto are killed amid a query, a wait and a subscription, and
// started again on the same port; servers in this process cut connections amid an answer.

import { type EventEmitter, once } from 'node:events';
import * as http from 'node:http';
import type { Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import pg from 'pg';
import { Client, Pool } from 'undici';
import { WebSocketServer } from 'ws';
import { freePort } from '#test/harness/clients.js';
import type { Scope } from '#test/harness/command.js';
import { reasonWithout } from '#test/harness/other-programs.js';
import { compared } from './compared.ts';
import {
  identities,
  identitiesOfSuite,
  postgresFiles,
  reasonWithoutPostgres,
  startMosquitto,
  startPostgres,
  startRedis,
} from './servers.ts';
import { http2Server, http2Session } from './work/http2.ts';
import { mqttClient } from './work/mqtt.ts';
import { bytesOf, closed, type Identity, type Net, portOf } from './work/net.ts';
import { postgresOptions } from './work/postgres.ts';
import { redisClient } from './work/redis.ts';
import { connector } from './work/undici.ts';
import { webSocket } from './work/websocket.ts';

const timeout = 120_000;
const host = '127.0.0.1';

/** What is known of the error that `promise` rejects with: the code, else the message. */
async function reasonOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => new Error('no error'),
    (reason: Error & { code?: string }) => reason,
  );
  return 'code' in error && error.code !== undefined ? error.code : error.message;
}

/** Waits for an event, whatever errors come before it. */
function heard(emitter: unknown, name: string): Promise<unknown[]> {
  return new Promise((resolve) => {
    (emitter as EventEmitter).once(name, (...args: unknown[]) => resolve(args));
  });
}

/** What is told of a lost connection, which may be ended or reset, amid a read or before it. */
const LOSSES = new Set([
  'ECONNRESET',
  'ERR_STREAM_PREMATURE_CLOSE',
  'Connection terminated unexpectedly',
]);

/** Runs `scenario` and then the steps that it has left for its end. */
async function withScope<Found>(scenario: (scope: Scope) => Promise<Found>): Promise<Found> {
  const steps: (() => Promise<void> | void)[] = [];
  try {
    return await scenario({ after: (step) => steps.push(step) });
  } finally {
    for (const step of steps) await step();
  }
}

async function loseRedis(net: Net, scope: Scope): Promise<unknown> {
  const port = await freePort();
  const place = { host, port };
  const server = await startRedis(scope, port);
  const [client, subscriber] = [redisClient(net, place), redisClient(net, place)];
  for (const one of [client, subscriber]) one.on('error', () => undefined);
  await subscriber.subscribe('news');
  await client.set('key', 'value');
  const popped = client.blpop('list', 0);
  const lost = [heard(client, 'reconnecting'), heard(subscriber, 'reconnecting')];
  await server.stop('SIGKILL');
  await Promise.all(lost);
  const ready = heard(subscriber, 'ready');
  await startRedis(scope, port);
  // Both go on where they were: the wait waits, the subscription stands.
  await ready;
  const other = redisClient(net, place);
  const message = heard(subscriber, 'message');
  while ((await other.publish('news', 'hello')) === 0);
  await other.rpush('list', 'item');
  const found = [await popped, await message, await other.get('key')];
  const all = [client, subscriber, other];
  const ended = all.map((one) => heard(one, 'end'));
  for (const one of all) one.disconnect();
  await Promise.all(ended);
  return found;
}

async function loseMosquitto(net: Net, scope: Scope): Promise<unknown> {
  const port = await freePort();
  const server = await startMosquitto(scope, port);
  const client = mqttClient(net, { host, port });
  client.on('error', () => undefined);
  await heard(client, 'connect');
  await client.subscribeAsync('news', { qos: 1 });
  const lost = heard(client, 'reconnect');
  await server.stop('SIGKILL');
  await lost;
  // It waits for the server to come, and is sent before the subscription.
  const published = client.publishAsync('news', 'hello', { qos: 1 });
  await startMosquitto(scope, port);
  await published;
  let received = '';
  client.on('message', (topic, payload) => {
    received = `${topic}: ${payload}`;
  });
  while (received === '') await client.publishAsync('news', 'hello', { qos: 1 });
  await client.endAsync();
  return received;
}

async function losePostgres(net: Net, scope: Scope, folder: string, ca: string): Promise<unknown> {
  const port = await freePort();
  const server = await startPostgres(scope, folder, port);
  const options = postgresOptions(net, { host, port });
  const client = new pg.Client(options);
  const secured = new pg.Client(postgresOptions(net, { host, port, ca }));
  const pool = new pg.Pool({ ...options, max: 2 });
  for (const one of [client, secured]) one.on('error', () => undefined);
  pool.on('error', () => undefined);
  await Promise.all([client.connect(), secured.connect(), pool.query('select 1')]);
  const ended = [heard(pool, 'error'), heard(client, 'end'), heard(secured, 'end')];
  const lost = [client, secured].map((one) => reasonOf(one.query('select pg_sleep(60)')));
  await server.stop('SIGQUIT');
  await Promise.all(ended);
  const found: unknown[] = (await Promise.all(lost)).map((reason) => LOSSES.has(reason));
  found.push(await reasonOf(pool.query('select 1')));
  await startPostgres(scope, folder, port);
  found.push((await pool.query('select 1 as one')).rows);
  await pool.end();
  return [...found, pool.totalCount];
}

describe('a server that is killed', () => {
  const steps: (() => Promise<void> | void)[] = [];
  const scope: Scope = { after: (step) => steps.unshift(step) };

  after(async () => {
    for (const step of steps) await step();
  });

  it('Redis', { timeout, skip: reasonWithout('redis-server') }, (t) =>
    compared(t, (net) => withScope((own) => loseRedis(net, own))),
  );

  it('mosquitto', { timeout, skip: reasonWithout('mosquitto') }, (t) =>
    compared(t, (net) => withScope((own) => loseMosquitto(net, own))),
  );

  it('PostgreSQL', { timeout, skip: reasonWithoutPostgres() }, async (t) => {
    const { good } = identities(scope);
    const folder = postgresFiles(scope, good);
    await compared(t, (net) => withScope((own) => losePostgres(net, own, folder, good.cert)));
  });
});

/** How a server leaves its peer. */
const CUTS: Readonly<Record<string, Cut>> = {
  'a reset': (socket) => void socket.resetAndDestroy(),
  'an end': (socket) => void socket.destroy(),
};

type Cut = (socket: Socket) => void;

async function cutHttp(net: Net, cut: Cut): Promise<unknown> {
  const asked: Socket[] = [];
  const server = http.createServer((request, response) => {
    asked.unshift(request.socket);
    if (request.url === '/well') return response.end('well');
    return response.writeHead(200, { 'content-length': 1000 }).write('some');
  });
  const listener = net.serveOn(server);
  const port = await portOf(listener);
  const origin = `http://${host}:${port}`;
  const pool = new Pool(origin, { connect: connector(net, port), connections: 1 });
  const { body } = await pool.request({ path: '/', method: 'GET' });
  for (const socket of asked.splice(0)) cut(socket);
  const found = [await reasonOf(body.text())];
  found.push(await (await pool.request({ path: '/well', method: 'GET' })).body.text());
  await pool.close();
  asked.length = 0;
  const request = http.get({ createConnection: () => net.connect({ host, port }) });
  request.on('error', () => undefined);
  const [response] = await once(request, 'response');
  for (const socket of asked.splice(0)) cut(socket);
  found.push(await reasonOf(bytesOf(response)));
  server.closeAllConnections();
  await closed(listener);
  const late = new Client(origin, { connect: connector(net, port) });
  found.push(await reasonOf(late.request({ path: '/', method: 'GET' })));
  await late.destroy();
  return found;
}

async function cutWebSocket(net: Net, cut: Cut): Promise<unknown> {
  const server = http.createServer();
  const sockets = new WebSocketServer({ server });
  const cuts: Socket[] = [];
  sockets.on('connection', (client, request) => {
    cuts.push(request.socket);
    client.on('error', () => undefined);
    client.send('hello');
  });
  const listener = net.serveOn(server);
  const client = webSocket(net, await portOf(listener));
  await once(client, 'message');
  let failure = 'none';
  client.on('error', (error: NodeJS.ErrnoException) => {
    failure = error.code ?? error.message;
  });
  for (const socket of cuts) cut(socket);
  const [code] = await once(client, 'close');
  sockets.close();
  await closed(listener);
  return [code, failure];
}

async function cutHttp2(net: Net, cut: Cut, identity: Identity): Promise<unknown> {
  const listener = net.serveOn(http2Server(identity));
  const accepted: Socket[] = [];
  listener.on('connection', (socket) => accepted.push(socket));
  const session = http2Session(net, await portOf(listener), identity.cert);
  session.on('error', () => undefined);
  const stream = session.request({ ':method': 'POST', ':path': '/' });
  stream.write('some');
  await once(stream, 'data');
  const failed = reasonOf(bytesOf(stream));
  for (const socket of accepted) cut(socket);
  const isLost = LOSSES.has(await failed);
  await closed(listener);
  return [isLost, session.destroyed];
}

describe('a server that cuts connections', { skip: reasonWithout('openssl') }, () => {
  const suite = identitiesOfSuite();

  for (const [how, cut] of Object.entries(CUTS)) {
    it(`undici and http, amid an answer: ${how}`, { timeout }, (t) =>
      compared(t, (net) => cutHttp(net, cut)),
    );

    it(`ws: ${how}`, { timeout }, (t) => compared(t, (net) => cutWebSocket(net, cut)));

    it(`http2, amid streams: ${how}`, { timeout }, (t) =>
      compared(t, (net) => cutHttp2(net, cut, suite.made.good)),
    );
  }
});
