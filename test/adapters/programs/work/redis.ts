/** ioredis on a connector of the program's. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { AbstractConnector, Redis } from 'ioredis';
import { assertBody, BODY, type Net, type Place } from './net.ts';

/** A client on sockets of `net`. */
export function redisClient(net: Net, place: Place): Redis {
  class Connector extends AbstractConnector {
    // The library passes all options, of which the base class wants one.
    constructor(options: unknown) {
      super((options as { disconnectTimeout: number }).disconnectTimeout);
    }

    connect(): ReturnType<AbstractConnector['connect']> {
      this.connecting = true;
      this.stream = net.connect(place);
      return Promise.resolve(this.stream);
    }
  }
  return new Redis({ Connector, retryStrategy: () => 20 });
}

async function publish(subscriber: Redis, client: Redis): Promise<void> {
  await subscriber.subscribe('news');
  const heard: string[] = [];
  const all = new Promise<void>((resolve) => {
    subscriber.on('message', (_, message: string) => {
      if (heard.push(message) === 100) resolve();
    });
  });
  for (let at = 0; at < 100; at++) void client.publish('news', `message ${at}`);
  await all;
  assert.equal(heard[99], 'message 99');
}

export async function useRedis(net: Net, place: Place): Promise<void> {
  const client = redisClient(net, place);
  const subscriber = client.duplicate();
  assert.equal(await client.set('key', 'value'), 'OK');
  assert.equal(await client.get('key'), 'value');
  await client.set('body', BODY);
  assertBody((await client.getBuffer('body')) ?? Buffer.alloc(0));
  const pipeline = client.pipeline();
  for (let at = 0; at < 1000; at++) pipeline.incr('count');
  assert.deepEqual((await pipeline.exec())?.at(-1), [null, 1000]);
  const transaction = await client.multi().set('a', '1').incr('a').exec();
  assert.deepEqual(transaction?.[1], [null, 2]);
  await assert.rejects(client.lpush('key', 'x'), /WRONGTYPE/);
  const popped = subscriber.blpop('list', 0);
  await client.lpush('list', 'item');
  assert.deepEqual(await popped, ['list', 'item']);
  await publish(subscriber, client);
  await client.flushall();
  const ended = [once(client, 'end'), once(subscriber, 'end')];
  await client.quit();
  subscriber.disconnect();
  await Promise.all(ended);
}
