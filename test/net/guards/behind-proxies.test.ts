// Goal: behind the proxies that people run, a listener knows the addresses of their clients.
// Method: HAProxy and nginx in front of a listener of this process, which tells each client who it
// is; a client of Node's net knows from which port it has asked.

import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Connection, EventLoop, type Listener } from 'sockloop';
import { createServer, type Socket } from 'sockloop/socket';
import { bounded, closed, dial } from '#test/harness/clients.js';
import { eventually, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';

const timeout = 60_000;

/** What a client is told of itself. */
interface Told {
  readonly source: string;
  readonly version: number;
  readonly tlvs: readonly number[];
}

/** A listener that trusts the loopback, and tells each client who it is. */
function tellingListener(loop: EventLoop, local: () => void): Listener {
  const tell = (connection: Connection): void => {
    const { proxy, remoteAddress } = connection;
    assert.ok(proxy !== null);
    if (proxy.command === 'LOCAL') local();
    const source = remoteAddress?.family === 'IPv4' ? remoteAddress : null;
    const told: Told = {
      source: `${source?.address}:${source?.port}`,
      version: proxy.version,
      tlvs: proxy.tlvs.map(({ type }) => type),
    };
    connection.write(`${JSON.stringify(told)}\n`);
  };
  return loop.listen({
    host: '127.0.0.1',
    port: 0,
    proxyProtocol: { from: ['127.0.0.0/8'] },
    handlers: { open: tell, data: (connection, chunk) => connection.write(chunk) },
  });
}

/** Asks the proxy at `port` for what the server behind it knows, and has it echo. */
async function ask(port: number): Promise<Told & { readonly own: string }> {
  const socket = await dial({ port });
  let text = '';
  const answered = new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.endsWith('hello\n')) resolve();
    });
    socket.once('close', () => resolve());
  });
  socket.write('hello\n');
  await bounded(answered, 'the echo');
  const own = `127.0.0.1:${socket.localPort}`;
  await closed(socket);
  const [told = '', echo] = text.split('\n');
  assert.equal(echo, 'hello');
  return { ...(JSON.parse(told) as Told), own };
}

/** A listening socket of 127.0.0.1, and its port. */
function listening(): { readonly socket: Socket; readonly port: number } {
  const socket = createServer({ host: '127.0.0.1', port: 0 });
  const address = socket.getSockName();
  assert.ok(address.family === 'IPv4');
  return { socket, port: address.port };
}

for (const [words, version, tlvs] of [
  ['send-proxy', 1, []],
  ['send-proxy-v2 check inter 100ms', 2, []],
  ['send-proxy-v2 proxy-v2-options crc32c,unique-id', 2, [5, 3]],
] as const) {
  test(`proxies: HAProxy with ${words}`, { timeout, skip: reasonWithout('haproxy') }, async (t) => {
    leakCheck(t);
    using loop = new EventLoop();
    let locals = 0;
    const listener = tellingListener(loop, () => {
      locals += 1;
    });
    loop.attach();
    const file = `${scratch(t)}/haproxy.cfg`;
    const text = [
      'global',
      '  maxconn 100',
      'defaults',
      '  mode tcp',
      '  timeout connect 10s',
      '  timeout client 10s',
      '  timeout server 10s',
      'listen front',
      '  bind fd@3',
      ...(tlvs.length > 0 ? ['  unique-id-format %{+X}o%ci:%cp'] : []),
      `  server back 127.0.0.1:${listener.port} ${words}`,
    ];
    writeFileSync(file, `${text.join('\n')}\n`);
    const { socket, port } = listening();
    using inherited = socket;
    const command = start(t, ['haproxy', '-db', '-f', file], {
      stdio: ['pipe', 'pipe', 'pipe', inherited.fileno()],
    });
    const told = await ask(port);
    assert.equal(told.source, told.own);
    assert.equal(told.version, version);
    assert.deepEqual([...told.tlvs].sort(), [...tlvs].sort());
    if (words.includes('check')) {
      const checked = async (): Promise<void> => {
        while (locals === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      };
      await bounded(checked(), 'a health check');
    }
    await command.stop();
    const { refused } = listener.stats;
    assert.equal(refused.proxyUntrusted + refused.proxyTimeout, 0);
  });
}

const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

/** The reason to skip a test that needs nginx with its module for other protocols than HTTP. */
function reasonWithoutStreams(): string | false {
  if (existsSync(STREAM_MODULE) || process.env['CI'] !== undefined) return reasonWithout('nginx');
  return 'not installed here: libnginx-mod-stream';
}

test('proxies: nginx with proxy_protocol on', {
  timeout,
  skip: reasonWithoutStreams(),
}, async (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const listener = tellingListener(loop, () => undefined);
  loop.attach();
  const directory = scratch(t);
  const file = `${directory}/nginx.conf`;
  // A socket of its own: with one that it inherits, nginx 1.22 crashes.
  const { socket, port } = listening();
  socket.close();
  const text = [
    `load_module ${STREAM_MODULE};`,
    `error_log ${directory}/error.log;`,
    `pid ${directory}/nginx.pid;`,
    'daemon off;',
    'master_process off;',
    'events { worker_connections 64; }',
    'stream { server {',
    `  listen 127.0.0.1:${port};`,
    `  proxy_pass 127.0.0.1:${listener.port};`,
    '  proxy_protocol on;',
    '} }',
  ];
  writeFileSync(file, `${text.join('\n')}\n`);
  const command = start(t, ['nginx', '-p', directory, '-c', file]);
  // Written once it listens.
  await eventually(() => assert.ok(existsSync(`${directory}/nginx.pid`)));
  const told = await ask(port);
  assert.equal(told.source, told.own);
  assert.equal(told.version, 1);
  await command.stop();
});
