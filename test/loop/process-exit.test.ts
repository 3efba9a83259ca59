// Goal: what was written before process.exit(), or before an error that ends the process, is sent.
// Method: a program per loop that connects, writes and ends, in every way, and a server that reads.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { nativeSys } from 'sockloop';
import { backends } from '#src/loop/backends.js';
import { run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { root } from '#test/harness/programs.js';

const timeout = 60_000;
const names = backends.filter(({ available }) => available(nativeSys()) === true);
const ENDINGS = { exit: 'process.exit(3)', error: "throw new Error('thrown by a handler')" };

/** A client that writes a line in its first handler, and ends the process. */
function program(loop: string, port: number, ending: string): string {
  return `
    import { EventLoop } from '${root}dist/src/index.js';
    const loop = new EventLoop({ backend: '${loop}' });
    const open = (connection) => {
      connection.write('the last words');
      ${ending};
    };
    loop.connect({ host: '127.0.0.1', port: ${port}, handlers: { open } });
    await loop.run();
  `;
}

for (const { name } of names) {
  for (const [ending, statement] of Object.entries(ENDINGS)) {
    test(`process ends: ${name}: ${ending}`, { timeout }, async (t) => {
      leakCheck(t);
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as { port: number };
      const heard = once(server, 'connection').then(async ([client]: Socket[]) => {
        let words = '';
        client?.on('data', (bytes: Buffer) => {
          words += bytes;
        });
        if (client !== undefined) await once(client, 'close');
        return words;
      });
      const code = program(name, port, statement);
      const { status } = await run(t, [process.execPath, '--input-type=module', '--eval', code]);
      assert.equal(status, ending === 'exit' ? 3 : 1);
      assert.equal(await heard, 'the last words');
      server.close();
      await once(server, 'close');
    });
  }
}
