// Goal: a connect ends exactly once, with the first address that answers, an error that names what
// failed, or nothing after cancel(); and no attempt outlives it.
// Method: refused, black-holed and living addresses side by side, over each poller. An address is a
// black hole where the queue of a listener that nobody accepts from is full.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Connector,
  EventLoop,
  type Listener,
  type Lookup,
  ResolveError,
  Socket,
  SysError,
} from 'sockloop';
import { interleaved } from '#src/net/addresses.js';
import { overPollers, run, unixPath } from './pollers.ts';

/** The loopback network has more than one address. */
const manyLoopbacks =
  process.platform === 'linux' ? false : 'only Linux has 127.0.0.2 without being told';

/** A lookup that knows one name. */
function lookupOf(...addresses: readonly string[]): Lookup {
  return (host, done) => {
    assert.equal(host, 'a.name');
    setImmediate(done, null, addresses);
  };
}

/** A listener for one connection. */
function listen(loop: EventLoop): { port: number } {
  const listener: Listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: { open: () => listener.close() },
  });
  assert.ok(listener.address.family !== 'UNIX');
  return { port: listener.address.port };
}

/** A port on which nobody listens, on any address. */
function freePort(): number {
  using socket = new Socket('IPv4');
  socket.bind({ address: '0.0.0.0', port: 0 });
  const name = socket.getSockName();
  assert.ok(name.family === 'IPv4');
  return name.port;
}

/** Makes `address` and `port` swallow every connect until it is disposed of. */
function blackHole(address: string, port: number): Disposable {
  const sockets = Array.from({ length: 4 }, () => new Socket('IPv4'));
  const [listener, ...fillers] = sockets;
  listener?.setSockOpt('SO_REUSEADDR', true);
  listener?.bind({ address, port });
  listener?.listen(0);
  for (const filler of fillers) {
    filler.setBlocking(false);
    assert.throws(() => filler.connect({ address, port }), { code: 'EINPROGRESS' });
  }
  return {
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.close();
    },
  };
}

overPollers('a refused connect', async (_, loop) => {
  const port = freePort();
  let reports = 0;
  loop.connect({
    host: '127.0.0.1',
    port,
    timeoutMs: 5000,
    handlers: { open: () => assert.fail('nobody listens') },
    onError: (error, errors) => {
      reports += 1;
      assert.ok(error instanceof SysError);
      assert.equal(
        error.message,
        `cannot connect to 127.0.0.1:${port}: ECONNREFUSED (connection refused)`,
      );
      assert.deepEqual(errors, [error]);
    },
  });
  assert.equal(reports, 0, 'never inside of the call');
  await run(loop);
  assert.equal(reports, 1);
  loop.connect({ host: '127.0.0.1', port, handlers: {} });
  await assert.rejects(run(loop), { code: 'ECONNREFUSED' }, 'unheard, it ends the loop');
});

overPollers('names, known and unknown', async (_, loop) => {
  const { port } = listen(loop);
  const seen: string[] = [];
  loop.connect({
    host: 'localhost',
    port,
    handlers: { open: (connection) => seen.push('open') && connection.end() },
  });
  loop.connect({
    host: 'nowhere.invalid',
    port,
    handlers: {},
    onError: (error) => {
      assert.ok(error instanceof ResolveError, String(error));
      assert.equal(error.hostname, 'nowhere.invalid');
      seen.push('unknown');
    },
  });
  await run(loop);
  assert.deepEqual(seen.sort(), ['open', 'unknown']);
});

overPollers('what a look-up can come to', async (_, loop) => {
  const errors: string[] = [];
  const onError = (error: Error): void => void errors.push(error.message);
  const to = { host: 'a.name', port: 7, handlers: {}, onError };
  loop.connect({ ...to, lookup: lookupOf() });
  const reason = new Error('the resolver is asleep');
  loop.connect({ ...to, lookup: (_host, done) => setImmediate(done, reason, []) });
  // One that answers at once, inside of the call.
  loop.connect({ ...to, lookup: (_host, done) => done(reason, []) });
  // One that answers twice is heard once.
  loop.connect({
    ...to,
    lookup: (_host, done) => {
      done(reason, []);
      done(reason, []);
    },
  });
  // One that never answers.
  loop.connect({ ...to, lookup: () => undefined, timeoutMs: 20 });
  loop.connect({ ...to, lookup: () => undefined }).cancel();
  // One that throws has started nothing.
  const broken: Lookup = () => {
    throw reason;
  };
  assert.throws(() => loop.connect({ ...to, lookup: broken }), reason);
  assert.deepEqual(errors, []);
  await run(loop);
  assert.deepEqual(errors.sort(), [
    'cannot connect to "a.name" port 7: ETIMEDOUT (no answer within 20 ms)',
    'the look-up of "a.name" found no address',
    'the resolver is asleep',
    'the resolver is asleep',
    'the resolver is asleep',
  ]);
});

overPollers('an address that fails at once is followed at once', async (_, loop) => {
  const { port } = listen(loop);
  // Nobody listens on the other addresses; no network needs to be there for any of them.
  const lookup = lookupOf('127.0.0.3', '::1', '127.0.0.1');
  const startMs = loop.nowMs;
  let opens = 0;
  loop.connect({
    host: 'a.name',
    port,
    lookup,
    attemptDelayMs: 60_000,
    handlers: {
      open: (connection) => {
        opens += 1;
        assert.deepEqual(connection.remoteAddress, { family: 'IPv4', address: '127.0.0.1', port });
        connection.end();
      },
    },
    onError: (error) => assert.fail(error),
  });
  await run(loop);
  assert.equal(opens, 1);
  assert.ok(loop.nowMs - startMs < 5000);
});

overPollers('all addresses fail: one error, and what came of each', async (_, loop) => {
  const port = freePort();
  let reports = 0;
  loop.connect({
    host: 'a.name',
    port,
    lookup: lookupOf('127.0.0.1', '127.0.0.1', 'not an address'),
    handlers: {},
    onError: (error, errors) => {
      reports += 1;
      assert.equal(errors.length, 3);
      assert.equal(errors.at(-1), error);
    },
  });
  await run(loop);
  assert.equal(reports, 1);
});

if (manyLoopbacks !== false) {
  test('tcp: black-holed addresses', { skip: manyLoopbacks }, () => undefined);
} else {
  overPollers('a black hole delays the next address, and then loses', async (_, loop) => {
    const { port } = listen(loop);
    using _hole = blackHole('127.0.0.2', port);
    const delayMs = 30;
    const startMs = loop.sys.monotonicMs();
    let connector: Connector | undefined;
    let opens = 0;
    connector = loop.connect({
      host: 'a.name',
      port,
      lookup: lookupOf('127.0.0.2', '127.0.0.1'),
      attemptDelayMs: delayMs,
      timeoutMs: 20_000,
      handlers: {
        open: (connection) => {
          opens += 1;
          assert.ok(loop.sys.monotonicMs() - startMs >= delayMs);
          assert.equal(connector?.connecting, false);
          assert.ok(connection.remoteAddress?.family === 'IPv4');
          assert.equal(connection.remoteAddress.address, '127.0.0.1');
          connector?.cancel();
          connection.end();
        },
      },
    });
    await run(loop);
    assert.equal(opens, 1);
    assert.ok(loop.sys.monotonicMs() - startMs < 5000, 'the deadline was taken back');
  });

  overPollers('the first address wins if it answers while the second is tried', async (_, loop) => {
    // The second is the black hole; the first answers as soon as its name is known.
    const { port } = listen(loop);
    using _hole = blackHole('127.0.0.2', port);
    let opens = 0;
    loop.connect({
      host: 'a.name',
      port,
      lookup: lookupOf('127.0.0.1', '127.0.0.2'),
      attemptDelayMs: 0,
      handlers: {
        open: (connection) => {
          opens += 1;
          assert.ok(connection.remoteAddress?.family === 'IPv4');
          assert.equal(connection.remoteAddress.address, '127.0.0.1');
          connection.end();
        },
      },
    });
    await run(loop);
    assert.equal(opens, 1);
  });

  overPollers('a connect that takes too long, and one that is cancelled', async (_, loop) => {
    const port = freePort();
    using _hole = blackHole('127.0.0.2', port);
    const timeoutMs = 40;
    const startMs = loop.sys.monotonicMs();
    let reports = 0;
    const to = { host: '127.0.0.2', port, handlers: {} };
    loop.connect({
      ...to,
      timeoutMs,
      onError: (error) => {
        reports += 1;
        assert.ok(loop.sys.monotonicMs() - startMs >= timeoutMs);
        assert.equal(
          error.message,
          `cannot connect to 127.0.0.2:${port}: ETIMEDOUT (no answer within 40 ms)`,
        );
      },
    });
    const onError = (): void => assert.fail('cancelled');
    const cancelled = loop.connect({ ...to, onError });
    cancelled.cancel();
    cancelled.cancel();
    assert.equal(cancelled.connecting, false);
    const later = loop.connect({ ...to, timeoutMs: 60_000, onError });
    loop.setTimer(10, () => later.cancel());
    {
      using _disposed = loop.connect({ ...to, onError });
    }
    await run(loop);
    assert.equal(reports, 1);
  });
}

overPollers('UNIX: no such path, and a queue that is full for a while', async (t, loop) => {
  const path = unixPath(t);
  const errors: string[] = [];
  loop.connect({
    path,
    handlers: {},
    onError: (error) => errors.push(error.message),
  });
  await run(loop);
  assert.deepEqual(errors, [`cannot connect to ${path}: ENOENT (no such file or directory)`]);

  using listener = new Socket('UNIX');
  listener.bind({ path });
  listener.listen(0);
  let opens = 0;
  for (let count = 0; count < 5; count++) {
    loop.connect({
      path,
      timeoutMs: 5000,
      handlers: {
        open: (connection) => {
          opens += 1;
          connection.end();
        },
      },
    });
  }
  listener.setBlocking(false);
  const accept = (): void => {
    try {
      listener.accept()[0].close();
    } catch (error) {
      assert.ok(error instanceof SysError && error.code === 'EAGAIN');
    }
    if (opens < 5) loop.setTimer(2, accept);
  };
  loop.setTimer(20, accept);
  await run(loop);
  assert.equal(opens, 5);
});

overPollers('select refuses descriptors that it cannot hold', async (t, loop, name) => {
  if (name !== 'select') {
    return;
  }
  const fdLimit = loop.sys.abi.constants.FD_SETSIZE;
  const errors: string[] = [];
  const onError = (error: Error): void => void errors.push(error.message);
  const listener = loop.listen({ host: '127.0.0.1', port: 0, handlers: {}, onError });
  assert.ok(listener.address.family === 'IPv4');
  const to = { host: '127.0.0.1', port: listener.address.port, handlers: {} };
  using peers = new EventLoop({ backend: 'poll' });
  const fillers = [loop.sys.dup(0)];
  t.after(() => fillers.map((fd) => loop.sys.close(fd)));
  for (let fd = 0; fd < fdLimit - 1; fillers.push(fd)) {
    fd = loop.sys.dup(0);
    assert.ok(fd >= 0, 'the limit on descriptors is too low for this test');
  }
  const connectors = [1, 2, 3].map(() => peers.connect(to));
  while (connectors.some(({ connecting }) => connecting)) peers.turn(10);
  while (listener.stats.shed < 3) loop.turn(10);
  assert.equal(listener.connections, 0);
  assert.deepEqual(errors, [
    `the loop select holds descriptors below ${fdLimit} and cannot hold ${fdLimit + 3}; ` +
      'use another loop',
  ]);
  loop.connect({ ...to, onError });
  assert.throws(() => loop.listen({ ...to, port: 0 }), /use another loop/);
  listener.close();
  await run(loop);
  assert.equal(errors.length, 2);
});

test('tcp: families take turns, the first stays the first', () => {
  const all = ['1:', '2:', '3:', '10.1', '10.2'].map((address) => ({
    family: address.endsWith(':') ? ('IPv6' as const) : ('IPv4' as const),
    address,
    port: 1,
  }));
  const order = (input: typeof all): string =>
    interleaved(input)
      .map((entry) => (entry.family === 'UNIX' ? '' : entry.address))
      .join(' ');
  assert.equal(order(all), '1: 10.1 2: 10.2 3:');
  assert.equal(order(all.toReversed()), '10.2 3: 10.1 2: 1:');
  assert.equal(order([]), '');
});
