// Goal: the load clients check every byte and count correctly: all figures come from them.
// Method: servers in this process that echo, change bytes, stop or stall, and the clients' reports.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { before, describe, it } from 'node:test';
import { LoadClient } from '#bench/measure/load-client.js';
import { cleanup } from '#bench/measure/pinned-child.js';
import { buildPrograms, contenderOf, type Programs, startServer } from '#bench/measure/servers.js';
import { type Scope, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc } from '#test/harness/other-programs.js';
import { findCallCounter } from '#tools/measure/call-counter.js';

const BYTES = 64;

/** Starts a server in this process that answers by `answer`. Returns its port. */
async function serve(t: Scope, answer: (socket: Socket, bytes: Buffer) => void): Promise<number> {
  const server: Server = createServer((socket) => {
    socket.on('data', (bytes) => answer(socket, bytes));
    // A client that has found an error closes at once.
    socket.on('error', () => socket.destroy());
  });
  t.after(async () => {
    server.close();
    await once(server, 'close');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

const echo = (socket: Socket, bytes: Buffer): void => {
  socket.write(bytes);
};

/** Echoes, but changes the byte at `index` of the stream of any connection. */
function flipper(index: number): (socket: Socket, bytes: Buffer) => void {
  let seen = 0;
  return (socket, bytes) => {
    const at = index - seen;
    seen += bytes.length;
    if (at >= 0 && at < bytes.length) bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    socket.write(bytes);
  };
}

type Kind = 'load' | 'churn';
const KINDS: readonly Kind[] = ['load', 'churn'];

const skip = reasonWithout('cc', 'taskset') || reasonWithoutProc;

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('bench: the clients', { skip }, () => {
  let programs: Programs;
  before(() => {
    programs = buildPrograms();
  });

  /** The caller stops it: the server can close only then. */
  async function connect(kind: Kind, port: number, more = {}): Promise<LoadClient> {
    const shape = { connections: 3, bytes: BYTES, inFlight: 1, sources: 2, ...more };
    return kind === 'load'
      ? await LoadClient.connect(programs.load, port, shape)
      : await LoadClient.churn(programs.churn, port, shape);
  }

  for (const kind of KINDS) {
    it(`${kind}: every connection echoes, and messages are counted`, async (t) => {
      leakCheck(t);
      let bytes = 0;
      const port = await serve(t, (socket, chunk) => {
        bytes += chunk.length;
        echo(socket, chunk);
      });
      const client = await connect(kind, port);
      try {
        await client.verify();
        let total = 0;
        for (let slices = 0; total <= 10 && slices < 100; slices += 1) {
          const { messages, errors, seconds, latencies } = await client.run(50);
          assert.ok(errors === 0 && seconds >= 0.05 && seconds < 5);
          assert.equal(latencies.total, messages);
          total += messages;
        }
        assert.ok(total > 10, `${total} messages`);
        assert.equal(bytes, (total + 3) * BYTES);
      } finally {
        await client.stop();
      }
    });

    for (const index of [0, 63, 64 * 2 + 31]) {
      it(`${kind}: one byte that is another one is found, the ${index}th`, async (t) => {
        leakCheck(t);
        const client = await connect(kind, await serve(t, flipper(index)));
        try {
          await assert.rejects(client.verify(), {
            message: /^only 2 of 3 connections echo \(.*bytes came back that were not sent\)$/,
          });
        } finally {
          await client.stop();
        }
      });
    }

    it(`${kind}: a server that closes or sends more than it got is found`, async (t) => {
      leakCheck(t);
      const answers: readonly [(socket: Socket, bytes: Buffer) => void, RegExp][] = [
        [(socket) => socket.end(), /only 0 of 3 .*closed by the server/],
        [
          (socket, bytes) => void socket.write(Buffer.concat([bytes, bytes])),
          /only 0 of 3 .*more came back than was sent/,
        ],
      ];
      for (const [answer, message] of answers) {
        const client = await connect(kind, await serve(t, answer));
        try {
          await assert.rejects(client.verify(), { message });
        } finally {
          await client.stop();
        }
      }
    });
  }

  it('open: sends by its schedule, and a stall counts for all who had to wait', async (t) => {
    leakCheck(t);
    const STALL_MS = 100;
    const shape = { inFlight: 64, ratePerSecond: 1000 };
    let isStalled = true;
    const port = await serve(t, (socket, bytes) => {
      // No client is answered meanwhile: this is the only thread of the server.
      if (!isStalled) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STALL_MS);
      isStalled = true;
      echo(socket, bytes);
    });
    const client = await connect('load', port, shape);
    try {
      await client.verify();
      const well = await client.run(200);
      assert.deepEqual([well.messages, well.errors], [200, 0]);
      isStalled = false;
      const stalled = await client.run(200);
      assert.deepEqual([stalled.messages, stalled.errors], [200, 0]);
      // Half of the 200 were due in the stall, with a median wait of 50 ms. A closed loop would
      // see three slow ones.
      assert.ok(stalled.latencies.quantileUs(0.7) > 30_000);
      assert.ok(stalled.latencies.quantileUs(0.99) > 90_000);
    } finally {
      await client.stop();
    }
  });

  it('churn: connections come and go by the thousand from few addresses', async (t) => {
    leakCheck(t);
    const server = await startServer(contenderOf('c-epoll', programs));
    t.after(() => server.stop());
    const client = await connect('churn', server.port, { connections: 12, sources: 64 });
    try {
      let total = 0;
      for (let slices = 0; total <= 1000 && slices < 20; slices += 1) {
        const { messages, errors } = await client.run(500);
        assert.equal(errors, 0);
        total += messages;
      }
      assert.ok(total > 1000, `${total} connections`);
    } finally {
      await client.stop();
    }
  });

  it('system calls are counted, where a tool can: an echo takes three', async (t) => {
    leakCheck(t);
    const server = await startServer(contenderOf('c-epoll', programs));
    t.after(() => server.stop());
    const client = await connect('load', server.port, { connections: 1 });
    try {
      const counter = await findCallCounter(server.pid, cleanup);
      if ('reason' in counter) return t.diagnostic(`nothing counts here: ${counter.reason}`);
      let messages = 0;
      const calls = await counter.count(server.pid, async () => {
        ({ messages } = await client.run(50));
      });
      // epoll_wait, recv, send, and the wait during which the counting began.
      assert.ok(Math.abs(calls / messages - 3) < 0.1, `${calls} calls, ${messages} messages`);
    } finally {
      await client.stop();
    }
  });

  it('a process that is not there is counted by nobody, and the reason is said', async (t) => {
    leakCheck(t);
    const gone = start(t, [process.execPath, '-e', '']);
    await gone.end();
    const pid = gone.child.pid ?? 0;
    const counter = await findCallCounter(pid, cleanup);
    assert.ok('reason' in counter);
    assert.match(counter.reason, /^perf cannot count: .+; strace cannot count: .+/);
  });
});
