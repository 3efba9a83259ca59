/** Runs a scenario on node:net and on sockloop/net, and compares what was recorded. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import * as nodeNet from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { nativeSys } from 'sockloop';
import * as ownNet from 'sockloop/net';
import { ThreadLoop, useThreadLoop } from '#src/adapters/thread-loop.js';
import { backends } from '#src/loop/backends.js';
import { leakCheck } from '#test/harness/leaks.js';
import { Recorder } from './recorder.ts';

/** What the scenarios use of either. */
type Net = Pick<
  typeof nodeNet,
  'createServer' | 'createConnection' | 'connect' | 'Socket' | 'Server'
>;

const LIMIT_MS = 20_000;

/** What a scenario gets. */
interface Stage {
  readonly net: Net;
  readonly recorder: Recorder;
  /** A path for a UNIX socket, gone after the test. */
  path(): string;
  /** A server on the loopback address, listening, closed at the end unless it is before. */
  listen(options?: nodeNet.ServerOpts): Promise<nodeNet.Server>;
  /** A connection to it: both ends, recorded as `client` and `server`. */
  pair(options?: nodeNet.ServerOpts & nodeNet.SocketConstructorOpts): Promise<Pair>;
}

export interface Pair {
  readonly client: nodeNet.Socket;
  readonly server: nodeNet.Socket;
  readonly listener: nodeNet.Server;
}

type Scenario = (stage: Stage) => Promise<void>;

export function portOf(server: nodeNet.Server): number {
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

/** Waits until all of `emitters` have emitted `close`, whatever else they emit. */
export async function closed(
  ...emitters: readonly { once(event: 'close', listener: () => void): unknown }[]
): Promise<void> {
  await Promise.all(
    emitters.map((emitter) => new Promise<void>((resolve) => emitter.once('close', resolve))),
  );
}

/** Waits until `done`, in turns of the process. */
export async function until(done: () => boolean, what: string): Promise<void> {
  const endMs = process.uptime() * 1000 + LIMIT_MS / 2;
  while (!done()) {
    assert.ok(process.uptime() * 1000 < endMs, `waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function stageOn(net: Net, recorder: Recorder, atEnd: (() => void)[]): Stage {
  const listen: Stage['listen'] = async (options = {}) => {
    const server = net.createServer(options);
    atEnd.push(() => void server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
  };
  return {
    net,
    recorder,
    path: () => {
      const directory = mkdtempSync(join(tmpdir(), 'sockloop-'));
      atEnd.push(() => rmSync(directory, { recursive: true }));
      return join(directory, 'socket');
    },
    listen,
    pair: async (options = {}) => {
      const listener = await listen(options);
      const client = recorder.watch('client', new net.Socket(options));
      const accepted = new Promise<nodeNet.Socket>((resolve) => {
        listener.once('connection', (socket) => resolve(recorder.watch('server', socket)));
      });
      client.connect(portOf(listener), '127.0.0.1');
      await once(client, 'connect');
      const server = await accepted;
      atEnd.push(() => {
        client.destroy();
        server.destroy();
      });
      return { client, server, listener };
    },
  };
}

/** What `scenario` records on `net`. */
async function recordOf(net: Net, scenario: Scenario): Promise<Recorder['record']> {
  const recorder = new Recorder();
  const atEnd: (() => void)[] = [];
  try {
    await scenario(stageOn(net, recorder, atEnd));
    return recorder.record;
  } finally {
    for (const end of atEnd.reverse()) end();
  }
}

/** One test of `scenario` for each loop that is compared. */
export function compared(title: string, scenario: Scenario): void {
  for (const name of ['epoll', 'io_uring'] as const) {
    const answer = backends.find((backend) => backend.name === name)?.available(nativeSys());
    const skip = answer === true ? false : (answer?.reason ?? 'no such loop');
    test(`net: ${title} (${name})`, { skip, timeout: LIMIT_MS }, async (t) => {
      leakCheck(t);
      const wanted = await recordOf(nodeNet, scenario);
      const thread = new ThreadLoop({ backend: name });
      useThreadLoop(thread);
      t.after(() => {
        useThreadLoop(null);
        thread.loop.close();
      });
      const found = await recordOf(ownNet as unknown as Net, scenario);
      assert.deepEqual(found, wanted);
      assert.ok(Object.keys(found).length > 0, 'something was recorded');
    });
  }
}
