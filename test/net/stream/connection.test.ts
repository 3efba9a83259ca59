// Goal: a connection's handlers run in their order, whoever ends first and wherever it is closed.
// Method: both ends on one loop, over each poller; what happened is written down and compared.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Connection, type ConnectionHandlers, EventLoop } from 'sockloop';
import { leakCheck } from '#test/harness/leaks.js';
import {
  bytesOf,
  connectPair,
  ignore,
  linesOf,
  overPollers,
  recorded,
  run,
  unixPath,
} from './pollers.ts';

const echo: ConnectionHandlers = { data: (connection, chunk) => void connection.write(chunk) };

overPollers('handlers run in order, close last and once', async (_, loop) => {
  const log: string[] = [];
  const client = recorded('client', log, {
    open: (connection) => void connection.write(bytesOf('ping')),
    data: (connection) => connection.end(),
  });
  connectPair(loop, recorded('server', log, echo), client);
  await run(loop);
  assert.deepEqual(linesOf('server', log), ['open', 'data ping', 'end', 'close null']);
  assert.deepEqual(linesOf('client', log), ['open', 'data ping', 'end', 'close null']);
});

overPollers('what is written goes at once, unless it is not to', async (_, loop) => {
  const seen: (readonly [string, boolean])[] = [];
  for (const noDelay of [undefined, false]) {
    const settings = noDelay === undefined ? {} : { noDelay };
    const note = (who: string): ConnectionHandlers => ({
      open: (connection) => {
        seen.push([`${who} ${noDelay}`, connection.getSockOpt('TCP_NODELAY')]);
        connection.end();
      },
      close: () => listener.close(),
    });
    const listener = loop.listen({
      host: '127.0.0.1',
      port: 0,
      handlers: note('server'),
      ...settings,
    });
    assert.ok(listener.address.family === 'IPv4');
    const { port } = listener.address;
    loop.connect({ host: '127.0.0.1', port, handlers: note('client'), ...settings });
  }
  await run(loop);
  assert.deepEqual(
    new Map(seen),
    new Map([
      ['server undefined', true],
      ['client undefined', true],
      ['server false', false],
      ['client false', false],
    ]),
  );
});

overPollers('counts, addresses and the data of a connection', async (_, loop) => {
  let closed: Connection<{ name: string }> | undefined;
  const listener = loop.listen<{ name: string }>({
    host: '127.0.0.1',
    port: 0,
    handlers: {
      open: (connection) => {
        assert.equal(connection.data, undefined);
        connection.data = { name: 'first' };
        assert.deepEqual(connection.localAddress, listener.address);
        assert.equal(connection.remoteAddress?.family, 'IPv4');
        assert.equal(connection.remoteAddress, connection.remoteAddress, 'asked once');
        assert.ok(connection.fd >= 0 && connection.isOpen);
        connection.setSockOpt('TCP_NODELAY', true);
        assert.equal(connection.getSockOpt('TCP_NODELAY'), true);
        assert.equal(listener.connections, 1);
        assert.deepEqual([...listener], [connection]);
      },
      data: (connection, chunk) => void connection.write(chunk, 1, 3),
      close: (connection) => {
        assert.equal(connection.data.name, 'first');
        assert.equal(listener.connections, 0);
        closed = connection;
        listener.close();
      },
    },
  });
  assert.ok(listener.address.family === 'IPv4');
  loop.connect({
    host: null,
    port: listener.address.port,
    lookup: () => assert.fail('the loopback address needs no look-up'),
    handlers: { open: (connection) => connection.end(bytesOf('12345')) },
  });
  await run(loop);
  assert.ok(closed !== undefined);
  assert.equal(closed.bytesReceived, 5);
  assert.equal(closed.bytesSent, 3);
  assert.equal(closed.fd, -1);
  assert.equal(closed.isOpen, false);
  assert.equal(closed.queuedBytes, 0);
  assert.throws(() => closed?.getSockOpt('SO_ERROR'), { code: 'EBADF' });
  assert.equal(closed.write(bytesOf('late')), false);
  closed.close();
  closed.reset();
  closed.end();
  closed.pause();
  closed.resume();
  closed.setTimeout(1000);
  assert.equal(loop.alive, false, 'a connection that is closed starts nothing');
});

overPollers('the one that ends first goes on reading: half-close', async (t, loop) => {
  for (const place of [{ host: '127.0.0.1', port: 0 }, { path: unixPath(t) }]) {
    for (const first of ['server', 'client'] as const) {
      const log: string[] = [];
      const ends: ConnectionHandlers = { open: (connection) => connection.end(bytesOf('first')) };
      // Sends after the other's end, in pieces, and then ends too.
      const follows: ConnectionHandlers = {
        end: (connection) => {
          connection.write(bytesOf('an'));
          loop.setTimer(1, () => connection.end(bytesOf('swer')));
        },
      };
      const [server, client] = first === 'server' ? [ends, follows] : [follows, ends];
      connectPair(loop, recorded('server', log, server), recorded('client', log, client), {
        place,
      });
      await run(loop);
      const second = first === 'server' ? 'client' : 'server';
      assert.deepEqual(linesOf(second, log), ['open', 'data first', 'end', 'close null']);
      const [opened, ...rest] = linesOf(first, log);
      assert.equal(opened, 'open');
      assert.deepEqual(rest.splice(-2), ['end', 'close null']);
      assert.equal(rest.join('').replaceAll('data ', ''), 'answer');
    }
  }
});

overPollers('both end at once, and nothing is lost', async (t, loop) => {
  for (const place of [{ host: '127.0.0.1', port: 0 }, { path: unixPath(t) }]) {
    const log: string[] = [];
    const ends: ConnectionHandlers = {
      open: (connection) => connection.end(bytesOf('bye')),
      end: ignore,
    };
    connectPair(loop, recorded('server', log, ends), recorded('client', log, ends), { place });
    await run(loop);
    const expected = ['open', 'data bye', 'end', 'close null'];
    assert.deepEqual(linesOf('server', log), expected);
    assert.deepEqual(linesOf('client', log), expected);
  }
});

overPollers('without an end handler the own side ends too, behind the queue', async (_, loop) => {
  const length = 32_000_000;
  let received = 0;
  connectPair(
    loop,
    { open: (connection) => void connection.write(new Uint8Array(length)) },
    {
      open: (connection) => connection.end(),
      data: (_connection, chunk) => {
        received += chunk.length;
      },
      end: ignore,
    },
  );
  await run(loop);
  assert.equal(received, length);
});

overPollers(
  'a write after end() is refused, one after an end of its own is dropped',
  async (_, loop) => {
    let checks = 0;
    connectPair(
      loop,
      {
        // No end handler: this side ends with the peer's, which is no mistake of the program's.
        close: (connection) => {
          assert.equal(connection.write(bytesOf('x')), false);
          checks += 1;
        },
      },
      {
        open: (connection) => {
          connection.end();
          connection.end(bytesOf('a second one says nothing'));
          assert.throws(() => connection.write(bytesOf('x')), /end\(\) has ended this side/);
          checks += 1;
        },
        data: () => assert.fail('nothing was sent'),
      },
    );
    await run(loop);
    assert.equal(checks, 2);
  },
);

test('tcp: a write outside of its array is refused', async (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  let checks = 0;
  connectPair(
    loop,
    {},
    {
      open: (connection) => {
        const bytes = new Uint8Array(4);
        for (const [offset, length] of [
          [-1, 1],
          [0, 5],
          [3, 2],
          [0, -1],
          [Number.NaN, 1],
        ]) {
          assert.throws(() => connection.write(bytes, offset, length), RangeError);
          checks += 1;
        }
        assert.equal(connection.write(bytes, 4), true, 'nothing is sent at once');
        assert.equal(connection.bytesSent, 0);
        connection.close();
      },
    },
  );
  await run(loop);
  assert.equal(checks, 5);
});

/** What ends a connection at once, or in due course. */
const endings: Readonly<Record<string, (connection: Connection) => void>> = {
  close: (connection) => connection.close(),
  reset: (connection) => connection.reset(),
  end: (connection) => connection.end(),
  'end, close': (connection) => {
    connection.end();
    connection.close();
  },
  'reset, close, end': (connection) => {
    connection.reset();
    connection.close();
    connection.end();
  },
};

for (const [ending, endIt] of Object.entries(endings)) {
  overPollers(`${ending} inside each handler ends both sides once`, async (_, loop) => {
    for (const handler of ['open', 'data', 'drain', 'end', 'close'] as const) {
      const log: string[] = [];
      // The server makes each of its handlers run; the client reads all and ends in the end.
      const server = recorded('server', log, {
        open: (connection) => {
          if (handler === 'drain') connection.write(new Uint8Array(32_000_000));
        },
        [handler]: endIt,
      });
      let greeted = false;
      const client: ConnectionHandlers = {
        open: (connection) => void connection.write(bytesOf('hello')),
        data: () => {
          greeted = true;
        },
        close: (_connection, error) => log.push(`client close ${error?.code ?? null}`),
      };
      if (handler === 'end' || handler === 'close') client.open = (c) => c.end(bytesOf('hello'));
      connectPair(loop, server, client);
      await run(loop);
      const title = `${ending} in ${handler}: ${log.join(', ')}`;
      const closes = log.filter((line) => line.startsWith('server close'));
      assert.equal(closes.length, 1, title);
      assert.equal(linesOf('server', log).at(-1), closes[0]?.slice(7), `last: ${title}`);
      assert.equal(log.filter((line) => line.startsWith('client close')).length, 1, title);
      if (handler === 'drain') assert.ok(greeted, title);
    }
  });
}

overPollers('closing another connection whose data waits in the same turn', async (_, loop) => {
  const opened: Connection[] = [];
  const log: string[] = [];
  const listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: {
      data: (connection) => {
        log.push('data');
        for (const other of listener) if (other !== connection) other.close();
      },
      close: () => void log.push('close'),
    },
  });
  assert.ok(listener.address.family === 'IPv4');
  for (let count = 0; count < 3; count++) {
    loop.connect({
      host: '127.0.0.1',
      port: listener.address.port,
      handlers: { open: (connection) => void opened.push(connection) },
    });
  }
  const poll = (): void => {
    if (listener.connections < 3 || opened.length < 3) {
      loop.defer(poll);
      return;
    }
    // All three lie in the sockets before the loop looks again.
    for (const connection of opened) connection.write(bytesOf('x'));
    listener.close();
    loop.setTimer(20, () => {
      assert.deepEqual(log, ['data', 'close', 'close']);
      for (const connection of opened) connection.close();
    });
  };
  loop.defer(poll);
  await run(loop);
  assert.equal(log.length, 4);
});

/** The first call after a reset says ECONNRESET, a send on what has been shut down EPIPE. */
const BROKEN = /^close (ECONNRESET|EPIPE)$/;

/** Writes a byte each millisecond for as long as the connection is open. */
function writeOn(loop: EventLoop, connection: Connection): void {
  if (!connection.isOpen) return;
  connection.write(bytesOf('x'));
  loop.setTimer(1, () => writeOn(loop, connection));
}

overPollers('a reset breaks the other end, at every point', async (_, loop) => {
  const points: Record<string, [ConnectionHandlers, ConnectionHandlers]> = {
    'before anything': [{ open: (connection) => connection.reset() }, {}],
    'after data': [
      { data: (connection) => connection.reset() },
      { open: (connection) => void connection.write(bytesOf('x')) },
    ],
    'with output queued': [
      {
        open: (connection) => {
          connection.write(new Uint8Array(8_000_000));
          connection.reset();
        },
      },
      {},
    ],
    'after its own end': [
      {
        open: (connection) => connection.end(),
        data: (connection) => connection.reset(),
      },
      // Once the peer has ended there is nothing to receive: only a send can meet the reset.
      { end: (connection) => writeOn(loop, connection) },
    ],
    'after the end of the other': [
      { end: (connection) => connection.reset() },
      { open: (connection) => connection.end(), end: ignore },
    ],
  };
  for (const [point, [server, client]] of Object.entries(points)) {
    const log: string[] = [];
    connectPair(loop, recorded('server', log, server), recorded('client', log, client));
    await run(loop);
    assert.equal(linesOf('server', log).at(-1), 'close null', `${point}: ${log}`);
    assert.match(linesOf('client', log).at(-1) ?? '', BROKEN, `${point}: ${log}`);
  }
});

overPollers('a write to a peer that has gone ends with its error', async (_, loop) => {
  const log: string[] = [];
  const server = recorded('server', log, { data: (connection) => connection.reset() });
  const client = recorded('client', log, {
    open: (connection) => {
      connection.pause();
      writeOn(loop, connection);
    },
  });
  connectPair(loop, server, client);
  await run(loop);
  assert.match(linesOf('client', log).at(-1) ?? '', BROKEN);
});

overPollers('the error of a handler ends run(), and nothing stays open', async (_, loop) => {
  connectPair(
    loop,
    {
      data: () => {
        throw new Error('thrown by a handler');
      },
    },
    { open: (connection) => void connection.write(bytesOf('x')) },
  );
  await assert.rejects(run(loop), /thrown by a handler/);
});
