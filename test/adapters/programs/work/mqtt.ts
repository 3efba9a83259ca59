/** mqtt on a stream of the program's. */

import assert from 'node:assert/strict';
import { type EventEmitter, once } from 'node:events';
import { type IClientOptions, MqttClient } from 'mqtt';
import { assertBody, BODY, type Net, type Place } from './net.ts';

/** A client on sockets of `net`. */
export function mqttClient(net: Net, place: Place, options: IClientOptions = {}): MqttClient {
  return new MqttClient(() => net.connect(place), {
    protocolVersion: 5,
    reconnectPeriod: 20,
    ...options,
  });
}

/** Waits for an event. The library's types do not say that its client is an EventEmitter. */
function event(client: MqttClient, name: string): Promise<unknown[]> {
  return once(client as unknown as EventEmitter, name);
}

/** The next message that `client` gets: its topic, and the payload. */
async function nextMessage(client: MqttClient): Promise<[string, Buffer]> {
  const [topic, payload] = await event(client, 'message');
  return [topic as string, payload as Buffer];
}

export async function useMqtt(net: Net, place: Place): Promise<void> {
  const [client, other] = [mqttClient(net, place), mqttClient(net, place)];
  await Promise.all([event(client, 'connect'), event(other, 'connect')]);
  await client.subscribeAsync('news/#', { qos: 2 });
  for (const qos of [0, 1, 2] as const) {
    const heard = nextMessage(client);
    await other.publishAsync(`news/${qos}`, 'hello', { qos });
    const [topic, payload] = await heard;
    assert.deepEqual([topic, String(payload)], [`news/${qos}`, 'hello']);
  }
  const large = nextMessage(client);
  await other.publishAsync('news/large', BODY, { qos: 1 });
  assertBody((await large)[1]);
  await other.publishAsync('kept', 'for later', { qos: 1, retain: true });
  const kept = nextMessage(client);
  await client.subscribeAsync('kept');
  assert.equal(String((await kept)[1]), 'for later');
  await other.publishAsync('kept', '', { qos: 1, retain: true });
  await Promise.all([client.endAsync(), other.endAsync()]);
}
