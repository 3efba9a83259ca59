import assert from 'node:assert/strict';
import { Interest } from 'sockloop';
import type { Connection, ConnectionSettings } from '#src/net/stream/connection.js';
import type { Case } from '../case.ts';
import {
  connectedPair,
  type Environment,
  type EnvironmentOptions,
  pattern,
  portOf,
  until,
} from '../environment.ts';

// Handlers that fail, at once or later: who hears of it, and that nobody else is disturbed.

const NAMES = ['open', 'data', 'drain', 'end', 'close'] as const;
type Name = (typeof NAMES)[number];
type Handler = (connection: Connection, environment: Environment) => unknown;

const boom = new Error('boom');

function fails(): never {
  throw boom;
}

/** The ways in which a handler fails, each with `boom`. */
const WAYS: Readonly<Record<string, Handler>> = {
  'it throws': fails,
  'it closes its connection and throws': (connection) => {
    connection.close();
    fails();
  },
  'it rejects': async () => fails(),
  'it rejects behind two awaits': async () => {
    await null;
    await null;
    fails();
  },
  'it rejects behind a timer': async (_, { loop }) => {
    await new Promise<void>((resolve) => void loop.setTimer(3, resolve));
    fails();
  },
  'it resets its connection and rejects later': async (connection) => {
    connection.reset();
    await null;
    fails();
  },
  'it returns a thenable that rejects twice': () => {
    const thenable = {
      // biome-ignore lint/suspicious/noThenProperty: that is what is tested.
      then: (_: unknown, reject: (error: Error) => void) => {
        reject(boom);
        reject(boom);
        fails();
      },
    };
    return thenable;
  },
};

/** As {@link until}; promise jobs run behind each turn. */
async function untilAsync(
  environment: Environment,
  done: () => boolean,
  what: string,
): Promise<void> {
  for (let turns = 0; turns < environment.turnsMax; turns++) {
    for (let jobs = 0; jobs < 8; jobs++) await null;
    if (done()) return;
    environment.turn();
  }
  throw new Error(`waited in vain until ${what}`);
}

/** A case with promises, in an environment. */
function inAsync(
  body: (environment: Environment) => Promise<void>,
  options: EnvironmentOptions = {},
): Case['run'] {
  return async (open) => {
    const environment = open(options);
    try {
      await body(environment);
    } finally {
      environment.close();
    }
  };
}

/** What became of the first client of {@link serve}, whose handler fails, and of the second. */
interface Served {
  readonly events: string[];
  first: Connection | null;
  echoed: string;
  close(): void;
}

/** A server, one of whose handlers is `handler` for the first of two clients. */
function serve(
  environment: Environment,
  failing: Name,
  handler: Handler,
  settings: Partial<ConnectionSettings>,
): Served {
  const { loop } = environment;
  const served: Served = { events: [], first: null, echoed: '', close: () => listener.close() };
  const called = (name: Name, connection: Connection, otherwise?: () => unknown): unknown => {
    if (served.first === null) loop.defer(connectOther);
    served.first ??= connection;
    const isFirst = connection === served.first;
    if (isFirst) served.events.push(name);
    if (isFirst && name === failing) return handler(connection, environment);
    return otherwise?.();
  };
  const answer = pattern(environment.turnsMax > 100_000 ? 600_000 : 8 * 1024 * 1024);
  const listener = loop.listen({
    host: '127.0.0.1',
    port: 0,
    ...settings,
    handlers: {
      open: (connection) =>
        called('open', connection, () => {
          if (failing === 'drain' && connection === served.first) connection.write(answer);
        }),
      data: (connection, chunk) => called('data', connection, () => connection.write(chunk)),
      drain: (connection) => called('drain', connection),
      end: (connection) => called('end', connection, () => connection.end()),
      close: (connection) => called('close', connection),
    },
  });
  const to = { host: '127.0.0.1', port: portOf(listener) };
  const ends = failing === 'end' || failing === 'close';
  loop.connect({
    ...to,
    handlers: { open: (client) => (ends ? client.end('x') : client.write('x')) },
    // The server may reset it before this end knows that it is connected.
    onError: () => undefined,
  });
  const connectOther = (): void => {
    loop.connect({
      ...to,
      handlers: {
        open: (client) => client.write('ok'),
        data: (client, chunk) => {
          served.echoed += Buffer.from(chunk).toString();
          if (served.echoed === 'ok') client.end();
        },
        close: () => listener.close(),
      },
    });
  };
  return served;
}

type Heard = [error: unknown, connection: unknown][];

/** A handler fails in every way, and `onHandlerError` of its listener hears of it. */
const heardByListener = (failing: Name): Case => ({
  name: `an error of ${failing}() closes its connection; onHandlerError hears, others go on`,
  laws: [],
  run: inAsync(
    async (environment) => {
      for (const [way, handler] of Object.entries(WAYS)) {
        const heard: Heard = [];
        const served = serve(environment, failing, handler, {
          onHandlerError: (...call) => heard.push(call),
        });
        const isOver = (): boolean => heard.length > 0 && served.events.at(-1) === 'close';
        await untilAsync(environment, isOver, way);
        await untilAsync(environment, () => served.echoed === 'ok', `the other is served: ${way}`);
        served.close();
        await untilAsync(environment, () => environment.openDescriptors() === 0, 'all is closed');
        assert.deepEqual(heard, [[boom, served.first]], way);
        assert.equal(served.first?.isOpen, false);
        assert.deepEqual(
          served.events.filter((event) => event === 'close' || event === failing),
          failing === 'close' ? ['close'] : [failing, 'close'],
          way,
        );
      }
    },
    { onHandlerError: () => assert.fail('the listener has a handler of its own') },
  ),
});

/** A case with a loop whose `onHandlerError` keeps what it hears. */
function keepingCase(
  name: string,
  body: (environment: Environment, heard: Heard) => Promise<void>,
): Case {
  return {
    name,
    laws: [],
    run: (open) => {
      const heard: Heard = [];
      const onHandlerError = (...call: Heard[number]): void => void heard.push(call);
      return inAsync((environment) => body(environment, heard), { onHandlerError })(open);
    },
  };
}

const heardByLoop: readonly Case[] = [
  keepingCase('onHandlerError of the loop hears of handlers without one', async (...given) => {
    const [environment, heard] = given;
    for (const failing of NAMES) {
      for (const way of ['it throws', 'it rejects']) {
        heard.length = 0;
        const served = serve(environment, failing, WAYS[way] ?? fails, {});
        await untilAsync(environment, () => heard.length > 0, way);
        await untilAsync(environment, () => served.echoed === 'ok', 'the other is served');
        served.close();
        await untilAsync(environment, () => environment.openDescriptors() === 0, 'all is closed');
        assert.deepEqual(heard, [[boom, served.first]], `${failing}: ${way}`);
      }
    }
  }),
  keepingCase('timers, tasks, watches and onError pass theirs on with null', async (...given) => {
    const [environment, heard] = given;
    const { loop } = environment;
    const gone = loop.listen({ host: '127.0.0.1', port: 0, handlers: {} });
    const to = { host: '127.0.0.1', port: portOf(gone) };
    gone.close();
    until(environment, () => environment.openDescriptors() === 0, 'nobody listens');
    const { sys } = loop;
    const pair = new Int32Array(2);
    assert.equal(
      sys.socketpair(sys.abi.constants.AF_UNIX, sys.abi.constants.SOCK_STREAM, 0, pair),
      0,
    );
    for (const fail of [fails, async () => fails()]) {
      heard.length = 0;
      loop.setTimer(1, fail);
      loop.defer(fail);
      loop.connect({ ...to, handlers: {}, onError: fail });
      const watch = loop.watch(pair[0] ?? -1, Interest.write, () => {
        watch.unwatch();
        return fail();
      });
      await untilAsync(environment, () => heard.length >= 4, 'all are heard');
      assert.deepEqual(heard, Array(4).fill([boom, null]));
    }
    heard.length = 0;
    loop.connect({ ...to, handlers: {} });
    await untilAsync(environment, () => heard.length > 0, 'the failed connect is heard');
    assert.match(String(heard[0]?.[0]), /cannot connect to .*ECONNREFUSED/);
    for (const fd of pair) sys.close(fd);
  }),
  keepingCase(
    'one handler among many that throws leaves the others their turn',
    async (...given) => {
      const [environment, heard] = given;
      const pairs = Array.from({ length: 12 }, (_, index) =>
        connectedPair(environment, {
          data: () => {
            if (index % 3 === 1) fails();
          },
        }),
      );
      for (const { client } of pairs) client.write('all at once');
      const come = (): boolean => pairs.every(({ serverLog }) => serverLog.received.length > 0);
      await untilAsync(environment, come, 'each has got its bytes');
      const failed = pairs.filter((_, index) => index % 3 === 1).map(({ server }) => server);
      assert.deepEqual(new Set(heard.map(([, connection]) => connection)), new Set(failed));
      assert.equal(heard.length, failed.length);
      for (const { client, server, listener } of pairs) {
        assert.equal(server.isOpen, !failed.includes(server));
        for (const end of [client, server, listener]) end.close();
      }
    },
  ),
  keepingCase('a promise that is never settled holds up nothing', async (...given) => {
    const [environment, heard] = given;
    for (const failing of NAMES) {
      const served = serve(environment, failing, () => new Promise<void>(() => undefined), {});
      await untilAsync(environment, () => served.events.includes(failing), 'it was called');
      await untilAsync(environment, () => served.echoed === 'ok', 'the other is served');
      assert.equal(served.first?.isOpen, failing !== 'close');
      served.first?.close();
      served.close();
      await untilAsync(environment, () => environment.openDescriptors() === 0, 'all is closed');
    }
    assert.deepEqual(heard, []);
  }),
];

/** Runs a server whose handler fails so, without anybody to hear of it but `run()`. */
async function ranWith(environment: Environment, failing: Name, handler: Handler): Promise<Served> {
  const served = serve(environment, failing, handler, {});
  await assert.rejects(environment.loop.run(), (error) => error === boom, failing);
  assert.equal(served.first?.isOpen, false);
  await environment.loop.run();
  assert.equal(served.events.at(-1), 'close');
  assert.equal(served.echoed, 'ok', 'nothing of the others was lost');
  return served;
}

export const handlerCases: readonly Case[] = [
  ...NAMES.map(heardByListener),
  ...heardByLoop,
  {
    name: 'an error that nobody hears of ends run(), thrown or rejected, and the next run goes on',
    laws: [1],
    run: inAsync(async (environment) => {
      for (const failing of NAMES) {
        for (const way of ['it throws', 'it rejects', 'it rejects behind two awaits']) {
          await ranWith(environment, failing, WAYS[way] ?? fails);
        }
      }
    }),
  },
  {
    name: 'an error of onHandlerError itself ends run(), at once or behind an await',
    laws: [1],
    run: (open) => {
      const onHandlerError = (): never => fails();
      const others: Handler[] = [
        () => {
          throw new Error('of the handler');
        },
        async () => {
          await null;
          throw new Error('of the handler');
        },
      ];
      return inAsync(
        async (environment) => {
          for (const handler of others) await ranWith(environment, 'data', handler);
        },
        { onHandlerError },
      )(open);
    },
  },
  {
    name: 'rejections of several handlers between two turns all come out of run()',
    laws: [],
    run: inAsync(async (environment) => {
      const pair = connectedPair(environment, {
        data: async () => fails(),
        close: () => Promise.reject(new Error('at the close')),
      });
      pair.client.write('x');
      const errors: unknown[] = [];
      for (let runs = 0; runs < 3 && errors.length < 2; runs++) {
        await environment.loop.run().catch((error: unknown) => {
          if (error instanceof AggregateError) errors.push(...error.errors);
          else errors.push(error);
        });
        pair.listener.close();
        pair.client.close();
      }
      assert.deepEqual(errors.map(String), ['Error: boom', 'Error: at the close']);
    }),
  },
];
