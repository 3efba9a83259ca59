/** pg on a socket of the program's, in clear text and by TLS. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import pg from 'pg';
import { assertBody, BODY, type Net } from './net.ts';

/** Where PostgreSQL is, and the certificate that it shows. */
export interface PostgresPlace {
  /** An address, or the folder of its UNIX socket. */
  readonly host: string;
  readonly port: number;
  readonly ca?: string;
}

/** The settings of a client or a pool on sockets of `net`. */
export function postgresOptions(net: Net, { host, port, ca }: PostgresPlace): pg.PoolConfig {
  return {
    host,
    port,
    user: 'postgres',
    database: 'postgres',
    stream: () => new net.Socket(),
    ...(ca === undefined ? {} : { ssl: { ca } }),
  };
}

async function queries(client: pg.Client): Promise<void> {
  const { rows } = await client.query('select $1::int + 1 as sum, $2::text as word', [41, 'x']);
  assert.deepEqual(rows, [{ sum: 42, word: 'x' }]);
  await assert.rejects(client.query('select nothing from nowhere'), { code: '42P01' });
  const name = { name: 'again', text: 'select $1::bytea as body, md5($1::bytea) as sum' };
  const { rows: bodies } = await client.query({ ...name, values: [BODY] });
  assertBody(bodies[0].body);
  const again = await client.query({ ...name, values: [Buffer.from('abc')] });
  assert.equal(again.rows[0].sum, '900150983cd24fb0d6963f7d28e17f72');
  const many = await client.query(
    'select n, repeat($1, 100) as t from generate_series(1, 5000) n',
    ['z'],
  );
  assert.equal(many.rows.length, 5000);
  assert.equal(many.rows[4999].n, 5000);
}

async function notifications(listener: pg.Client, sender: pg.Client): Promise<void> {
  await listener.query('listen news');
  const heard = once(listener, 'notification');
  await sender.query("select pg_notify('news', 'hello')");
  const [{ channel, payload }] = await heard;
  assert.deepEqual([channel, payload], ['news', 'hello']);
}

export async function usePostgres(net: Net, place: PostgresPlace): Promise<void> {
  const options = postgresOptions(net, place);
  const [client, other] = [new pg.Client(options), new pg.Client(options)];
  await Promise.all([client.connect(), other.connect()]);
  await queries(client);
  await notifications(client, other);
  const { rows } = await client.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
  assert.equal(rows[0].ssl, place.ca !== undefined);
  await Promise.all([client.end(), other.end()]);
  const pool = new pg.Pool({ ...options, max: 3 });
  const sums = Array.from({ length: 30 }, (_, at) => pool.query('select $1::int as n', [at]));
  const found = (await Promise.all(sums)).map((result) => result.rows[0].n);
  assert.deepEqual(
    found,
    Array.from({ length: 30 }, (_, at) => at),
  );
  assert.equal(pool.totalCount, 3);
  await pool.end();
}
