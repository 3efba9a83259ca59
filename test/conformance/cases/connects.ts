import assert from 'node:assert/strict';
import type { Connection } from '#src/net/stream/connection.js';
import type { SysError } from '#src/sys/sys-error.js';
import { type Case, inEnvironment } from '../case.ts';
import { closePair, connectedPair, type Environment, portOf, until } from '../environment.ts';

// Connecting: a TCP socket that connects to its own address meets itself (simultaneous open).

/** Destinations that the kernel may choose as the local address: IPv4, IPv6, mapped IPv4. */
const HOSTS = ['127.0.0.1', '::1', '::ffff:127.0.0.1'] as const;

/** A port of `host` that was free a moment ago. */
function freePort(environment: Environment, host: string): number {
  const listener = environment.loop.listen({ host, port: 0, handlers: {} });
  const port = portOf(listener);
  listener.close();
  until(environment, () => environment.openDescriptors() === 0, 'the port is free again');
  return port;
}

/** Connects from `port` to itself, and returns the outcome. */
function outcomeOf(environment: Environment, options: ToSelf): string[] {
  const outcome: string[] = [];
  environment.loop.connect({
    ...options,
    handlers: {
      open: (connection) => {
        outcome.push('open');
        connection.close();
      },
    },
    onError: (error) => {
      outcome.push('code' in error ? String(error.code) : String(error), error.message);
    },
  });
  until(environment, () => outcome.length > 0, 'the connect has ended');
  return outcome;
}

interface ToSelf {
  readonly host: string;
  readonly port: number;
  readonly localPort: number;
}

const selfCases: readonly Case[] = HOSTS.map(
  (host): Case => ({
    name: `a socket that connected to itself at ${host} is refused, and leaves its port free`,
    laws: [],
    run: (open) => {
      const environment = open();
      try {
        const port = freePort(environment, host);
        const [code, message = ''] = outcomeOf(environment, { host, port, localPort: port });
        assert.equal(code, 'ECONNREFUSED');
        assert.match(message, /^cannot connect to .+: ECONNREFUSED \(.*itself.*\)$/);
        until(environment, () => environment.openDescriptors() === 0, 'its descriptor is closed');
        // The port is free for a listener: no connection stays in TIME_WAIT.
        let accepted = 0;
        const listener = environment.loop.listen({
          host,
          port,
          handlers: {
            open: (connection) => {
              accepted += 1;
              connection.close();
              listener.close();
            },
          },
        });
        environment.loop.connect({ host, port, handlers: {} });
        until(environment, () => accepted === 1, 'a server has taken the port over');
        until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
      } finally {
        environment.close();
      }
    },
  }),
);

/** A client at `host` connects and resets: the error of the server's side names it, unasked. */
function resetNamesPeer(environment: Environment, host: string): void {
  let error: SysError | null = null;
  let remote: unknown = null;
  let client: unknown = null;
  const listener = environment.loop.listen({
    host,
    port: 0,
    handlers: {
      close: (connection, broken) => {
        error = broken;
        remote = connection.remoteAddress;
      },
    },
  });
  environment.loop.connect({
    host,
    port: portOf(listener),
    handlers: {
      open: (connection) => {
        client = connection.localAddress;
        // Bytes first: the server has accepted the connection before the reset.
        connection.write(Buffer.from('x'));
        environment.loop.setTimer(10, () => connection.reset());
      },
    },
  });
  until(environment, () => error !== null, 'the server has heard of the reset');
  const { code, address, port, message } = error as unknown as SysError;
  assert.equal(code, 'ECONNRESET');
  assert.deepEqual(remote, client);
  assert.deepEqual({ address, port }, { address: host, port: (client as { port: number }).port });
  assert.match(message, /^cannot keep the connection with .*:\d+: ECONNRESET \(/);
  listener.close();
  until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
}

export const connectCases: readonly Case[] = [
  ...selfCases,
  ...['127.0.0.1', '::1'].map(
    (host): Case => ({
      name: `the error of a connection that broke names its peer at ${host}, whom nobody asked for`,
      laws: [],
      run: inEnvironment((environment) => resetNamesPeer(environment, host)),
    }),
  ),
  {
    name: 'host null listens on all interfaces of both families',
    laws: [],
    run: inEnvironment((environment) => {
      const seen: string[] = [];
      const listener = environment.loop.listen({
        host: null,
        port: 0,
        handlers: {
          open: ({ remoteAddress }) => {
            if (remoteAddress !== null && remoteAddress.family !== 'UNIX') {
              seen.push(remoteAddress.address);
            }
          },
        },
      });
      assert.equal(listener.address.family, 'IPv6');
      for (const host of ['127.0.0.1', '::1']) {
        const open = (connection: Connection): void => connection.end();
        environment.loop.connect({ host, port: portOf(listener), handlers: { open } });
      }
      until(environment, () => seen.length === 2, 'both have come');
      assert.deepEqual(seen.sort(), ['::1', '::ffff:127.0.0.1']);
      listener.close();
      until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
    }),
  },
  {
    name: 'a write after end() has the code of Node',
    laws: [],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment);
      pair.client.end();
      const code = 'ERR_STREAM_WRITE_AFTER_END';
      assert.throws(() => pair.client.write(Buffer.from('x')), { code });
      closePair(environment, pair);
    }),
  },
];
