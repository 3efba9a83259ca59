// Goal: clients of PostgreSQL, Redis and MQTT run on sockets of sockloop/net as on those of Node.
// Method: pg, ioredis and mqtt do their ordinary work with the real servers; then the server is
// killed amid it and started again.

import { after, before, describe, it } from 'node:test';
import { freePort } from '#test/harness/clients.js';
import type { Scope } from '#test/harness/command.js';
import { reasonWithout } from '#test/harness/other-programs.js';
import { compared } from './compared.ts';
import {
  identities,
  postgresFiles,
  reasonWithoutPostgres,
  startMosquitto,
  startPostgres,
  startRedis,
} from './servers.ts';
import { useMqtt } from './work/mqtt.ts';
import { usePostgres } from './work/postgres.ts';
import { useRedis } from './work/redis.ts';

const timeout = 120_000;

describe('pg', { skip: reasonWithoutPostgres() }, () => {
  const steps: (() => Promise<void> | void)[] = [];
  const scope: Scope = { after: (step) => steps.unshift(step) };
  let folder = '';
  let ca = '';

  before(() => {
    const { good } = identities(scope);
    ca = good.cert;
    folder = postgresFiles(scope, good);
  });

  after(async () => {
    for (const step of steps) await step();
  });

  it('works by TCP, by a UNIX socket and by TLS', { timeout }, async (t) => {
    const port = await freePort();
    await startPostgres(t, folder, port);
    await compared(t, async (net) => {
      await usePostgres(net, { host: '127.0.0.1', port });
      await usePostgres(net, { host: folder, port });
      await usePostgres(net, { host: '127.0.0.1', port, ca });
    });
  });
});

describe('ioredis', { skip: reasonWithout('redis-server') }, () => {
  it('works', { timeout }, async (t) => {
    const port = await freePort();
    await startRedis(t, port);
    await compared(t, (net) => useRedis(net, { host: '127.0.0.1', port }));
  });
});

describe('mqtt', { skip: reasonWithout('mosquitto') }, () => {
  it('works', { timeout }, async (t) => {
    const port = await freePort();
    await startMosquitto(t, port);
    await compared(t, (net) => useMqtt(net, { host: '127.0.0.1', port }));
  });
});
