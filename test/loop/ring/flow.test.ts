// Goal: whatever two ends do to each other over io_uring, every byte arrives once and in order.
// Method: random writes, pauses, resumes and ends (fast-check) on several connections of one loop,
// beside a model that counts bytes; an oracle hears of broken laws; then with a kernel that takes
// submissions unwillingly.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RingBackend } from '#src/loop/ring/backend.js';
import type { Connection } from '#src/net/stream/connection.js';
import { openRing } from '#src/ring/open-ring.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { connectedPair, type Environment, pattern, until } from '#test/conformance/environment.js';
import { leakCheck } from '#test/harness/leaks.js';
import { RingOracle } from '#test/sim/loop/oracle.js';
import { WatchedBackend } from '#test/sim/loop/watched-backend.js';
import { environmentOf, limitless, unwilling, withoutRing } from './environment.ts';

/** Both runs together stay below 10 s on a slow machine. */
const RUNS = 150;
const STEPS_MAX = 60;
const CONNECTIONS = 3;

/** What each direction carries again and again: of a prime length, so that pieces differ. */
const TEXT = pattern(1_000_003);
/** The text and the beginning of it once more, so that any piece lies together. */
const SOURCE = Buffer.concat([TEXT, TEXT.subarray(0, 500_000)]);

const bytes = fc.oneof(
  fc.integer({ min: 1, max: 70 }),
  fc.integer({ min: 1, max: 20_000 }),
  fc.integer({ min: 16_383, max: 16_386 }),
  fc.integer({ min: 65_534, max: 65_540 }),
  fc.integer({ min: 1, max: 400_000 }),
);

const STEPS = ['write', 'pieces', 'inside', 'pause', 'resume', 'turn', 'turn', 'end'] as const;

const steps = fc.array(
  fc.record({
    what: fc.constantFrom(...STEPS),
    who: fc.nat({ max: 2 * CONNECTIONS - 1 }),
    bytes,
  }),
  { minLength: 1, maxLength: STEPS_MAX },
);

/** One end of a connection, with what the model knows of it. */
class End {
  peer: End = this;
  written = 0;
  received = 0;
  ended = false;
  error: string | null = null;
  closes = 0;
  peerEnds = 0;
  drainOwed = false;
  /** What the next chunk makes it write, before it looks away for a moment. */
  inside = 0;
  connection: Connection | null = null;

  get handlers() {
    return {
      data: (connection: Connection, chunk: Uint8Array) => this.#data(connection, chunk),
      end: () => {
        this.peerEnds += 1;
      },
      drain: () => {
        this.drainOwed = false;
      },
      close: (_: Connection, error: Error | null) => {
        this.closes += 1;
        this.error = error === null ? null : error.message;
      },
    };
  }

  #data(connection: Connection, chunk: Uint8Array): void {
    const at = this.received % TEXT.length;
    const expected = SOURCE.subarray(at, at + chunk.length);
    assert.ok(expected.equals(chunk), `other bytes than were sent, at ${this.received}`);
    this.received += chunk.length;
    assert.ok(this.received <= this.peer.written, 'more bytes than were sent');
    if (this.inside === 0) return;
    this.write(this.inside);
    this.inside = 0;
    connection.pause();
  }

  write(length: number): void {
    if (this.connection === null || this.ended) return;
    const at = this.written % TEXT.length;
    this.written += length;
    if (!this.connection.write(SOURCE, at, length)) this.drainOwed = true;
  }

  end(): void {
    this.ended = true;
    this.connection?.end();
  }
}

function play(
  environment: Environment,
  what: (typeof STEPS)[number],
  end: End,
  length: number,
): void {
  const { connection } = end;
  if (what === 'write') end.write(length);
  else if (what === 'inside') end.inside = length;
  else if (what === 'pause') connection?.pause();
  else if (what === 'resume') connection?.resume();
  else if (what === 'end') end.end();
  else if (what === 'turn') environment.turn();
  else for (const piece of [length, 1, 40]) end.write(piece);
}

/** Three connections, of which one has next to no room in its sockets. */
function connectedEnds(environment: Environment): End[] {
  const ends: End[] = [];
  for (let index = 0; index < CONNECTIONS; index++) {
    const [server, client] = [new End(), new End()];
    [server.peer, client.peer] = [client, server];
    const pair = connectedPair(environment, server.handlers, client.handlers);
    [server.connection, client.connection] = [pair.server, pair.client];
    pair.listener.close();
    if (index === 0) {
      for (const connection of [pair.server, pair.client]) {
        connection.setSockOpt('SO_SNDBUF', 4096);
        // Else what is left of a segment waits up to 40 ms for an acknowledgement.
        connection.setSockOpt('TCP_NODELAY', true);
      }
    }
    ends.push(server, client);
  }
  return ends;
}

/** Lets everybody go on to the end, and compares. */
function finish(environment: Environment, ends: readonly End[]): void {
  for (const end of ends) {
    end.inside = 0;
    end.connection?.resume();
    end.end();
  }
  const over = (): boolean => {
    for (const { connection, closes } of ends) if (closes === 0) connection?.resume();
    return ends.every(({ closes }) => closes > 0);
  };
  until(environment, over, 'all connections have ended');
  for (const end of ends) {
    assert.equal(end.error, null);
    assert.equal(end.received, end.peer.written, 'every byte');
    assert.equal(end.connection?.bytesSent, end.written);
    assert.deepEqual([end.peerEnds, end.closes], [1, 1]);
    assert.equal(end.drainOwed, false, 'whoever was told to wait was told to go on');
  }
  until(environment, () => environment.openDescriptors() === 0, 'all descriptors are closed');
}

function overRandomSteps(sys: Sys, seed: number, watched: boolean): void {
  const property = fc.property(steps, (all) => {
    const oracle = new RingOracle();
    const ring = new RingBackend(sys);
    const backend = watched ? new WatchedBackend(ring, sys, oracle) : ring;
    const environment = environmentOf(backend, sys);
    try {
      const ends = connectedEnds(environment);
      for (const step of all) {
        const end = ends[step.who];
        if (end === undefined) continue;
        play(environment, step.what, end, step.bytes);
        const { connection, peer, written } = end;
        if (connection?.isOpen !== true) continue;
        assert.ok(connection.queuedBytes <= written - peer.received, 'queued and received');
      }
      finish(environment, ends);
      assert.equal(oracle.violation, null);
    } finally {
      environment.close();
    }
  });
  fc.assert(property, { numRuns: RUNS, seed, endOnFailure: true });
}

const limits = { skip: withoutRing, timeout: 60_000 };

test('ring flow: every byte arrives once and in order', limits, (t) => {
  leakCheck(t);
  overRandomSteps(nativeSys(), 1, false);
});

test('ring flow: no law is broken on the way', limits, (t) => {
  leakCheck(t);
  overRandomSteps(nativeSys(), 2, true);
});

test('ring flow: a kernel that takes submissions late and in parts', limits, (t) => {
  leakCheck(t);
  const refusals = new Map<string, number>();
  overRandomSteps(unwilling(nativeSys(), 3, refusals), 3, false);
  for (const kind of ['EINTR', 'EAGAIN', 'EBUSY', 'part']) {
    assert.ok((refusals.get(kind) ?? 0) > 0, `${kind} has happened`);
  }
});

test('ring flow: a kernel that does not limit receives', limits, (t) => {
  leakCheck(t);
  const tried = { times: 0 };
  const sys = limitless(nativeSys(), tried);
  const ring = openRing(sys);
  assert.equal(ring.ring.submission.limitsReceives, false);
  ring.ring.close();
  overRandomSteps(sys, 4, false);
  assert.equal(tried.times, 1, 'it is asked once');
});
