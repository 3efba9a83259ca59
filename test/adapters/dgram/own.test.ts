// Goal: where sockloop/dgram differs from node:dgram it does what docs/dgram.md says.
// Method: sockets on the loops, a dns.lookup of the test's own, programs in other processes.

import assert from 'node:assert/strict';
import dns from 'node:dns';
import { once } from 'node:events';
import { syncBuiltinESMExports } from 'node:module';
import { BlockList } from 'node:net';
import { test } from 'node:test';
import { run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { root } from '#test/harness/programs.js';
import { onLoops, until } from './differential.ts';

const host = '127.0.0.1';

onLoops('a name is looked up once', async ({ createSocket }) => {
  const { lookup } = dns;
  const asked: string[] = [];
  const answers: (() => void)[] = [];
  const replaced = (name: string, family: number, done: (...args: unknown[]) => void): void => {
    asked.push(`${name} ${family}`);
    answers.push(() => done(null, host, 4));
  };
  dns.lookup = replaced as never;
  syncBuiltinESMExports();
  try {
    const receiver = createSocket('udp4').bind(0, host);
    await once(receiver, 'listening');
    const texts: string[] = [];
    receiver.on('message', (message) => texts.push(String(message)));
    const sender = createSocket('udp4').bind(0, host);
    await once(sender, 'listening');
    const { port } = receiver.address();
    sender.send('one', port, 'somewhere');
    sender.send('two', port, 'somewhere');
    // What goes to an address does not wait for a name.
    sender.send('ahead', port, host);
    await until(() => texts.length === 1, 'one has come');
    for (const answer of answers) answer();
    await until(() => texts.length === 3, 'all have come');
    sender.send('three', port, 'somewhere');
    await until(() => texts.length === 4, 'the last has come');
    assert.deepEqual(texts, ['ahead', 'one', 'two', 'three']);
    assert.deepEqual(asked, ['somewhere 4']);
    sender.close();
    receiver.close();
    await Promise.all([once(sender, 'close'), once(receiver, 'close')]);
  } finally {
    dns.lookup = lookup;
    syncBuiltinESMExports();
  }
});

onLoops('block lists', async ({ createSocket }) => {
  const blocked = new BlockList();
  blocked.addSubnet('127.0.0.0', 8);
  const receiver = createSocket({ type: 'udp4', receiveBlockList: blocked }).bind(0, host);
  await once(receiver, 'listening');
  receiver.on('message', () => assert.fail('it is blocked'));
  const plain = createSocket('udp4').bind(0, host);
  await once(plain, 'listening');
  await new Promise((resolve) => plain.send('x', receiver.address().port, host, resolve));
  const sender = createSocket({ type: 'udp4', sendBlockList: blocked });
  const code = { code: 'ERR_IP_BLOCKED', message: `IP(${host}) is blocked by net.BlockList` };
  const error = await new Promise<unknown>((resolve) => sender.send('x', 9, host, resolve));
  assert.throws(() => {
    throw error;
  }, code);
  sender.connect(9, host);
  const [failure] = (await once(sender, 'error').catch((reason) => [reason])) as [Error];
  assert.equal((failure as NodeJS.ErrnoException).code, 'ERR_IP_BLOCKED');
  for (const one of [plain, receiver, sender]) {
    one.close();
    await once(one, 'close');
  }
});

onLoops('what was sent before a close goes out', async ({ createSocket }) => {
  const receiver = createSocket('udp4').bind(0, host);
  await once(receiver, 'listening');
  const came = once(receiver, 'message');
  const sender = createSocket('udp4').bind(0, host);
  await once(sender, 'listening');
  let sent = -1;
  sender.send('last words', receiver.address().port, host, (_, bytes) => {
    sent = bytes;
  });
  sender.close();
  await once(sender, 'close');
  assert.equal(sent, 10);
  assert.equal(String((await came)[0]), 'last words');
  receiver.close();
  await once(receiver, 'close');
});

onLoops('the bytes of a send may change, and those of a message are kept', async (dgram) => {
  const receiver = dgram.createSocket('udp4').bind(0, host);
  await once(receiver, 'listening');
  const kept: Buffer[] = [];
  receiver.on('message', (message) => kept.push(message));
  const sender = dgram.createSocket('udp4');
  const bytes = Buffer.alloc(8);
  for (let at = 0; at < 100; at++) {
    bytes.fill(at);
    sender.send(bytes, receiver.address().port, host);
  }
  await until(() => kept.length === 100, 'all have come');
  assert.ok(kept.every((message, at) => message.equals(Buffer.alloc(8, at))));
  sender.close();
  receiver.close();
  await Promise.all([once(sender, 'close'), once(receiver, 'close')]);
});

const programs = {
  'a bound socket keeps the process, one that is not or is unreferenced does not': {
    code: `createSocket('udp4'); const one = createSocket('udp4').bind(0, '127.0.0.1');
      one.unref(); one.on('listening', () => console.log('bound'));
      process.on('exit', () => console.log('over'));`,
    out: 'bound\nover\n',
  },
  'a send and a callback at the end of a program': {
    code: `const one = createSocket('udp4', (message) => {
        console.log(String(message)); one.close();
      });
      one.bind(0, '127.0.0.1', () => {
        const other = createSocket('udp4');
        other.send('hello', one.address().port, '127.0.0.1', () => other.close());
      });`,
    out: 'hello\n',
  },
  'a listener that throws is an uncaught exception, and no message is lost': {
    code: `let count = 0; let thrown = 0;
      process.on('uncaughtException', ({ message }) => { thrown += message === 'thrown' ? 1 : 0; });
      const one = createSocket('udp4', () => {
        count += 1;
        if (count === 20) { console.log(count, thrown); one.close(); }
        if (count % 5 === 2) throw new Error('thrown');
        if (count % 5 === 3) process.nextTick(() => { throw new Error('thrown'); });
      });
      one.bind(0, '127.0.0.1', () => {
        for (let at = 0; at < 20; at++) one.send('x', one.address().port, '127.0.0.1');
      });`,
    out: '20 8\n',
  },
  'an error without a listener ends the process': {
    code: `createSocket('udp4').bind(0, '203.0.113.7');
      process.on('exit', (code) => console.log(code));`,
    out: '1\n',
  },
} as const;

for (const [name, { code, out }] of Object.entries(programs)) {
  for (const backend of ['epoll', 'auto']) {
    test(`dgram: ${name} (${backend})`, { timeout: 60_000 }, async (t) => {
      leakCheck(t);
      const script = `import { createSocket } from 'sockloop/dgram'; ${code}`;
      const words = [process.execPath, '--input-type=module', '-e', script];
      const env = { ...process.env, SOCKLOOP_BACKEND: backend };
      const outcome = await run(t, words, '', { cwd: root, env });
      assert.equal(outcome.out, out, outcome.err);
    });
  }
}
