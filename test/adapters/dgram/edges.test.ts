// Goal: what programs rarely do has the results, errors and events that it has on node:dgram.
// Method: the same story on both: sockets that are closed too early, binds that fail again and
// again, lookups and handlers that are wrong.

import { setTimeout as delay } from 'node:timers/promises';
import { compared, until } from './differential.ts';

const host = '127.0.0.1';

compared('a port that is taken, again and again', async ({ bound, socket, note, attempt }) => {
  const { port } = (await bound('taken')).address();
  const one = socket('one');
  for (let attempts = 0; attempts < 3; attempts++) {
    const failed = new Promise((resolve) => one.once('error', resolve));
    one.bind(port, host, () => note('one', 'called back'));
    await failed;
    note('one', one.listenerCount('listening'), one.listenerCount('error'));
  }
  attempt('one', () => one.bind(0, host));
  await until(() => port !== 0 && one.listenerCount('listening') === 1, 'it is bound');
});

compared('an address to bind to that is none', async ({ socket, attempt }) => {
  for (const address of [5, {}, true, [], null, undefined, '', false]) {
    attempt(`port and ${address}`, () => socket('listed').bind(0, address as never));
    attempt(`options, ${address}`, () => socket('named').bind({ address: address as never }));
  }
  await delay(5);
});

compared('sockets that are closed too early', async ({ socket, note, attempt }) => {
  const binding = socket('binding').bind(0, host);
  attempt('binding', () => binding.close());
  const listening = socket('listening');
  listening.bind(0, host, () => listening.close());
  const lookup = (_: string, __: unknown, found: (...answer: unknown[]) => void): void => {
    setTimeout(found, 5, null, host, 4);
  };
  const looking = socket('looking', { type: 'udp4', lookup: lookup as never });
  looking.bind(0, 'somewhere');
  attempt('looking', () => looking.close());
  const connecting = socket('connecting');
  connecting.connect(9, host, (...values: unknown[]) => note('connecting', 'called', ...values));
  attempt('connecting', () => connecting.close());
  const twice = socket('twice');
  attempt('twice', () => twice.close('no function' as never));
  await until(() => twice.listenerCount('close') === 1, 'it is closed');
  attempt('twice', () => twice.close(() => note('twice', 'called')));
  await delay(50);
});

compared('lookups that are wrong', async ({ dgram, socket, bound, note, attempt }) => {
  for (const lookup of [5, 'x', {}, null, [], true]) {
    const options = { type: 'udp4', lookup: lookup as never } as const;
    attempt('no function', () => dgram.createSocket(options).close());
  }
  const failing = (...[, , found]: [string, unknown, (error: Error) => void]): void => {
    found(Object.assign(new Error('nowhere'), { code: 'ENOWHERE' }));
  };
  const one = socket('one', { type: 'udp4', lookup: failing as never });
  attempt('one', () => one.bind(0, 'somewhere'));
  const { port } = (await bound('other')).address();
  const wrong = (name: string, _: unknown, found: (...answer: unknown[]) => void): void => {
    process.nextTick(found, null, name === 'nonsense' ? name : host, 4);
  };
  const two = await bound('two', { type: 'udp4', lookup: wrong as never });
  for (const name of ['nonsense', 'right']) {
    const sent = new Promise<void>((resolve) => {
      two.send('x', port, name, (...values: unknown[]) => {
        note(`to ${name}`, ...values);
        resolve();
      });
    });
    await sent;
  }
});

compared('an error that a callback hears is not emitted', async ({ bound, note }) => {
  const lookup = (_: string, __: unknown, found: (error: Error) => void): void => {
    process.nextTick(found, Object.assign(new Error('nowhere'), { code: 'ENOWHERE' }));
  };
  let isBound = false;
  const one = await bound('one', {
    type: 'udp4',
    lookup: ((name: string, family: unknown, found: (...answer: unknown[]) => void) => {
      if (isBound) lookup(name, family, found);
      else process.nextTick(found, null, host, 4);
      isBound = true;
    }) as never,
  });
  await new Promise<void>((resolve) => {
    one.send('x', 9, 'elsewhere', (...values: unknown[]) => {
      note('one', 'called', ...values);
      resolve();
    });
  });
  const failed = new Promise((resolve) => one.once('error', resolve));
  one.send('x', 9, 'elsewhere');
  await failed;
});
