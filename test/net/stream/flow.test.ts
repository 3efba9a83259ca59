// Goal: no byte is lost or doubled whatever the reader's pace, queues are bounded, and a connection
// on which nothing moves is closed in time and never early.
// Method: slow readers that pause by themselves, over each poller; deadlines by the loop's clock.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Connection, ConnectionHandlers } from 'sockloop';
import {
  bytesOf,
  connectPair,
  ignore,
  linesOf,
  overPollers,
  pattern,
  recorded,
  run,
} from './pollers.ts';

const MIB = 1024 * 1024;

/** Reads all, at its own pace: after each chunk it looks away for a turn or two of the loop. */
function slowReader(hash: ReturnType<typeof createHash>, later: (f: () => void) => void) {
  return {
    data: (connection: Connection, chunk: Uint8Array) => {
      hash.update(chunk);
      connection.pause();
      later(() => connection.resume());
    },
  };
}

overPollers('64 MiB to a slow reader, paced by drain, in a bounded queue', async (_, loop) => {
  const block = pattern(MIB);
  const blocks = 64;
  const expected = createHash('sha256');
  for (let count = 0; count < blocks; count++) expected.update(block);
  const received = createHash('sha256');
  let sent = 0;
  let drains = 0;
  let queuedMax = 0;
  const fill = (connection: Connection): void => {
    while (sent < blocks) {
      sent += 1;
      const goOn = connection.write(block);
      queuedMax = Math.max(queuedMax, connection.queuedBytes);
      if (!goOn) return;
    }
    connection.end();
  };
  const server: ConnectionHandlers = {
    open: fill,
    drain: (connection) => {
      assert.equal(connection.queuedBytes, 0);
      drains += 1;
      fill(connection);
    },
    close: (connection, error) => {
      assert.equal(error, null);
      assert.equal(connection.bytesSent, blocks * MIB);
    },
  };
  connectPair(
    loop,
    server,
    slowReader(received, (f) => loop.defer(f)),
  );
  await run(loop);
  assert.equal(received.digest('hex'), expected.digest('hex'));
  assert.ok(queuedMax <= MIB + 64 * 1024, `${queuedMax} bytes were queued`);
  assert.ok(drains > 0);
});

overPollers('16 MiB in one write: false at once, one drain, every byte', async (_, loop) => {
  const bytes = pattern(16 * MIB);
  const received = createHash('sha256');
  const log: string[] = [];
  const server = recorded('server', log, {
    open: (connection) => {
      assert.equal(connection.write(bytes), false);
      const { queuedBytes, bytesSent } = connection;
      assert.equal(queuedBytes + bytesSent, bytes.length);
      // The end waits behind the queue.
      connection.end();
    },
  });
  connectPair(
    loop,
    server,
    slowReader(received, (f) => loop.defer(f)),
  );
  await run(loop);
  assert.equal(received.digest('hex'), createHash('sha256').update(bytes).digest('hex'));
  assert.deepEqual(linesOf('server', log), ['open', 'drain', 'end', 'close null']);
});

overPollers('an echo of 8 MiB by pause and resume', async (_, loop) => {
  const bytes = pattern(8 * MIB);
  const received = createHash('sha256');
  const server: ConnectionHandlers = {
    data: (connection, chunk) => {
      if (!connection.write(chunk)) connection.pause();
    },
    drain: (connection) => connection.resume(),
  };
  const reader = slowReader(received, (f) => loop.setTimer(0, f));
  connectPair(loop, server, {
    ...reader,
    open: (connection) => connection.end(bytes),
    end: ignore,
  });
  await run(loop);
  assert.equal(received.digest('hex'), createHash('sha256').update(bytes).digest('hex'));
});

overPollers('a write above queueBytesMax throws and takes nothing', async (_, loop) => {
  const max = 100_000;
  let received = 0;
  let accepted = 0;
  const server: ConnectionHandlers = {
    open: (connection) => {
      assert.throws(() => connection.write(new Uint8Array(max + 1)), /queueBytesMax \(100000\)/);
      assert.equal(connection.bytesSent, 0);
      const refusal = (): unknown => {
        for (;;) {
          try {
            connection.write(new Uint8Array(max / 2));
            accepted += max / 2;
          } catch (error) {
            return error;
          }
        }
      };
      assert.ok(refusal() instanceof RangeError);
      assert.ok(connection.queuedBytes <= max);
      assert.equal(connection.queuedBytes + connection.bytesSent, accepted);
      connection.end();
    },
  };
  const client: ConnectionHandlers = {
    data: (_connection, chunk) => {
      received += chunk.length;
    },
  };
  connectPair(loop, server, client, { queueBytesMax: max });
  await run(loop);
  assert.equal(received, accepted);
});

overPollers('the limits and timeouts of a connection are checked', (_, loop) => {
  const place = { host: '127.0.0.1', port: 0, handlers: {} };
  for (const bytes of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => loop.listen({ ...place, queueBytesMax: bytes }), /queueBytesMax is/);
    assert.throws(() => loop.connect({ ...place, queueBytesHigh: bytes }), /queueBytesHigh is/);
  }
  for (const timeoutMs of [0, -1, 2 ** 31, Number.NaN]) {
    assert.throws(() => loop.listen({ ...place, idleTimeoutMs: timeoutMs }), /an idle timeout is/);
    assert.throws(() => loop.connect({ ...place, timeoutMs }), /a timeout is/);
  }
  assert.throws(() => loop.connect({ ...place, attemptDelayMs: -1 }), /attemptDelayMs is/);
  assert.throws(() => loop.listen({ ...place, maxConnections: 0 }), /maxConnections is/);
  assert.throws(() => loop.connect({ ...place, port: 65536 }), /a port is/);
  assert.throws(() => loop.connect({ path: 'x'.repeat(200), handlers: {} }), /a UNIX path takes/);
});

overPollers('a paused connection receives nothing, and all of it afterwards', async (_, loop) => {
  const log: string[] = [];
  let received = '';
  let peer: Connection | undefined;
  const server: ConnectionHandlers = {
    open: (connection) => {
      peer = connection;
      connection.pause();
      connection.pause();
    },
    data: (_connection, chunk) => {
      assert.ok(log.includes('resumed'));
      received += new TextDecoder().decode(chunk);
    },
    end: (connection) => {
      assert.equal(received, 'waits here');
      connection.end();
    },
  };
  const client: ConnectionHandlers = {
    open: (connection) => {
      connection.end(bytesOf('waits here'));
      loop.setTimer(20, () => {
        assert.equal(received, '');
        log.push('resumed');
        peer?.resume();
        peer?.resume();
      });
    },
  };
  connectPair(loop, server, client);
  await run(loop);
  assert.equal(received, 'waits here');
});

overPollers('pausing inside of data holds back the rest', async (_, loop) => {
  let chunks = 0;
  const server: ConnectionHandlers = {
    data: (connection) => {
      chunks += 1;
      const now = chunks;
      connection.pause();
      loop.setTimer(2, () => {
        assert.equal(chunks, now, 'nothing came in the meantime');
        connection.resume();
      });
    },
  };
  const client: ConnectionHandlers = { open: (connection) => connection.end(pattern(300_000)) };
  connectPair(loop, server, client);
  await run(loop);
  assert.ok(chunks >= 5);
});

overPollers('an idle connection is closed with ETIMEDOUT, never early', async (_, loop) => {
  const idleMs = 30;
  const log: string[] = [];
  let openedMs = 0;
  const server = recorded('server', log, {
    open: (connection) => {
      openedMs = loop.sys.monotonicMs();
      connection.setTimeout(idleMs);
    },
    close: (_connection, error) => {
      const tookMs = loop.sys.monotonicMs() - openedMs;
      assert.ok(tookMs >= idleMs, `${tookMs} ms`);
      assert.match(error?.message ?? '', /ETIMEDOUT \(nothing moved within 30 ms\)/);
    },
  });
  connectPair(loop, server, recorded('client', log));
  await run(loop);
  assert.deepEqual(linesOf('server', log), ['open', 'close ETIMEDOUT']);
  assert.deepEqual(linesOf('client', log), ['open', 'end', 'close null']);
});

overPollers('what moves keeps a connection from being idle', async (_, loop) => {
  const idleMs = 40;
  let messages = 0;
  let heardMs = 0;
  const server: ConnectionHandlers = {
    open: (connection) => connection.setTimeout(idleMs),
    data: () => {
      messages += 1;
      heardMs = loop.sys.monotonicMs();
    },
    close: (_connection, error) => {
      assert.equal(error?.code, 'ETIMEDOUT');
      assert.ok(loop.sys.monotonicMs() - heardMs >= idleMs);
    },
  };
  const client: ConnectionHandlers = {
    open: (connection) => {
      const again = (): void => {
        connection.write(bytesOf('x'));
        // Longer than the timeout in all, shorter each time.
        if (messages < 10 && connection.isOpen) loop.setTimer(10, again);
      };
      again();
    },
  };
  connectPair(loop, server, client);
  await run(loop);
  assert.ok(messages >= 10);
});

overPollers('what came while the program was busy counts as in time', async (_, loop) => {
  const idleMs = 20;
  const log: string[] = [];
  const server = recorded('server', log, { open: (connection) => connection.setTimeout(idleMs) });
  const client: ConnectionHandlers = {
    open: (connection) => {
      loop.setTimer(1, () => {
        connection.write(bytesOf('x'));
        const endMs = loop.sys.monotonicMs() + 2 * idleMs;
        while (loop.sys.monotonicMs() < endMs);
      });
    },
  };
  connectPair(loop, server, client);
  await run(loop);
  assert.deepEqual(linesOf('server', log), ['open', 'data x', 'close ETIMEDOUT']);
});

overPollers('a timeout that was taken back closes nothing', async (_, loop) => {
  let left: Connection | undefined;
  const server: ConnectionHandlers = {
    open: (connection) => {
      left = connection;
      connection.setTimeout(5);
      connection.setTimeout(null);
      assert.throws(() => connection.setTimeout(0), RangeError);
      loop.setTimer(40, () => {
        assert.ok(left?.isOpen);
        left.close();
      });
    },
    close: (_connection, error) => assert.equal(error, null),
  };
  connectPair(loop, server, {});
  await run(loop);
});

overPollers('output that is stuck is idle, output that moves is not', async (_, loop) => {
  // The peer shares the thread: a machine that keeps it from running for so long makes it idle.
  const idleMs = 250;
  const readsMax = 160;
  let reads = 0;
  let reading = true;
  let client: Connection | undefined;
  const listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    idleTimeoutMs: idleMs,
    handlers: {
      open: (connection) => {
        listener.close();
        connection.write(new Uint8Array(32 * MIB));
      },
      drain: () => assert.fail('the client never reads all'),
      close: (connection, error) => {
        assert.equal(error?.code, 'ETIMEDOUT');
        assert.equal(reading, false, 'output moved still');
        assert.equal(connection.queuedBytes, 0);
        assert.ok(connection.bytesSent < 32 * MIB);
        client?.close();
      },
    },
  });
  assert.ok(listener.address.family === 'IPv4');
  loop.connect({
    host: '127.0.0.1',
    port: listener.address.port,
    handlers: {
      // Some of it for much longer than the timeout, and then no more.
      data: (connection) => {
        reads += 1;
        if (reads % 4 !== 0) return;
        connection.pause();
        client = connection;
        reading = reads < readsMax;
        if (reading) loop.setTimer(10, () => connection.resume());
      },
    },
  });
  await run(loop);
});
