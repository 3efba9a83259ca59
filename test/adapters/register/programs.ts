/** Programs that know nothing of sockloop but what they check. */

import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Scope } from '#test/harness/command.js';
import { scratch } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';
import { stagedPackage } from '../../package/tarball.ts';

/** Serves and connects; fails unless each way to node:net leads to sockloop. */
const SERVED = `import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import tls from 'node:tls';
import net, { connect, createServer, Socket } from 'net';
import * as names from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import * as sockloop from 'sockloop/net';
import dependency from 'dependency';
import required from './commonjs/required.js';

const nodes = Object.getPrototypeOf(tls.TLSSocket);
assert.equal(nodes.name, 'Socket');
assert.notEqual(Socket, nodes);
assert.equal(Socket, sockloop.Socket);
const ways = {
  ...required,
  dependency: dependency.net,
  namespace: names.default,
  dynamic: (await import('net')).default,
  'dynamic of CommonJS': (await required.dynamic()).default,
  createRequire: createRequire(import.meta.url)('net'),
  'getBuiltinModule net': process.getBuiltinModule('net'),
  'getBuiltinModule node:net': process.getBuiltinModule('node:net'),
};
delete ways.dynamic;
for (const [way, found] of Object.entries(ways)) assert.equal(found, net, way);
assert.deepEqual(
  [net.Socket, net.Server, net.Stream, net.connect, net.createServer, names.Server],
  [Socket, sockloop.Server, Socket, connect, createServer, sockloop.Server],
);
assert.equal(process.getBuiltinModule('fs'), createRequire(import.meta.url)('fs'));
assert.equal(process.getBuiltinModule('nothing'), undefined);

const served = [];
const server = net.createServer((socket) => {
  served.push(socket.constructor);
  socket.pipe(socket);
}).listen({ port: 0, host: '127.0.0.1', handle: undefined }); // Some name what they do not give.
await once(server, 'listening');
const client = dependency.open(server.address().port);
assert.equal(client.constructor, sockloop.Socket);
client.end('hello');
let echo = '';
for await (const chunk of client) echo += chunk;
server.close();
await once(server, 'close');
assert.deepEqual(served, [sockloop.Socket]);

// As tracers and mocks do it.
const { connect: before } = net;
net.connect = () => 'mocked';
assert.equal(dependency.open(1), 'mocked');
net.connect = before;
console.log(echo);
`;

/** The same ways to node:dgram. */
const DATAGRAMS = `import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import dgram, { createSocket, Socket } from 'dgram';
import * as names from 'node:dgram';
import * as sockloop from 'sockloop/dgram';
import required from './commonjs/datagrams.js';

assert.equal(Socket, sockloop.Socket);
const { dynamic, ...byRequire } = required;
const ways = {
  ...byRequire,
  namespace: names.default,
  dynamic: (await import('node:dgram')).default,
  'dynamic of CommonJS': (await dynamic()).default,
  createRequire: createRequire(import.meta.url)('node:dgram'),
  'getBuiltinModule dgram': process.getBuiltinModule('dgram'),
  'getBuiltinModule node:dgram': process.getBuiltinModule('node:dgram'),
};
for (const [way, found] of Object.entries(ways)) assert.equal(found, dgram, way);
assert.deepEqual([dgram.Socket, dgram.createSocket, names.Socket], [Socket, createSocket, Socket]);

const echo = createSocket('udp4', (message, { port, address }) => {
  echo.send(message, port, address);
}).bind(0, '127.0.0.1');
await once(echo, 'listening');
const client = required.dgram.createSocket('udp4');
assert.ok(client instanceof sockloop.Socket);
client.send('hello', echo.address().port, '127.0.0.1');
const [message] = await once(client, 'message');
client.close();
echo.close();

// As tracers and mocks do it.
required.dgram.createSocket = () => 'mocked';
assert.equal(dgram.createSocket('udp4'), 'mocked');
console.log(String(message));
`;

const REQUIRED_DATAGRAMS = `const dgram = require('dgram');
module.exports = { dgram, prefixed: require('node:dgram'), dynamic: () => import('dgram') };
`;

const REQUIRED = `const net = require('net');
const { Socket } = require('node:net');
if (Socket !== net.Socket) throw new Error('two modules');
module.exports = { net, prefixed: require('node:net'), dynamic: () => import('node:net') };
`;

const DEPENDENCY = `'use strict';
const net = require('net');
module.exports = { net, open: (port) => net.connect(port, '127.0.0.1') };
`;

/** What Node makes itself keeps its own sockets. */
const BESIDE = `import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { Worker, isMainThread } from 'node:worker_threads';
import { Socket as Datagrams } from 'sockloop/dgram';
import * as sockloop from 'sockloop/net';

assert.equal(net.Socket, sockloop.Socket);
assert.equal(dgram.Socket, Datagrams);
if (isMainThread) {
  const server = http.createServer((request, response) => {
    response.end(request.socket instanceof net.Socket ? 'sockloop' : 'node');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const answer = await fetch('http://127.0.0.1:' + server.address().port);
  console.log('http', await answer.text());
  http.Agent.prototype.createConnection = net.connect;
  const [{ socket }] = await once(http.get({ port: server.address().port }), 'response');
  console.log('agent', socket instanceof sockloop.Socket);
  server.close();
  server.closeAllConnections();
  const child = spawn(process.execPath, ['--print', 'require("net").connect.name'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end();
  for await (const chunk of child.stdout) console.log('child', String(chunk).trim());
  const worker = new Worker(new URL(import.meta.url));
  const [code] = await once(worker, 'exit');
  console.log('worker', code);
}
`;

/** A client of redis from the registry, whose sockets tell what they are. */
const REDIS = `import { createClient } from '@redis/client';
import net from 'node:net';
import * as sockloop from 'sockloop/net';

const made = [];
const { createConnection } = net;
net.createConnection = (...args) => {
  const socket = createConnection(...args);
  made.push(socket instanceof sockloop.Socket);
  return socket;
};
const client = createClient({ socket: { path: process.argv[2], tls: false } });
await client.connect();
await client.set('key', 'x'.repeat(100_000));
const values = await Promise.all(Array.from({ length: 100 }, () => client.get('key')));
console.log(values.every((value) => value.length === 100_000), await client.incr('count'));
await client.close();
console.log(made.join());
`;

const CLUSTER = `import assert from 'node:assert/strict';
import cluster from 'node:cluster';
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { Socket as Datagrams } from 'sockloop/dgram';
import * as sockloop from 'sockloop/net';

assert.equal(net.Socket === sockloop.Socket, cluster.isPrimary);
assert.equal(dgram.Socket === Datagrams, cluster.isPrimary);
if (cluster.isPrimary) {
  const workers = [cluster.fork(), cluster.fork()];
  const ports = await Promise.all(workers.map((worker) => once(worker, 'message')));
  assert.equal(ports[0][0], ports[1][0]);
  for (const worker of workers) worker.disconnect();
  const exits = await Promise.all(workers.map((worker) => once(worker, 'exit')));
  console.log(exits.map(([code]) => code).join());
} else {
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    process.send(server.address().port);
  });
}
`;

/** Another loader, with a hook of each kind that this Node has. */
const LOADER = `import * as nodeModule from 'node:module';
const change = ({ source, ...rest }) => ({
  ...rest,
  source: source && String(source).replaceAll('WORD', '"changed"'),
});
const load = (url, context, next) => {
  if (!url.endsWith('/loaded.mjs')) return next(url, context);
  const loaded = next(url, context);
  return loaded instanceof Promise ? loaded.then(change) : change(loaded);
};
if (nodeModule.registerHooks) nodeModule.registerHooks({ load });
else nodeModule.register('data:text/javascript,' + encodeURIComponent(
  'const change = ' + change + '; export const load = ' + load));
`;

const LOADED = `import net from 'node:net';
import * as sockloop from 'sockloop/net';
console.log(WORD, net.Socket === sockloop.Socket);
`;

const TESTED = `import assert from 'node:assert/strict';
import { createServer, Server } from 'node:net';
import { test } from 'node:test';
import * as sockloop from 'sockloop/net';
test('served', () => assert.equal(Server, sockloop.Server));
test('opens no loop before it is used', () => assert.ok(createServer() instanceof Server));
`;

const TYPED = `import net, { type Socket } from 'node:net';
import * as sockloop from 'sockloop/net';
const made: Socket = new net.Socket();
console.log(made instanceof sockloop.Socket);
`;

const FILES: Readonly<Record<string, string>> = {
  'package.json': '{ "type": "module" }',
  'served.mjs': SERVED,
  'datagrams.mjs': DATAGRAMS,
  'commonjs/datagrams.js': REQUIRED_DATAGRAMS,
  'commonjs/package.json': '{ "type": "commonjs" }',
  'commonjs/required.js': REQUIRED,
  'commonjs/main.js': `console.log(require('./required.js').net === require('net'),
  require('net').Socket.name, require('node:net').isIP('::1'), typeof require('net').serveOn);`,
  'node_modules/dependency/package.json': '{ "name": "dependency" }',
  'node_modules/dependency/index.js': DEPENDENCY,
  'beside.mjs': BESIDE,
  'redis.mjs': REDIS,
  'cluster.mjs': CLUSTER,
  'loader.mjs': LOADER,
  'loaded.mjs': LOADED,
  'served.test.mjs': TESTED,
  'typed.ts': TYPED,
  'names.mjs': `for (const name of ['net', 'dgram']) {
  const all = await import('node:' + name);
  console.log(Object.keys(all.default).sort().join(), Object.keys(all).sort().join());
}`,
  'opens.mjs': `import net from 'node:net'; net.createServer();`,
};

/** Writes the programs to a folder in which the package is installed. */
export async function programsFolder(scope: Scope): Promise<string> {
  const folder = scratch(scope);
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const modules = join(folder, 'node_modules');
  cpSync(await stagedPackage(scope), join(modules, 'sockloop'), { recursive: true });
  for (const name of ['koffi', '@koromix', '@redis']) {
    symlinkSync(`${root}node_modules/${name}`, join(modules, name));
  }
  return folder;
}
