// Goal: a short write, a handler that throws, or a close in the middle of a turn's calls neither
// delays the loop nor leaves a descriptor behind. Method: real sockets that are full, with the
// calls made together and one by one.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AcceptSink, Backend, StreamSink } from '#src/loop/backend.js';
import { CALLS_MAX } from '#src/loop/limits.js';
import { ReadinessBackend } from '#src/loop/readiness/backend.js';
import { Interest } from '#src/poller/poller.js';
import { loopPollers } from '#src/poller/pollers.js';
import { Socket } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { leakCheck } from '#test/harness/leaks.js';

const sys = withoutTimers();
/** A wait that nothing ends, and a bound far below it that no busy machine reaches. */
const LONG_MS = 30_000;
const SOON_MS = 10_000;
const timeout = 60_000;

interface Subject {
  readonly name: string;
  readonly skip: string | false;
  open(): Backend;
}

const subjects: readonly Subject[] = loopPollers.flatMap((poller) => {
  const available = poller.available(sys);
  const skip = available === true ? false : available.reason;
  const { batching } = sys;
  const together = skip || (batching === true ? false : batching.reason);
  const open = (oneByOne: boolean) => () =>
    new ReadinessBackend(sys, poller.create(sys), { oneByOne });
  return [
    { name: `${poller.name}, together`, skip: together, open: open(false) },
    { name: `${poller.name}, one by one`, skip, open: open(true) },
  ];
});

/** Without the timer that ends every wait of a loop over epoll after half a second. */
function withoutTimers(): Sys {
  const native = nativeSys();
  return new Proxy(native, {
    get(target, key) {
      if (key === 'timerfd_create') return () => -target.abi.errno.ENOSYS;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const silent: StreamSink = {
  received: () => undefined,
  drained: () => undefined,
  ended: () => undefined,
  failed: () => undefined,
  closed: () => undefined,
};

/** A stream whose kernel takes no more, and the peer that does not read. */
function fullStream(t: TestContext, backend: Backend) {
  const [ours, peer] = Socket.pair();
  t.after(() => peer.close());
  ours.setBlocking(false);
  const fd = ours.detach();
  const bytes = new Uint8Array(65_536);
  while (sys.send(fd, bytes, 0, bytes.length, 0) > 0);
  return backend.open(fd, silent);
}

function openBackend(t: TestContext, subject: Subject): Backend {
  leakCheck(t);
  const backend = subject.open();
  t.after(() => backend.destroy());
  // The first turn registers what the loop itself watches.
  backend.poll(0);
  return backend;
}

function tookMs(action: () => void): number {
  const startMs = performance.now();
  action();
  return performance.now() - startMs;
}

for (const subject of subjects) {
  const { name, skip } = subject;

  test(`${name}: a wake is not lost behind a short write`, { skip, timeout }, (t) => {
    const backend = openBackend(t, subject);
    const stream = fullStream(t, backend);
    backend.poll(0);
    stream.send(new Uint8Array(10), 0, 10);
    backend.wake();
    assert.ok(tookMs(() => backend.poll(LONG_MS)) < SOON_MS, 'the wait ended');
    assert.equal(stream.queuedBytes, 10);
  });

  test(`${name}: bytes that wait are delivered before the next wait`, { skip, timeout }, (t) => {
    const backend = openBackend(t, subject);
    const stream = fullStream(t, backend);
    const [ours, peer] = Socket.pair();
    t.after(() => peer.close());
    ours.setBlocking(false);
    let came = 0;
    backend.open(ours.detach(), {
      ...silent,
      received: (chunk) => {
        came += chunk.length;
      },
    });
    backend.poll(0);
    peer.sendAll(new Uint8Array(7));
    stream.send(new Uint8Array(10), 0, 10);
    assert.ok(tookMs(() => backend.poll(LONG_MS)) < SOON_MS, 'the wait ended');
    assert.equal(came, 7);
  });

  test(`${name}: a send that fails ends the wait, which nothing else would`, {
    skip,
    timeout,
  }, (t) => {
    const backend = openBackend(t, subject);
    const [ours, peer] = Socket.pair();
    ours.setBlocking(false);
    let failed = 0;
    const sink = {
      ...silent,
      failed: (errno: number) => {
        failed = errno;
      },
    };
    const stream = backend.open(ours.detach(), sink);
    // The poller hears nothing of it.
    stream.pause();
    backend.poll(0);
    peer.close();
    stream.send(new Uint8Array(10), 0, 10);
    assert.ok(tookMs(() => backend.poll(LONG_MS)) < SOON_MS, 'the wait ended');
    assert.equal(failed, sys.abi.errno.EPIPE);
  });

  test(`${name}: as many sends as the list holds, and then a wait`, { skip, timeout }, (t) => {
    const backend = openBackend(t, subject);
    // One send of each: two of one stream are joined.
    const streams = Array.from({ length: CALLS_MAX }, () => {
      const [ours, peer] = Socket.pair();
      t.after(() => peer.close());
      ours.setBlocking(false);
      return { stream: backend.open(ours.detach(), silent), peer };
    });
    const [watched, other] = Socket.pair();
    t.after(() => other.close());
    t.after(() => watched.close());
    let told = 0;
    const watch = backend.watch(watched.fileno(), Interest.read, {
      ready: () => {
        told += 1;
        if (told > 1) return;
        // The next wait makes them.
        for (const [call, { stream }] of streams.entries()) {
          stream.send(new Uint8Array([call]), 0, 1);
        }
      },
    });
    backend.poll(0);
    other.sendAll(new Uint8Array(1));
    backend.poll(0);
    assert.equal(told, 1);
    backend.poll(0);
    assert.equal(told, 2, 'the wait was made');
    watch.unwatch();
    const bytes = new Uint8Array(2);
    for (const [call, { peer }] of streams.entries()) {
      assert.deepEqual([peer.recv(bytes), bytes[0]], [1, call]);
    }
  });

  test(`${name}: a short write in a callback of the wait repeats none`, { skip, timeout }, (t) => {
    const backend = openBackend(t, subject);
    const stream = fullStream(t, backend);
    const [watched, peer] = Socket.pair();
    t.after(() => peer.close());
    t.after(() => watched.close());
    let queued = -1;
    backend.watch(watched.fileno(), Interest.read, {
      ready: () => {
        watched.recv(new Uint8Array(1));
        stream.send(new Uint8Array(10), 0, 10);
        // Makes the queued calls to learn it.
        queued = stream.queuedBytes;
      },
    });
    backend.poll(0);
    peer.sendAll(new Uint8Array(1));
    assert.ok(tookMs(() => backend.poll(LONG_MS)) < SOON_MS, 'the turn ended');
    assert.equal(queued, 10);
  });

  test(`${name}: what was accepted behind a handler that throws is closed`, { skip }, (t) => {
    const backend = openBackend(t, subject);
    const clients: Socket[] = [];
    t.after(() => clients.map((client) => client.close()));
    const sink: AcceptSink = {
      accepted: (fd) => {
        sys.close(fd);
        throw new Error('a handler');
      },
      exhausted: () => undefined,
      failed: () => undefined,
      closed: () => undefined,
    };
    for (let listener = 0; listener < 3; listener++) {
      const socket = new Socket('IPv4');
      socket.bind({ address: '127.0.0.1', port: 0 });
      socket.listen();
      socket.setBlocking(false);
      const client = new Socket('IPv4');
      client.connect(socket.getSockName());
      clients.push(client);
      backend.accept(socket.detach(), sink);
    }
    assert.throws(() => {
      for (let turn = 0; turn < 100; turn++) backend.poll(100);
    }, /a handler/);
    // The end of the test looks for what is still open.
  });
}
