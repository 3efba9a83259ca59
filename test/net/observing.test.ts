import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type TestContext, test } from 'node:test';
import {
  type Connection,
  type ConnectionCloseMessage,
  type ConnectionOpenMessage,
  type ListenerCloseMessage,
  Socket,
} from 'sockloop';
import type { Abi, Sys } from 'sockloop/sys';
import { LagProbe } from '#src/net/lag-probe.js';
import { connectionInfo } from '#src/net/stream/connection-info.js';
import { darwinArm64 } from '#src/sys/abi/darwin.js';
import { freebsdX64 } from '#src/sys/abi/freebsd.js';
import { leakCheck } from '#test/harness/leaks.js';
import { overPollers, run, unixPath } from './stream/pollers.ts';

// What a program sees of its loops, listeners and connections without taking part in them.

const ROOT = new URL('../../..', import.meta.url);

/** The messages of all channels until the test ends, as `channel`. */
function heard(t: TestContext): { name: string; message: unknown }[] {
  const messages: { name: string; message: unknown }[] = [];
  for (const end of ['connection.open', 'connection.close', 'listener.listen', 'listener.close']) {
    const listen = (message: unknown): void => void messages.push({ name: end, message });
    subscribe(`sockloop.${end}`, listen);
    t.after(() => unsubscribe(`sockloop.${end}`, listen));
  }
  return messages;
}

overPollers('channels tell of listeners and connections, in order', async (t, loop) => {
  const messages = heard(t);
  const seen: string[] = [];
  const listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: {
      open: () => void seen.push(`open behind ${messages.at(-1)?.name}`),
      data: (connection, chunk) => connection.end(chunk),
      close: () => {
        seen.push(`close behind ${messages.at(-1)?.name}`);
        listener.close();
      },
    },
  });
  assert.equal(messages.length, 1);
  assert.deepEqual(messages[0], { name: 'listener.listen', message: { listener } });
  loop.connect({
    host: '127.0.0.1',
    port: listener.port ?? 0,
    handlers: { open: (connection) => connection.end('hello') },
  });
  await run(loop);
  assert.deepEqual(seen, ['open behind connection.open', 'close behind connection.close']);
  const opens = messages.filter(({ name }) => name === 'connection.open');
  const froms = opens.map(({ message }) => (message as ConnectionOpenMessage).listener);
  assert.deepEqual(new Set(froms), new Set([null, listener]));
  const closes = messages.filter(({ name }) => name === 'connection.close');
  for (const { message } of closes) {
    const { connection, error } = message as ConnectionCloseMessage;
    assert.equal(error, null);
    assert.equal(connection.bytesReceived, 5);
  }
  assert.equal(closes.length, 2);
  const ends = messages.filter(({ name }) => name === 'listener.close');
  assert.deepEqual(
    ends.map(({ message }) => message as ListenerCloseMessage),
    [{ listener, error: null }],
  );
});

overPollers(
  'a channel tells why a connection broke; an adopted one is told of',
  async (t, loop) => {
    const messages = heard(t);
    const [one, other] = Socket.pair();
    loop.adopt(one.detach(), { handlers: {} }).close();
    other.close();
    const listener = loop.listen({
      host: '127.0.0.1',
      port: 0,
      handlers: { close: () => listener.close() },
    });
    loop.connect({
      host: '127.0.0.1',
      port: listener.port ?? 0,
      handlers: { open: (connection) => connection.reset() },
    });
    await run(loop);
    const closes = messages.filter(({ name }) => name === 'connection.close');
    const codes = closes.map(({ message }) => (message as ConnectionCloseMessage).error?.code);
    assert.deepEqual(codes.toSorted(), ['ECONNRESET', undefined, undefined]);
    assert.equal(messages.filter(({ name }) => name === 'connection.open').length, 3);
    const { accepted, closed, broken } = listener.stats;
    assert.deepEqual({ accepted, closed, broken }, { accepted: 1, closed: 1, broken: 1 });
  },
);

overPollers('stats count connections, bytes and what is queued', async (_t, loop) => {
  let server: Connection | null = null;
  const listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: {
      open: (connection) => {
        server = connection;
        connection.write(new Uint8Array(32 * 1024 * 1024));
      },
    },
  });
  let received = 0;
  loop.connect({
    host: '127.0.0.1',
    port: listener.port ?? 0,
    handlers: {
      open: (connection) => {
        connection.pause();
        connection.write('hello');
        loop.setTimer(20, () => connection.resume());
        loop.setTimer(10, () => {
          // It sends what was written in this turn.
          const queued = (server?.queuedBytes ?? 0) + connection.queuedBytes;
          const { connections, queuedBytes, accepted } = loop.stats();
          assert.equal(connections, 2);
          assert.equal(accepted, 1);
          assert.equal(queuedBytes, queued);
          assert.ok(queuedBytes > 0);
        });
      },
      data: (connection, chunk) => {
        received += chunk.length;
        if (received < 32 * 1024 * 1024) return;
        connection.end();
        listener.close();
      },
    },
  });
  await run(loop);
  const { bytesReceived, bytesSent, closed } = listener.stats;
  assert.deepEqual([bytesReceived, bytesSent, closed], [5, 32 * 1024 * 1024, 1]);
  const stats = loop.stats();
  assert.deepEqual([stats.connections, stats.queuedBytes, stats.lag], [0, 0, null]);
  assert.ok(stats.turns > 0 && stats.waits > 0 && stats.reports > 0);
  assert.deepEqual(structuredClone(stats), stats);
});

overPollers('the lag shows a handler that keeps the loop', async (_t, loop) => {
  loop.measureLag({ everyMs: 2 });
  // Until there are enough, however busy the machine is.
  const look = (): void => {
    if ((loop.stats().lag?.count ?? 0) < 5) loop.setTimer(3, look);
  };
  loop.setTimer(20, () => {
    const untilMs = performance.now() + 60;
    while (performance.now() < untilMs);
    loop.setTimer(3, look);
  });
  await run(loop);
  const { lag } = loop.stats();
  assert.ok(lag !== null && lag.count >= 5, `${lag?.count} measurements`);
  assert.ok(lag.maxUs >= 50_000, `${lag.maxUs} us at most`);
  assert.ok(lag.sumUs >= lag.maxUs && lag.p50Us <= lag.p99Us);
  assert.equal(lag.atMost.at(-1)?.count, lag.count);
  loop.measureLag({ everyMs: null });
  assert.equal(loop.stats().lag, null);
  assert.throws(() => loop.measureLag({ everyMs: 0 }), RangeError);
});

test('lag: how late each callback is, from the one before', (t) => {
  leakCheck(t);
  let nowMs = 1000;
  const probe = new LagProbe({ monotonicMs: () => nowMs } as Sys, 2 ** 30);
  const times = [1002, 0, -0.5, 0.5].map((lateMs) => lateMs + 2 ** 30);
  for (const ms of times) {
    nowMs += ms;
    probe.called();
  }
  probe.end();
  const { count, sumUs, maxUs, atMost } = probe.stats;
  assert.deepEqual({ count, sumUs, maxUs }, { count: 4, sumUs: 1_002_500, maxUs: 1_002_000 });
  const counts = new Map(atMost.map((limit) => [limit.us, limit.count]));
  assert.deepEqual([counts.get(250), counts.get(1000), counts.get(2_500_000)], [2, 3, 4]);
});

overPollers('info decodes what the kernel knows; null without TCP', async (t, loop) => {
  const path = unixPath(t);
  let isUnix = false;
  const unix = loop.listen({
    path,
    handlers: {
      open: (connection) => {
        assert.equal(connection.info(), null);
        isUnix = true;
        unix.close();
      },
    },
  });
  loop.connect({ path, handlers: { open: (connection) => connection.end() } });
  const tcp = loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: {
      data: (connection) => {
        const info = connection.info();
        assert.ok(info !== null);
        assert.equal(info.state, 'established');
        assert.ok(info.rttUs > 0 && info.rttUs < 60_000_000);
        assert.ok(info.retransmitTimeoutUs >= 1000 && info.segmentBytes > 500);
        assert.ok(info.cwndSegments >= 1 && info.retransmitsTotal >= 0);
        if (info.receivedBytes !== null) assert.equal(info.receivedBytes, 5);
        tcp.close();
        connection.end();
      },
      close: (connection) => assert.equal(connection.info(), null),
    },
  });
  loop.connect({
    host: '127.0.0.1',
    port: tcp.port ?? 0,
    handlers: { open: (connection) => void connection.write('hello') },
  });
  await run(loop);
  assert.ok(isUnix);
});

/** The information of a kernel that fills the fields of `layout` with these numbers. */
function infoFrom(abi: Abi, fields: Readonly<Record<string, number>>) {
  const layout = abi.structs.tcp_info ?? abi.structs.tcp_connection_info;
  assert.ok(layout !== undefined);
  const sys = {
    abi,
    getsockopt: (
      _fd: number,
      _level: number,
      _name: number,
      bytes: Uint8Array,
      length: Int32Array,
    ) => {
      const view = new DataView(bytes.fill(0).buffer, bytes.byteOffset);
      for (const [name, number] of Object.entries(fields)) {
        const field = layout.fields[name];
        assert.ok(field !== undefined, name);
        if (field.size === 1) view.setUint8(field.offset, number);
        else view.setUint32(field.offset, number, true);
      }
      length[0] = layout.size;
      return 0;
    },
  };
  return connectionInfo({ tcp: true, loop: { sys: sys as unknown as Sys } }, 3);
}

test('info: the BSDs count windows in bytes, and macOS times in milliseconds', () => {
  const mac = infoFrom(darwinArm64, {
    tcpi_state: 4,
    tcpi_srtt: 12,
    tcpi_rttvar: 3,
    tcpi_rto: 230,
    tcpi_maxseg: 1000,
    tcpi_snd_cwnd: 10_500,
    tcpi_txretransmitpackets: 7,
  });
  assert.ok(mac !== null);
  const { state, rttUs, rttVarUs, retransmitTimeoutUs, cwndSegments, retransmitsTotal } = mac;
  assert.deepEqual([state, rttUs, rttVarUs], ['established', 12_000, 3000]);
  assert.deepEqual([retransmitTimeoutUs, cwndSegments, retransmitsTotal], [230_000, 10, 7]);
  assert.deepEqual([mac.minRttUs, mac.unackedSegments], [null, null]);

  const bsd = infoFrom(freebsdX64, {
    tcpi_state: 9,
    tcpi_rtt: 450,
    tcpi_snd_mss: 1448,
    tcpi_snd_cwnd: 14_480,
    tcpi_snd_rexmitpack: 2,
    tcpi_snd_wnd: 65_536,
  });
  assert.ok(bsd !== null);
  assert.deepEqual([bsd.state, bsd.rttUs, bsd.cwndSegments], ['fin-wait-2', 450, 10]);
  assert.deepEqual([bsd.retransmitsTotal, bsd.peerWindowBytes], [2, 65_536]);
});

test('channels: what a subscriber throws goes to Node, and the connection is unharmed', () => {
  const program = `
    import { subscribe } from 'node:diagnostics_channel';
    import { EventLoop } from 'sockloop';
    const heard = [];
    process.on('uncaughtException', ({ message }) => heard.push(message));
    for (const name of ['connection.open', 'connection.close', 'listener.listen']) {
      subscribe('sockloop.' + name, () => { throw new Error(name); });
    }
    const loop = new EventLoop();
    const listener = loop.listen({
      host: '127.0.0.1',
      port: 0,
      handlers: {
        data: (connection, chunk) => connection.end(chunk),
        close: () => listener.close(),
      },
    });
    let echo = '';
    loop.connect({
      host: '127.0.0.1',
      port: listener.port,
      handlers: {
        open: (connection) => connection.end('hello'),
        data: (_, chunk) => void (echo += new TextDecoder().decode(chunk)),
      },
    });
    await loop.run();
    await new Promise(setImmediate);
    loop.close();
    console.log(JSON.stringify([echo, heard.sort()]));`;
  const words = ['--input-type=module', '--eval', program];
  const said = execFileSync(process.execPath, words, { cwd: ROOT, encoding: 'utf8' });
  const twice = (name: string): string[] => [name, name];
  const errors = [...twice('connection.close'), ...twice('connection.open'), 'listener.listen'];
  assert.deepEqual(JSON.parse(said), ['hello', errors]);
});
