// Goal: datagrams are sent and received by sockloop/dgram as by node:dgram.
// Method: the same story on both; messages, callbacks, errors and their order are the same.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { compared, until } from './differential.ts';

const host = '127.0.0.1';

/** Waits for so many messages. */
async function messages(socket: Socket, count: number): Promise<void> {
  let came = 0;
  await new Promise<void>((resolve) => {
    socket.on('message', () => {
      came += 1;
      if (came === count) resolve();
    });
  });
}

compared('sending, by each kind of argument', async ({ bound, note }) => {
  const receiver = await bound('receiver');
  const sender = await bound('sender');
  const { port } = receiver.address();
  const told = (name: string) => (error: Error | null, bytes: number) =>
    note('callback', name, error, bytes);
  const bytes = Buffer.from('0123456789');
  const sends: (() => void)[] = [
    () => sender.send('string', port, host),
    () => sender.send('string and callback', port, host, told('string')),
    () => sender.send('default address', port, told('default address')),
    () => sender.send(bytes, port, host, told('bytes')),
    () => sender.send(bytes, 2, 3, port, host, told('part')),
    () => sender.send(bytes, 2, 0, port, host, told('empty part')),
    () => sender.send(bytes, 4, 3, port, told('part, default address')),
    () => sender.send('a string', 2, 3, port, host),
    () => sender.send(new Uint16Array([0x4141, 0x4242]), port, host, told('words')),
    () => sender.send(new DataView(bytes.buffer, bytes.byteOffset, 4), port, host, told('view')),
    () => sender.send([bytes, 'and', new Uint8Array([65])], port, host, told('list')),
    () => sender.send([], port, host, told('empty list')),
    () => sender.send('', port, host, told('empty')),
    () => sender.send('port as a string', String(port) as never, host, told('port')),
    () => sender.send(Buffer.alloc(65_507, 'x'), port, host, told('longest')),
    () => sender.send('localhost', port, 'localhost', told('localhost')),
  ];
  for (const send of sends) {
    const came = once(receiver, 'message');
    send();
    await came;
  }
});

compared('arguments that are wrong', async ({ bound, attempt }) => {
  const one = await bound('one');
  const wrong: unknown[][] = [
    ['x', 0],
    ['x', 70_000],
    ['x', -1],
    ['x', 1.5],
    ['x', 'port'],
    ['x', ''],
    ['x'],
    [5, 9],
    [[5], 9],
    [undefined, 9],
    ['x', 9, 5],
    ['x', 0, 1, 9, 5],
    ['abc', 5, 1, 9],
    ['abc', 2, 3, 9],
    [undefined, 2, 3, 9],
  ];
  for (const args of wrong) attempt('send', () => Reflect.apply(one.send, one, args));
  for (const port of [0, 'x', 70_000]) attempt('connect', () => one.connect(port as number));
  attempt('connect', () => one.connect(9, 5 as never));
});

compared('what the system refuses', async ({ bound, note }) => {
  const one = await bound('one');
  const refused: readonly [Buffer, string][] = [
    [Buffer.alloc(65_508), host],
    [Buffer.alloc(100_000), host],
    [Buffer.from('x'), '::1'],
    [Buffer.from('x'), '255.255.255.255'],
    [Buffer.from('x'), 'no.such.name.invalid'],
  ];
  for (const [bytes, address] of refused) {
    await new Promise<void>((resolve) => {
      one.send(bytes, 9, address, (error, count) => {
        note('callback', error, count);
        resolve();
      });
    });
    // Without a callback nobody hears of it, unless it is the name.
    one.send(bytes, 9, address);
  }
  await new Promise((resolve) => one.once('error', resolve));
  const six = await bound('six', { type: 'udp6' });
  await new Promise<void>((resolve) => {
    six.send('x', 9, host, (error) => {
      note('callback', error);
      resolve();
    });
  });
});

compared('before it is bound: it is bound by the first send', async ({ bound, socket, note }) => {
  const receiver = await bound('receiver');
  const sender = socket('sender');
  const { port } = receiver.address();
  const over = messages(receiver, 3);
  for (const text of ['one', 'two', 'three']) {
    sender.send(text, port, host, (error, bytes) => note('callback', text, error, bytes));
  }
  await over;
});

compared('connected, and no more', async ({ bound, socket, note, attempt }) => {
  const receiver = await bound('receiver');
  const { port } = receiver.address();
  const client = socket('client');
  client.connect(port, host, () => note('callback', 'connected'));
  attempt('twice', () => client.connect(port, host));
  await once(client, 'connect');
  note('facts', client.remoteAddress().address, client.remoteAddress().port === port);
  const sends: unknown[][] = [
    ['one', (error: unknown, bytes: unknown) => note('callback', error, bytes)],
    ['part', 1, 2, (error: unknown, bytes: unknown) => note('callback', error, bytes)],
    [['a', 'list']],
    ['without'],
  ];
  for (const args of sends) {
    const came = once(receiver, 'message');
    Reflect.apply(client.send, client, args);
    await came;
  }
  attempt('with a port', () => client.send('part', 0, 1, port));
  await new Promise<void>((resolve) => {
    client.send(Buffer.alloc(65_508), (error) => {
      note('callback', error);
      resolve();
    });
  });
  client.disconnect();
  attempt('disconnected', () => client.remoteAddress());
  attempt('disconnected', () => client.disconnect());
  attempt('disconnected', () => client.send('x'));
  const came = once(receiver, 'message');
  client.send('with a port', port, host);
  await came;
});

compared('connections that fail', async ({ socket, note }) => {
  const fails = async (address: string, name: string): Promise<void> => {
    const one = socket(name);
    one.connect(9, address);
    await new Promise((resolve) => one.once('error', resolve));
    await new Promise<void>((resolve) => {
      one.connect(9, address, ((error: unknown) => {
        note(name, 'callback', error);
        resolve();
      }) as () => void);
    });
  };
  await fails('::1', 'other family');
  await fails('no.such.name.invalid', 'no name');
});

compared('a peer that is gone', async ({ bound, socket, note }) => {
  const gone = await bound('gone');
  const { port } = gone.address();
  gone.close();
  await once(gone, 'close');
  const client = socket('client');
  client.connect(port, host);
  await once(client, 'connect');
  client.send('x', (error, bytes) => note('callback', error, bytes));
  await new Promise((resolve) => client.once('error', resolve));
});

compared('a lookup of the program', async ({ bound, socket, note }) => {
  const receiver = await bound('receiver');
  const { port } = receiver.address();
  const lookup = (name: string, family: unknown, done: (...args: never[]) => void): void => {
    note('asked', name, family);
    process.nextTick(done, null, host, 4);
  };
  const sender = socket('sender', { type: 'udp4', lookup: lookup as never });
  for (const name of ['somewhere', 'somewhere', host]) {
    const came = once(receiver, 'message');
    sender.send('hello', port, name);
    await came;
  }
});

compared('each message is awaited', async ({ bound, note }) => {
  const receiver = await bound('receiver');
  const sender = await bound('sender');
  const { port } = receiver.address();
  // They come in one turn; Node runs promise jobs between them.
  for (let at = 0; at < 30; at++) sender.send(`message ${at}`, port, host);
  const texts: string[] = [];
  while (texts.length < 30) {
    const [message] = await once(receiver, 'message');
    texts.push(String(message));
  }
  note('awaited', texts.join());
});

compared('a thousand callbacks', async ({ bound, note }) => {
  const receiver = await bound('receiver');
  const sender = await bound('sender');
  const order: number[] = [];
  receiver.removeAllListeners('message');
  for (let at = 0; at < 1000; at++) {
    sender.send('x'.repeat(1 + (at % 7)), receiver.address().port, host, () => order.push(at));
  }
  await until(() => order.length === 1000, 'all are called');
  note(
    'in order',
    order.every((at, index) => at === index),
  );
  note('queue', sender.getSendQueueSize(), sender.getSendQueueCount());
});

compared('contexts', async ({ dgram, note }) => {
  const storage = new AsyncLocalStorage<string>();
  const context = (name: string) => () => note(name, storage.getStore());
  const receiver = storage.run('create', () => dgram.createSocket('udp4'));
  for (const event of ['listening', 'message', 'close']) receiver.on(event, context(event));
  storage.run('bind', () => receiver.bind(0, host));
  await once(receiver, 'listening');
  const sender = storage.run('create sender', () => dgram.createSocket('udp4'));
  sender.on('connect', context('connect'));
  sender.on('error', context('error'));
  const came = messages(receiver, 2);
  storage.run('send', () => sender.send('x', receiver.address().port, host, context('sent')));
  await once(sender, 'listening');
  storage.run('send again', () => {
    sender.send('x', receiver.address().port, host, context('sent'));
  });
  await came;
  storage.run('connect', () => sender.connect(receiver.address().port, host));
  await once(sender, 'connect');
  storage.run('close', () => receiver.close());
  await once(receiver, 'close');
  storage.run('send to nobody', () => sender.send('x'));
  await new Promise((resolve) => sender.once('error', resolve));
  sender.close();
  await once(sender, 'close');
});
