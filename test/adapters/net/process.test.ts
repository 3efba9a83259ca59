// Goal: sockets and servers keep the process alive exactly while they are open and referenced; what
// a listener throws is an uncaught exception that leaves its socket open.
// Method: programs in processes of their own, which print the same on node:net and sockloop/net.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const LIMIT_MS = 30_000;

const PROGRAMS: Record<string, string> = {
  'a server without references ends the process': `
    const server = net.createServer().listen(0, '127.0.0.1', () => console.log('listening'));
    server.unref();
    process.on('exit', () => console.log('exit', server.listening));`,
  'a socket without references ends the process': `
    const server = net.createServer((socket) => socket.unref()).listen(0, '127.0.0.1', () => {
      const client = net.connect(server.address().port, '127.0.0.1', () => {
        console.log('connected');
        client.unref();
        server.unref();
      });
    });
    process.on('exit', () => console.log('exit'));`,
  'an open socket keeps it alive until it is closed': `
    const server = net.createServer((socket) => socket.resume()).listen(0, '127.0.0.1', () => {
      const client = net.connect(server.address().port, '127.0.0.1');
      server.on('connection', () => server.close(() => console.log('server closed')));
      client.on('connect', () => setTimeout(() => client.end(), 50).unref());
      client.resume().on('close', () => console.log('closed'));
    });
    process.on('exit', () => console.log('exit'));`,
  'a reference that is given back keeps it alive': `
    const server = net.createServer().listen(0, '127.0.0.1').unref().ref();
    setTimeout(() => server.close(() => console.log('closed')), 50).unref();`,
  'a listener that throws': `
    const server = net.createServer((socket) => {
      socket.once('data', () => {
        throw new Error('out of paper');
      });
      socket.on('close', () => server.close());
    }).listen(0, '127.0.0.1', () => {
      const client = net.connect(server.address().port, '127.0.0.1');
      client.write('x');
      process.on('uncaughtException', (error) => {
        console.log(error.message, client.readyState);
        client.end();
      });
      client.resume().on('close', (hadError) => console.log('closed', hadError));
    });`,
};

async function outputOf(program: string, module: string): Promise<string> {
  const text = `import net from '${module}';${program}`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', text],
    { cwd: root, timeout: LIMIT_MS },
  );
  return stdout;
}

for (const [title, program] of Object.entries(PROGRAMS)) {
  test(`net: ${title}`, { timeout: 3 * LIMIT_MS }, async () => {
    const wanted = await outputOf(program, 'node:net');
    assert.ok(wanted.length > 0);
    assert.equal(await outputOf(program, 'sockloop/net'), wanted);
  });
}
