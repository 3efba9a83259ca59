import assert from 'node:assert/strict';
import type { Case } from './case.ts';
import { portOf, until, type World } from './world.ts';

// Connecting: a TCP socket that connects to its own address meets itself (simultaneous open).

/** Each a destination whose own address the kernel may choose: IPv4, IPv6, IPv4 in IPv6's form. */
const HOSTS = ['127.0.0.1', '::1', '::ffff:127.0.0.1'] as const;

/** A port of `host` that was free a moment ago. */
function freePort(world: World, host: string): number {
  const listener = world.loop.listen({ host, port: 0, handlers: {} });
  const port = portOf(listener);
  listener.close();
  until(world, () => world.openDescriptors() === 0, 'the port is free again');
  return port;
}

/** Connects from `port` to itself, and says how that ended. */
function outcomeOf(world: World, options: ToSelf): string[] {
  const outcome: string[] = [];
  world.loop.connect({
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
  until(world, () => outcome.length > 0, 'the connect has ended');
  return outcome;
}

interface ToSelf {
  readonly host: string;
  readonly port: number;
  readonly localPort: number;
}

export const connectCases: readonly Case[] = HOSTS.map(
  (host): Case => ({
    name: `a socket that connected to itself at ${host} is refused, and leaves its port free`,
    laws: [],
    run: (open) => {
      const world = open();
      try {
        const port = freePort(world, host);
        const [code, message = ''] = outcomeOf(world, { host, port, localPort: port });
        assert.equal(code, 'ECONNREFUSED');
        assert.match(message, /^cannot connect to .+: ECONNREFUSED \(.*itself.*\)$/);
        until(world, () => world.openDescriptors() === 0, 'its descriptor is closed');
        // Whoever is to listen there can: no connection stays behind in TIME_WAIT.
        let accepted = 0;
        const listener = world.loop.listen({
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
        world.loop.connect({ host, port, handlers: {} });
        until(world, () => accepted === 1, 'a server has taken the port over');
        until(world, () => world.openDescriptors() === 0, 'everything is closed');
      } finally {
        world.close();
      }
    },
  }),
);
