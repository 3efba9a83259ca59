// Many clients of one server, in a process of their own: `node many-clients.js PORT COUNT`.
// Connects them all and says so; at each byte on standard input each of them sends a line of its
// own and waits for its echo, and it says so; at the end of the input it closes them all.

import assert from 'node:assert/strict';
import { readSync } from 'node:fs';
import { EventLoop } from '#src/net/event-loop.js';
import type { Connection } from '#src/net/stream/connection.js';
import { Interest } from '#src/poller/poller.js';

/** Connects that are under way at a time: fewer than wait in a queue of listen(2). */
const CONNECTING_MAX = 256;

const [port, count] = process.argv.slice(2).map(Number);
assert.ok(port !== undefined && count !== undefined);

/** What one of them sends, and how much of it came back. */
interface Echo {
  readonly line: Buffer;
  at: number;
}

using loop = new EventLoop();
const connections: Connection<Echo>[] = [];
let started = 0;
let echoed = 0;
let sinceMs = performance.now();

function say(what: string, number: number): void {
  process.stdout.write(`${what} ${number} in ${Math.round(performance.now() - sinceMs)} ms\n`);
}

function connectOne(target: number): void {
  started += 1;
  loop.connect<Echo>({
    host: '127.0.0.1',
    port: target,
    handlers: {
      open: (connection) => {
        connection.data = { line: Buffer.from(`client ${connections.length}\n`), at: 0 };
        connections.push(connection);
        if (started < total) connectOne(target);
        else if (connections.length === total) say('connected', total);
      },
      data: ({ data }, chunk) => {
        const { line, at } = data;
        assert.ok(line.subarray(at, at + chunk.length).equals(chunk), 'another client got it');
        data.at += chunk.length;
        if (data.at === line.length && ++echoed === total) say('echoed', total);
      },
      close: (_, error) => assert.fail(`a connection ended: ${error}`),
    },
  });
}

const total = count;
while (started < Math.min(total, CONNECTING_MAX)) connectOne(port);

// On the loop itself: Node's own would look at its input twice a second.
const input = new Uint8Array(1);
loop.watch(0, Interest.read, () => {
  if (readSync(0, input) === 0) return loop.stop();
  sinceMs = performance.now();
  echoed = 0;
  for (const connection of connections) {
    connection.data.at = 0;
    connection.write(connection.data.line);
  }
});
await loop.run();
