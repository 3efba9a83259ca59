// A handler rejects once its connection is closed, and its loop too if the argument is `closed`,
// with nobody to hear of it. Prints what Node hears of.

import assert from 'node:assert/strict';
import { EventLoop } from 'sockloop';

process.on('uncaughtException', (error, origin) => {
  process.stdout.write(`${origin}: ${error.message}\n`);
});

const closes = process.argv[2] === 'closed';
const loop = new EventLoop();
const listener = loop.listen({
  host: '127.0.0.1',
  port: 0,
  handlers: {
    data: async (connection) => {
      connection.close();
      listener.close();
      // Node's own timer: the loop has nothing left to wait for and ends its run.
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(connection.isOpen, false);
      throw new Error('too late for a run');
    },
  },
});
assert.ok(listener.address.family === 'IPv4');
loop.connect({
  host: '127.0.0.1',
  port: listener.address.port,
  handlers: { open: (client) => client.write('x') },
});
await loop.run();
process.stdout.write('ran\n');
if (closes) loop.close();
