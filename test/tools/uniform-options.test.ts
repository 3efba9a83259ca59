// Goal: two loops, or two clients, never differ by the options of their sockets.
// Method: each server and each client inside this process, whose descriptors are asked with
// getsockopt while a connection stands. Workers share the descriptors of their process.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket as NodeSocket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createConnection, EventLoop, Socket } from 'sockloop';
import { nativeSys } from '#src/sys/native.js';
import { bounded, peer } from '#test/harness/clients.js';
import { eventually } from '#test/harness/command.js';
import { leakCheck, openFds } from '#test/harness/leaks.js';
import { loops } from '#test/harness/loops.js';
import { CompareClient } from '#tools/compare/client/client.js';
import { openServer, SERVER_LOOPS } from '#tools/echo/servers.js';
import { ThreadedClient } from '#tools/echo/threads/client.js';
import { startLoad } from '#tools/load/engine/run.js';
import { planFor } from './load/servers.ts';

const timeout = 60_000;

interface SocketFacts {
  readonly listens: boolean;
  readonly localPort: number;
  /** 0 where it has no peer. */
  readonly peerPort: number;
  readonly noDelay: boolean;
  readonly keepAlive: boolean;
  readonly reuseAddress: boolean;
  readonly lingers: boolean;
  /** Of a listener on Linux: how many may wait for accept(2). */
  readonly backlog: number | undefined;
}

/** The TCP sockets over IPv4 of this process, its workers' among them. */
function tcpSockets(): SocketFacts[] {
  return [...openFds().keys()].flatMap((fd) => {
    const socket = new Socket('IPv4', { fd });
    try {
      const local = socket.getSockName();
      if (local.family !== 'IPv4') return [];
      const listens = socket.getSockOpt('SO_ACCEPTCONN');
      const remote = listens ? null : socket.getPeerName();
      const { tcpi_sacked } = listens ? socket.getSockOpt('TCP_INFO') : {};
      const facts: SocketFacts = {
        listens,
        localPort: local.port,
        peerPort: remote?.family === 'IPv4' ? remote.port : 0,
        noDelay: socket.getSockOpt('TCP_NODELAY'),
        keepAlive: socket.getSockOpt('SO_KEEPALIVE'),
        reuseAddress: socket.getSockOpt('SO_REUSEADDR'),
        lingers: socket.getSockOpt('SO_LINGER') !== null,
        backlog: tcpi_sacked,
      };
      return [facts];
    } catch {
      // No socket, closed by now, or without a peer.
      return [];
    } finally {
      socket.detach();
    }
  });
}

/** A client of Node's own, closed with the test. */
async function dial(t: TestContext, port: number): Promise<NodeSocket> {
  const socket = connect(port, '127.0.0.1');
  t.after(() => void socket.destroy());
  await bounded(once(socket, 'connect'), 'connecting');
  return socket;
}

/** What a listener and what it accepted have in common on every loop. */
interface ServerOptions {
  readonly listener: Omit<SocketFacts, 'localPort'>;
  readonly accepted: Omit<SocketFacts, 'localPort' | 'peerPort'>;
}

/** `fd` of an accepted socket is the server's: its local port is the listener's. */
async function optionsOf(t: TestContext, name: (typeof SERVER_LOOPS)[number]) {
  const server = await openServer(
    name,
    {
      endpoint: { host: '127.0.0.1', port: 0 },
      mode: 'echo',
      backlog: undefined,
      idleTimeoutMs: null,
      lineBytesMax: 1024,
      threads: 2,
      maxConnections: null,
    },
    { sys: nativeSys(), observer: {}, watched: false, measured: false, trace: undefined },
  );
  assert(server.address.family === 'IPv4');
  const { port } = server.address;
  const done = server.run();
  try {
    const client = await dial(t, port);
    client.write('hello');
    await bounded(once(client, 'data'), 'the echo');
    const own = tcpSockets().filter(({ localPort }) => localPort === port);
    const listener = own.find(({ listens }) => listens);
    const accepted = own.find(({ peerPort }) => peerPort === client.localPort);
    assert.ok(listener !== undefined && accepted !== undefined, JSON.stringify(own));
    client.destroy();
    const { localPort: _, ...ofListener } = listener;
    const { localPort: _local, peerPort: _peer, ...ofAccepted } = accepted;
    return { listener: ofListener, accepted: ofAccepted } satisfies ServerOptions;
  } finally {
    server.stop();
    await bounded(done, 'the end of the server');
    server[Symbol.dispose]();
  }
}

test('servers: the same options on every loop', { timeout }, async (t) => {
  leakCheck(t);
  const here = SERVER_LOOPS.filter(
    (name) => name === 'auto' || loops.some((loop) => loop.name === name && loop.skip === false),
  );
  assert.ok(here.length >= 4);
  const all = new Map<string, ServerOptions>();
  for (const name of here) all.set(name, await optionsOf(t, name));
  const first = all.get('threads');
  assert.equal(first?.accepted.noDelay, true);
  assert.equal(first.listener.reuseAddress, true);
  for (const [name, options] of all) assert.deepEqual(options, first, name);
});

/** Something that connects to a port, and stays connected until it is told to end. */
type Client = (port: number) => () => Promise<void> | void;

const clients: Readonly<Record<string, Client>> = {
  createConnection: (port) => {
    const socket = createConnection({ host: '127.0.0.1', port }, { timeoutMs: 5000 });
    return () => socket.close();
  },
  'EventLoop.connect': (port) => {
    const loop = new EventLoop();
    let open = false;
    const handlers = {
      open: () => {
        open = true;
      },
    };
    loop.connect({ host: '127.0.0.1', port, handlers, onError: assert.fail });
    while (!open) loop.turn(100);
    return () => loop.close();
  },
  'the client of threads': (port) => {
    const sys = nativeSys();
    const bytes = new Uint8Array(new SharedArrayBuffer(6));
    bytes.set(Buffer.from('hello\n'));
    const ends = new Uint32Array(new SharedArrayBuffer(4)).fill(6);
    const client = new ThreadedClient(
      {
        addresses: [{ family: 'IPv4', address: '127.0.0.1', port }],
        threads: 1,
        count: 1,
        messages: { bytes, ends },
        mode: 'line',
        reconnects: false,
        timeoutMs: 30_000,
        prints: false,
        trace: false,
      },
      sys,
      () => undefined,
    );
    const done = client.run();
    return async () => {
      client.stop();
      await done;
    };
  },
  'the load client': (port) => {
    const run = startLoad(planFor(port, { connections: 1, durationMs: 60_000, timeoutMs: 60_000 }));
    return async () => {
      run.stop();
      await run.done;
    };
  },
  'the client of a comparison': (port) => {
    const client = new CompareClient();
    void client.connect({
      port,
      connections: 1,
      idleConnections: 0,
      messageBytes: 64,
      seed: 1,
      timeoutMs: 30_000,
    });
    return () => client.end();
  },
};

test('clients: the same options, whichever it is', { timeout }, async (t) => {
  leakCheck(t);
  const all = new Map<string, object>();
  for (const [name, client] of Object.entries(clients)) {
    // Silent, so that the connection stands until it has been looked at.
    const port = await peer(t, (socket) => void socket.resume());
    const end = client(port);
    let facts: SocketFacts | undefined;
    try {
      await eventually(() => {
        facts = tcpSockets().find(({ peerPort }) => peerPort === port);
        // A connection of an event loop has its options from the turn on in which it is open.
        assert.equal(facts?.noDelay, true, `TCP_NODELAY of ${name}`);
      });
    } finally {
      await end();
    }
    assert.ok(facts !== undefined);
    const { localPort: _, peerPort: _peer, lingers: _lingers, ...options } = facts;
    all.set(name, options);
  }
  const first = { ...all.values().next().value };
  for (const [name, options] of all) assert.deepEqual(options, first, name);
});
