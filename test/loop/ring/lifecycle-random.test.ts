// Goal: whatever is opened, closed, reset and ended at whatever moment, each ends once, no law is
// broken, and nothing is left open.
// Method: random steps (fast-check) on a loop over io_uring, most of them also from inside of
// handlers; an oracle between the loop and the backend; then with an unwilling kernel.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RingBackend } from '#src/loop/ring/backend.js';
import type { Connection } from '#src/net/stream/connection.js';
import type { Listener } from '#src/net/stream/listener.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { type Environment, pattern, portOf, until } from '#test/conformance/environment.js';
import { leakCheck } from '#test/harness/leaks.js';
import { RingOracle } from '#test/sim/loop/oracle.js';
import { WatchedBackend } from '#test/sim/loop/watched-backend.js';
import { environmentOf, unwilling, withoutRing } from './environment.ts';

const RUNS = 150;
const STEPS_MAX = 80;

const ACTIONS = ['write', 'flood', 'end', 'close', 'reset', 'pause', 'resume'] as const;
const EVENTS = ['open', 'data', 'drain', 'end', 'close'] as const;

type Event = (typeof EVENTS)[number];

const step = fc.record({
  what: fc.constantFrom('connect', 'cancel', 'listener', 'turn', 'turn', 'inside', 'task', 'act'),
  who: fc.nat({ max: 1000 }),
  action: fc.constantFrom(...ACTIONS),
  event: fc.constantFrom(...EVENTS),
  bytes: fc.integer({ min: 1, max: 70_000 }),
});

type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

const BYTES = pattern(600_000);

/** What is open on a loop, and what is to be done at the next event of a kind. */
class Play {
  readonly #environment: Environment;
  #listener: Listener | null = null;
  readonly #connections: Connection[] = [];
  readonly #ended = new Set<Connection>();
  readonly #plans = new Map<Event, Step>();
  #closes = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  step(one: Step): void {
    const { what, who, event } = one;
    if (what === 'turn') this.#environment.turn();
    else if (what === 'connect') this.#connect();
    else if (what === 'cancel') this.#connect().cancel();
    else if (what === 'inside') this.#plans.set(event, one);
    else if (what === 'task') this.#environment.loop.defer(() => this.#act(this.#pick(who), one));
    else if (what === 'act') this.#act(this.#pick(who), one);
    else this.#closeListener();
  }

  #connect() {
    const { loop } = this.#environment;
    const handlers = this.#handlers();
    this.#listener ??= loop.listen({ host: '127.0.0.1', port: 0, handlers });
    const to = { host: '127.0.0.1', port: portOf(this.#listener) };
    // The listener may close before it has come to that.
    return loop.connect({ ...to, handlers, onError: () => undefined });
  }

  #closeListener(): void {
    this.#listener?.close();
    this.#listener = null;
  }

  #handlers() {
    return {
      open: (connection: Connection) => {
        this.#connections.push(connection);
        this.#heard('open', connection);
      },
      data: (connection: Connection) => this.#heard('data', connection),
      drain: (connection: Connection) => this.#heard('drain', connection),
      end: (connection: Connection) => this.#heard('end', connection),
      close: (connection: Connection) => {
        this.#closes += 1;
        this.#heard('close', connection);
      },
    };
  }

  #heard(event: Event, connection: Connection): void {
    const plan = this.#plans.get(event);
    if (plan === undefined) return;
    this.#plans.delete(event);
    // To this connection, or to one that may have an event of its own in this turn.
    this.#act(plan.who % 2 === 0 ? connection : this.#pick(plan.who), plan);
  }

  #pick(who: number): Connection | undefined {
    return this.#connections[who % Math.max(this.#connections.length, 1)];
  }

  #act(connection: Connection | undefined, { action, bytes }: Step): void {
    if (connection === undefined) return;
    const ended = this.#ended.has(connection);
    if (action === 'end') this.#ended.add(connection);
    if (action === 'end') connection.end(BYTES.subarray(0, bytes % 100));
    else if (action === 'write' && !ended) connection.write(BYTES, 0, bytes);
    else if (action === 'flood' && !ended) connection.write(BYTES);
    else if (action !== 'write' && action !== 'flood') connection[action]();
  }

  /** Closes all that is open, and waits until that has happened. */
  finish(): void {
    this.#plans.clear();
    this.#closeListener();
    const over = (): boolean => {
      for (const connection of this.#connections) connection.close();
      return this.#environment.openDescriptors() === 0;
    };
    until(this.#environment, over, 'everything is closed');
    assert.equal(this.#closes, this.#connections.length);
    assert.equal(this.#environment.backend.active, 0);
  }
}

/** With `inTheMiddle` the loop is closed with everything open, else all that is open before. */
function overRandomSteps(sys: Sys, seed: number, inTheMiddle: boolean): void {
  const property = fc.property(fc.array(step, { minLength: 10, maxLength: STEPS_MAX }), (steps) => {
    const oracle = new RingOracle();
    const backend = new WatchedBackend(new RingBackend(sys), sys, oracle);
    const environment = environmentOf(backend, sys);
    try {
      const play = new Play(environment);
      for (const one of steps) play.step(one);
      if (!inTheMiddle) play.finish();
    } finally {
      environment.close();
    }
    assert.equal(oracle.violation, null);
    assert.ok(environment.openDescriptors() <= 0, 'everything is closed');
  });
  fc.assert(property, { numRuns: RUNS, seed, endOnFailure: true });
}

const limits = { skip: withoutRing, timeout: 60_000 };

test('ring lifecycle: at random, and closed one by one', limits, (t) => {
  leakCheck(t);
  overRandomSteps(nativeSys(), 1, false);
});

test('ring lifecycle: at random, and the loop closed in the middle of it', limits, (t) => {
  leakCheck(t);
  overRandomSteps(nativeSys(), 2, true);
});

test('ring lifecycle: at random, with a kernel that takes submissions in parts', limits, (t) => {
  leakCheck(t);
  overRandomSteps(unwilling(nativeSys(), 3, new Map()), 3, false);
});
