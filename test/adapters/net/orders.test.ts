// Goal: whatever order the calls of both sides come in, a socket of sockloop/net does as one of
// node:net.
// Method: all orders of up to three calls on one side, and a reset of the peer in each state; each
// on both, and what was recorded is the same.

import type { Socket } from 'node:net';
import { closed, compared, type Pair, until } from './differential.ts';
import { inWords, type Recorder } from './recorder.ts';

type Call = 'write' | 'end' | 'end with data' | 'destroy' | 'destroy with error' | 'reset';

const CALLS: readonly Call[] = [
  ...(['write', 'end', 'end with data', 'destroy', 'destroy with error', 'reset'] as const),
];
/** One after the other, so many pairs at a time. */
const AT_ONCE = 12;

function call(socket: Socket, what: Call, told: (words: string) => void): void {
  const done = (error?: Error | null): void => told(`${what}: ${inWords(error ?? null)}`);
  if (what === 'write') told(`wrote: ${socket.write('hello', done)}`);
  else if (what === 'end') socket.end(done);
  else if (what === 'end with data') socket.end('goodbye', done);
  else if (what === 'destroy') socket.destroy();
  else if (what === 'destroy with error') socket.destroy(new Error('no more'));
  else socket.resetAndDestroy();
}

function orders(length: number): Call[][] {
  if (length === 0) return [[]];
  return orders(length - 1).flatMap((order) => CALLS.map((next) => [...order, next]));
}

/** On node:net a reset after the end leaves the socket open for ever. */
function isStuck(calls: readonly Call[]): boolean {
  const [first = 'write', ...rest] = calls.filter((what) => what !== 'write');
  const next = rest.find((what) => !what.startsWith('end'));
  return first.startsWith('end') && next === 'reset';
}

/** What its own side tells is compared; when the peer's bytes come beside it is chance. */
function watch(recorder: Recorder, name: string, { client, server }: Pair): void {
  recorder.watch(name, client);
  for (const socket of [client, server]) socket.on('error', () => undefined).resume();
}

async function tried(
  recorder: Recorder,
  name: string,
  calls: readonly Call[],
  whole: Pair,
): Promise<void> {
  const { client, server } = whole;
  watch(recorder, name, whole);
  // Half-open, so that nothing but the calls ends anything.
  const over = closed(client, server);
  for (const what of calls) call(client, what, (words) => recorder.note(`${name} calls`, words));
  recorder.note(name, `${client.destroyed} ${client.readyState} ${client.writableEnded}`);
  server.on('end', () => server.end());
  if (!calls.some((what) => what !== 'write')) client.end();
  await over;
  recorder.note(name, `${client.readyState} ${client.bytesWritten} ${client.errored?.message}`);
}

for (const length of [1, 2, 3]) {
  compared(`all orders of ${length} calls`, async ({ pair, recorder }) => {
    const all = orders(length).filter((calls) => !isStuck(calls));
    for (let at = 0; at < all.length; at += AT_ONCE) {
      await Promise.all(
        all.slice(at, at + AT_ONCE).map(async (calls) => {
          await tried(recorder, calls.join(', '), calls, await pair({ allowHalfOpen: true }));
        }),
      );
    }
    recorder.forgetPairs();
  });
}

/** The states that a peer may reset in, and how they are come to. */
const STATES: Record<string, (whole: Pair) => Promise<void> | void> = {
  'when it is open': () => undefined,
  'when it is paused': ({ client }) => void client.pause(),
  'with bytes that are not read': async ({ client, server }) => {
    client.pause();
    server.write('unread');
    await until(() => client.bytesRead > 0, 'they have come');
  },
  'when this side has ended': async ({ client, server }) => {
    client.end();
    await new Promise((resolve) => server.once('end', resolve));
  },
  'with bytes that are not sent': async ({ client, server }) => {
    server.pause();
    client.write(Buffer.alloc(20 * 1024 * 1024));
    await until(() => server.bytesRead > 0, 'something is received');
  },
  'with corked bytes': ({ client }) => {
    client.cork();
    client.write('corked');
  },
};

for (const allowHalfOpen of [true, false]) {
  compared(`a reset in each state, half-open: ${allowHalfOpen}`, async ({ pair, recorder }) => {
    for (const [state, come] of Object.entries(STATES)) {
      // The peer ends its own side then, and has nothing left to reset.
      if (!allowHalfOpen && state === 'when this side has ended') continue;
      const whole = await pair({ allowHalfOpen });
      watch(recorder, state, whole);
      await come(whole);
      const over = closed(whole.client, whole.server);
      whole.server.resetAndDestroy();
      // A paused one hears of it when it reads, as on node:net, or writes.
      await until(() => whole.server.closed, 'the peer is closed');
      whole.client.resume();
      await over;
      const { client } = whole;
      recorder.note(state, `${client.readyState} ${client.bytesRead} ${client.errored?.message}`);
    }
    recorder.forgetPairs();
  });
}

compared('half-open on both sides, each ended late', async ({ pair, recorder }) => {
  for (const first of ['client', 'server'] as const) {
    const whole = await pair({ allowHalfOpen: true });
    const [one, other] =
      first === 'client' ? [whole.client, whole.server] : [whole.server, whole.client];
    recorder.watch(`${first} one`, one);
    recorder.watch(`${first} other`, other);
    const over = closed(one, other);
    let answers = 0;
    one.on('data', (chunk) => {
      answers += chunk.length;
    });
    other.resume();
    one.end('question');
    await new Promise((resolve) => other.once('end', resolve));
    for (let round = 1; round <= 10; round++) {
      other.write('answer');
      await until(() => answers === round * 6, 'an answer has come');
    }
    recorder.note(first, `${one.readyState} ${other.readyState}`);
    other.end();
    await over;
  }
});
