// Goal: no error of a handler is swallowed, also where no run is left to throw it.
// Method: processes in which a handler rejects after the end; wrong values at the call.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EventLoop } from 'sockloop';
import { leakCheck } from '#test/harness/leaks.js';

const child = fileURLToPath(new URL('./handler-errors/late-child.js', import.meta.url));

for (const what of ['ended', 'closed']) {
  test(`handler errors: a rejection after the run of a loop that is ${what} goes to Node`, (t) => {
    leakCheck(t);
    const out = execFileSync(process.execPath, [child, what], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.deepEqual(out.trim().split('\n'), ['ran', 'uncaughtException: too late for a run']);
  });
}

test('handler errors: onHandlerError is a function, of the loop, of listen and of connect', (t) => {
  leakCheck(t);
  using loop = new EventLoop();
  const to = { host: '127.0.0.1', port: 0, handlers: {} };
  for (const [value, shown] of [
    [null, 'null'],
    ['log', 'the string "log"'],
    [{}, 'an object'],
  ] as const) {
    const onHandlerError = value as unknown as () => void;
    const wrong = {
      name: 'TypeError',
      message: `onHandlerError is a function, not ${shown}`,
    };
    assert.throws(() => new EventLoop({ onHandlerError }), wrong);
    assert.throws(() => loop.listen({ ...to, onHandlerError }), wrong);
    assert.throws(() => loop.connect({ ...to, port: 1, onHandlerError }), wrong);
  }
  assert.equal(loop.alive, false);
});

test('handler errors: onHandlerError is called as a method of its options', async (t) => {
  leakCheck(t);
  class Options {
    readonly heard: string[] = [];
    onHandlerError(error: unknown): void {
      this.heard.push((error as Error).message);
    }
  }
  const ofLoop = new Options();
  using loop = new EventLoop(ofLoop);
  loop.defer(() => {
    throw new Error('of a task');
  });
  const ofListener = Object.assign(new Options(), {
    host: '127.0.0.1',
    port: 0,
    handlers: {
      open: () => {
        throw new Error('of open');
      },
      close: () => listener.close(),
    },
  });
  const listener = loop.listen(ofListener);
  assert.ok(listener.address.family === 'IPv4');
  loop.connect({ host: '127.0.0.1', port: listener.address.port, handlers: {} });
  await loop.run();
  assert.deepEqual([ofLoop.heard, ofListener.heard], [['of a task'], ['of open']]);
});
