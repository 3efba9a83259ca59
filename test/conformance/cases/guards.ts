import assert from 'node:assert/strict';
import type { Guards } from '#src/net/guards/guards.js';
import { RefusalError, type RefusalKind } from '#src/net/guards/refusals.js';
import type { Connection, ConnectionHandlers } from '#src/net/stream/connection.js';
import type { Listener } from '#src/net/stream/listener.js';
import { type Case, inEnvironment } from '../case.ts';
import {
  type Environment,
  type LoopTarget,
  pattern,
  portOf,
  turnOn,
  until,
} from '../environment.ts';

// Guards: what a listener refuses and gives up. A refused client sees a reset, or an end where the
// simulated kernel has no resets at that place.

/** A client, and what has become of it. */
interface Client {
  connection: Connection | null;
  received: number;
  closed: boolean;
}

function connect(
  { loop }: Environment,
  listener: Listener,
  handlers: ConnectionHandlers = {},
): Client {
  const client: Client = { connection: null, received: 0, closed: false };
  loop.connect({
    host: '127.0.0.1',
    port: portOf(listener),
    handlers: {
      ...handlers,
      open: (connection) => {
        client.connection = connection;
        handlers.open?.(connection);
      },
      data: (connection, chunk) => {
        client.received += chunk.length;
        handlers.data?.(connection, chunk);
      },
      close: () => {
        client.closed = true;
      },
    },
    // A reset may come before the client knows that it is connected.
    onError: () => {
      client.closed = true;
    },
  });
  return client;
}

interface Served {
  readonly listener: Listener;
  readonly opened: Connection[];
  readonly kinds: (RefusalKind | null)[];
  readonly refused: RefusalError[];
}

function serve(
  environment: Environment,
  guards: Guards,
  handlers: ConnectionHandlers = {},
): Served {
  const opened: Connection[] = [];
  const kinds: (RefusalKind | null)[] = [];
  const refused: RefusalError[] = [];
  const listener = environment.loop.listen({
    host: '127.0.0.1',
    port: 0,
    guards: { ...guards, onRefused: (error) => refused.push(error) },
    handlers: {
      ...handlers,
      open: (connection) => {
        opened.push(connection);
        handlers.open?.(connection);
      },
      close: (_, error) => kinds.push(error instanceof RefusalError ? error.kind : null),
    },
  });
  return { listener, opened, kinds, refused };
}

function finish(environment: Environment, { listener, opened }: Served, clients: Client[]): void {
  listener.close();
  for (const { connection } of clients) connection?.close();
  for (const connection of opened) connection.close();
  until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
}

function pass(environment: Environment, durationMs: number): void {
  let passed = false;
  environment.loop.setTimer(durationMs, () => {
    passed = true;
  });
  until(environment, () => passed, `${durationMs} ms have passed`);
}

/** The refusals of one kind, of which there are no others. */
function only(listener: Listener, kind: RefusalKind, count: number): void {
  const { refused } = listener.stats;
  const seen = Object.entries(refused).filter(([, one]) => one > 0);
  assert.deepEqual(seen, count === 0 ? [] : [[kind, count]]);
}

function refusedAtOnce(name: string, guards: Guards, kind: RefusalKind, code: string): Case {
  return {
    name,
    laws: [],
    run: inEnvironment((environment) => {
      const served = serve(environment, guards);
      const client = connect(environment, served.listener);
      until(environment, () => client.closed, 'the client is turned away');
      assert.equal(served.opened.length, 0);
      assert.equal(served.listener.stats.accepted, 0);
      only(served.listener, kind, 1);
      assert.equal(served.refused[0]?.code, code);
      assert.match(served.refused[0]?.message ?? '', /^cannot accept the connection with 127/);
      finish(environment, served, [client]);
    }),
  };
}

/** Clients that send their first byte after so many milliseconds each; null for never. */
function firstBytes(environment: Environment, firstByteMs: number, delaysMs: number[]): number[] {
  const kept: number[] = [];
  const served = serve(
    environment,
    { firstByteMs },
    { data: (_, chunk) => kept.push(Number(Buffer.from(chunk).toString())) },
  );
  const clients = delaysMs.map((delayMs) =>
    connect(environment, served.listener, {
      open: (connection) => {
        environment.loop.setTimer(delayMs, () => connection.write(Buffer.from(String(delayMs))));
      },
    }),
  );
  const over = (): boolean => kept.length + served.kinds.length === delaysMs.length;
  until(environment, over, 'each has sent a byte, or was closed');
  only(served.listener, 'firstByte', served.kinds.length);
  turnOn(environment, 20);
  finish(environment, served, clients);
  return kept.sort((one, other) => one - other);
}

/** Why a case that counts milliseconds runs on simulated kernels only. */
function simulatedOnly({ simulated }: LoopTarget, instead: string): string | null {
  return simulated ? null : `a real clock goes on while others are busy; ${instead}`;
}

export const guardCases: readonly Case[] = [
  refusedAtOnce('guards: a denied address', { deny: ['127.0.0.0/8'] }, 'denied', 'EACCES'),
  refusedAtOnce(
    'guards: an address that is not allowed',
    { allow: ['::/0'] },
    'notAllowed',
    'EACCES',
  ),
  {
    name: 'guards: the connections of one address; the next comes in when one has gone',
    laws: [],
    run: inEnvironment((environment) => {
      const served = serve(environment, { connectionsPerAddressMax: 2 });
      const { opened, listener } = served;
      const clients = [1, 2].map(() => connect(environment, listener));
      until(environment, () => opened.length === 2, 'two are open');
      const third = connect(environment, listener);
      until(environment, () => third.closed, 'the third is turned away');
      only(listener, 'perAddress', 1);
      clients[0]?.connection?.close();
      until(environment, () => served.kinds.length === 1, 'the first has gone');
      const fourth = connect(environment, listener);
      until(environment, () => opened.length === 3, 'the fourth is open');
      only(listener, 'perAddress', 1);
      finish(environment, served, [...clients, third, fourth]);
    }),
  },
  {
    name: 'guards: connectionsMax turns away, where maxConnections lets wait',
    laws: [],
    run: inEnvironment((environment) => {
      const served = serve(environment, { connectionsMax: 1 });
      const first = connect(environment, served.listener);
      until(environment, () => served.opened.length === 1, 'the first is open');
      const second = connect(environment, served.listener);
      until(environment, () => second.closed, 'the second is turned away');
      only(served.listener, 'connections', 1);
      assert.equal(served.refused[0]?.code, 'EUSERS');
      finish(environment, served, [first, second]);
    }),
  },
  {
    name: 'guards: of a burst so many are accepted, and more after a while',
    laws: [],
    run: inEnvironment((environment) => {
      const served = serve(environment, { acceptsPerSecondMax: 20, acceptsBurstMax: 3 });
      const { opened, listener } = served;
      const clients = Array.from({ length: 6 }, () => connect(environment, listener));
      const told = (): number => opened.length + listener.stats.refused.acceptRate;
      until(environment, () => told() === 6, 'all are accepted or refused');
      assert.ok(opened.length >= 3 && opened.length < 6, `${opened.length} of 6`);
      const before = opened.length;
      pass(environment, 60);
      clients.push(connect(environment, listener));
      until(environment, () => opened.length === before + 1, 'one more is accepted');
      finish(environment, served, clients);
    }),
  },
  {
    name: 'guards: no first byte in time closes, one in time does not',
    laws: [],
    run: inEnvironment((environment) => {
      assert.deepEqual(firstBytes(environment, 400, [1, 100_000]), [1]);
    }),
  },
  {
    name: 'guards: a first byte one millisecond before the deadline, and one after',
    laws: [],
    skip: (target) => simulatedOnly(target, 'coarser times are a case'),
    run: inEnvironment((environment) => {
      assert.deepEqual(firstBytes(environment, 1000, [998, 999, 1001, 1002]), [998, 999]);
    }),
  },
  {
    name: 'guards: a lifetime ends, whatever the client does',
    laws: [],
    run: inEnvironment((environment) => {
      const served = serve(
        environment,
        { lifetimeMs: 100 },
        { data: (connection, chunk) => connection.write(chunk) },
      );
      const startMs = environment.nowMs();
      const client = connect(environment, served.listener, {
        open: (connection) => connection.write(pattern(100)),
        // Now and then: a message in each turn would use up the turns of the case.
        data: (connection) => {
          environment.loop.setTimer(5, () => {
            if (connection.isOpen) connection.write(pattern(100));
          });
        },
      });
      until(environment, () => client.closed && served.kinds.length === 1, 'it is closed');
      assert.deepEqual(served.kinds, ['lifetime']);
      assert.ok(environment.nowMs() - startMs >= 100);
      only(served.listener, 'lifetime', 1);
      finish(environment, served, [client]);
    }),
  },
  {
    name: 'guards: a peer that takes nothing is reset, one that reads slowly is not',
    laws: [],
    run: inEnvironment((environment) => {
      const bytes = pattern(environment.turnsMax > 10_000 ? 400_000 : 16_000_000);
      const served = serve(
        environment,
        { writeStallMs: 400 },
        { open: (connection) => connection.write(bytes) },
      );
      // Both stop reading; one takes a little every 20 ms.
      const stuck = connect(environment, served.listener, { open: (one) => one.pause() });
      let chunks = 0;
      const slow = connect(environment, served.listener, {
        data: (one) => {
          chunks += 1;
          if (chunks % 16 === 0) one.pause();
        },
      });
      const tick = (): void => {
        if (stuck.closed) return;
        slow.connection?.resume();
        environment.loop.setTimer(20, tick);
      };
      tick();
      until(environment, () => served.kinds.length > 0, 'one is given up');
      assert.deepEqual(served.kinds, ['writeStall']);
      only(served.listener, 'writeStall', 1);
      assert.equal(served.opened.filter(({ isOpen }) => isOpen).length, 1);
      stuck.connection?.resume();
      until(environment, () => stuck.closed, 'it was reset');
      assert.ok(stuck.received < bytes.length);
      finish(environment, served, [stuck, slow]);
    }),
  },
  {
    name: 'guards: a stall is seen when its time is over, and at most a quarter later',
    laws: [],
    skip: (target) => simulatedOnly(target, 'coarser times are a case'),
    run: inEnvironment((environment) => {
      const served = serve(
        environment,
        { writeStallMs: 1000 },
        { data: (connection) => connection.write(pattern(400_000)) },
      );
      const client = connect(environment, served.listener, {
        open: (connection) => {
          connection.pause();
          connection.write(Buffer.from('x'));
        },
      });
      let sent = 0;
      let takenMs = 0;
      const isOver = (): boolean => {
        const [connection] = served.opened;
        if (connection?.isOpen && connection.bytesSent !== sent) {
          sent = connection.bytesSent;
          takenMs = environment.nowMs();
        }
        return served.kinds.length > 0;
      };
      until(environment, isOver, 'it is given up');
      assert.deepEqual(served.kinds, ['writeStall']);
      // A turn takes up to 5 ms.
      const stallMs = environment.nowMs() - takenMs;
      assert.ok(sent > 0 && stallMs >= 1000 - 5 && stallMs <= 1250 + 10, `after ${stallMs} ms`);
      finish(environment, served, [client]);
    }),
  },
  ...(['shedNewest', 'closeSlowest'] as const).map(
    (whenQueueFull): Case => ({
      name: `guards: too much queued in all, and ${whenQueueFull}`,
      laws: [12],
      run: inEnvironment((environment) => {
        const bytes = pattern(environment.turnsMax > 10_000 ? 300_000 : 12_000_000);
        const served = serve(
          environment,
          { queuedBytesMax: bytes.length + 100_000, whenQueueFull },
          { data: (connection) => connection.write(bytes) },
        );
        const clients: Client[] = [];
        const join = (): void => {
          const client = connect(environment, served.listener, { open: (one) => one.pause() });
          clients.push(client);
          const isOpen = (): boolean => {
            return served.opened.length === clients.length && client.connection !== null;
          };
          until(environment, isOpen, 'it is open');
        };
        join();
        clients[0]?.connection?.write(Buffer.from('x'));
        until(environment, () => (served.opened[0]?.queuedBytes ?? 0) > 0, 'its queue has begun');
        pass(environment, 600);
        join();
        clients[1]?.connection?.write(Buffer.from('x'));
        until(environment, () => served.kinds.length === 1, 'one had to go');
        assert.deepEqual(served.kinds, ['queuedBytes']);
        only(served.listener, 'queuedBytes', 1);
        const [first, second] = served.opened.map(({ isOpen }) => isOpen);
        assert.equal(first, whenQueueFull === 'shedNewest');
        assert.equal(second, whenQueueFull === 'closeSlowest');
        finish(environment, served, clients);
      }),
    }),
  ),
  {
    name: 'guards: too much queued in all, and wait: nothing more is read until it was taken',
    laws: [5, 12],
    run: inEnvironment((environment) => {
      const bytes = pattern(environment.turnsMax > 10_000 ? 300_000 : 12_000_000);
      let asked = 0;
      const served = serve(
        environment,
        { queuedBytesMax: 1000 },
        {
          data: (connection, chunk) => {
            asked += chunk.length;
            connection.write(bytes);
          },
        },
      );
      const client = connect(environment, served.listener, {
        open: (connection) => {
          connection.pause();
          connection.write(Buffer.from('x'));
        },
      });
      until(environment, () => asked === 1, 'the first byte has come');
      turnOn(environment, 20);
      client.connection?.write(Buffer.from('y'));
      turnOn(environment, 20);
      assert.equal(asked, 1, 'the second byte waits');
      client.connection?.resume();
      until(environment, () => client.received === 2 * bytes.length, 'both answers are there');
      assert.equal(asked, 2);
      only(served.listener, 'queuedBytes', 0);
      finish(environment, served, [client]);
    }),
  },
];
