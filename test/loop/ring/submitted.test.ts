// Goal: a ring is asked for one thing of a kind at a time, and lets go of all before it closes.
// Method: random connections over this kernel, and the trace of what was submitted and completed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '#src/base/random.js';
import { backends, createBackend } from '#src/loop/backends.js';
import { type Connection, EventLoop } from '#src/net/index.js';
import { nativeSys } from '#src/sys/native.js';
import { TracingSys } from '#src/sys/trace/tracing-sys.js';
import { portOf } from '#test/conformance/environment.js';
import { leakCheck } from '#test/harness/leaks.js';

const native = nativeSys();
const here = backends.find(({ name }) => name === 'io_uring')?.available(native);
const skip = here === true ? false : (here?.reason ?? 'there is no io_uring here');

/** What the kernel has, by `IORING_OP_RECV(7`: the trace names operation and descriptor. */
class InFlight {
  readonly operations = new Map<string, number>();
  /** Cancellations of what has not completed yet. */
  readonly #cancels = new Set<string>();
  readonly counts = new Map<string, number>();
  readonly #lines: string[] = [];

  readonly heard = (line: string): void => {
    this.#lines.push(line);
    if (this.#lines.length > 40) this.#lines.shift();
    const cancel = /^ +submitted IORING_OP_ASYNC_CANCEL\((IORING_OP_[A-Z_]+\(\d+)/.exec(line);
    const [, when, name, fd] =
      /^ +(submitted|completed) IORING_OP_([A-Z_]+)\((\d+)/.exec(line) ?? [];
    const closed = /^close\((\d+)\) = 0/.exec(line);
    if (cancel !== null) this.#cancelled(cancel[1] ?? '');
    else if (closed !== null) this.#closed(closed[1] ?? '');
    else if (name === undefined || line.includes('IOSQE_CQE_SKIP_SUCCESS')) return;
    else if (when === 'submitted') this.#submitted(`IORING_OP_${name}(${fd}`, name);
    else if (!line.includes('IORING_CQE_F_MORE')) this.#completed(`IORING_OP_${name}(${fd}`);
  };

  #submitted(key: string, name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    const before = this.operations.get(key) ?? 0;
    this.operations.set(key, before + 1);
    this.#ensure(before === 0, `${key}) was submitted twice`);
  }

  #completed(key: string): void {
    this.operations.delete(key);
    this.#cancels.delete(key);
  }

  #cancelled(key: string): void {
    this.counts.set('CANCEL', (this.counts.get('CANCEL') ?? 0) + 1);
    this.#ensure(!this.#cancels.has(key), `${key}) was cancelled twice`);
    this.#cancels.add(key);
  }

  #closed(fd: string): void {
    for (const key of this.operations.keys()) {
      this.#ensure(!key.endsWith(`(${fd}`), `${fd} was closed with ${key}) in flight`);
    }
  }

  #ensure(holds: boolean, what: string): void {
    assert.ok(holds, `${what}:\n${this.#lines.join('\n')}`);
  }
}

/** A server that echoes, clients that come and go, all on one ring. */
class Game {
  readonly inFlight = new InFlight();
  readonly loop: EventLoop;
  readonly #random: Random;
  readonly #clients = new Set<Connection>();
  readonly #servers = new Set<Connection>();
  readonly #ended = new Set<Connection>();
  readonly #port: number;

  constructor(seed: number) {
    const sys = new TracingSys(native, this.inFlight.heard);
    this.#random = new Random(seed, 'ring');
    this.loop = new EventLoop({ backend: createBackend('io_uring', sys), sys });
    const listener = this.loop.listen({
      host: '127.0.0.1',
      port: 0,
      handlers: {
        open: (connection) => void this.#servers.add(connection),
        data: (connection, chunk) => {
          if (!this.#ended.has(connection)) connection.write(chunk);
        },
        close: (connection) => void this.#servers.delete(connection),
      },
    });
    this.#port = portOf(listener);
  }

  get connections(): number {
    return this.#clients.size;
  }

  pauseServers(): void {
    for (const server of this.#servers) server.pause();
  }

  writeOnce(): void {
    for (const client of [...this.#clients].slice(0, 1)) client.write(Buffer.from('x'));
  }

  connect(): void {
    this.loop.connect({
      host: '127.0.0.1',
      port: this.#port,
      handlers: {
        open: (connection) => void this.#clients.add(connection),
        close: (connection) => void this.#clients.delete(connection),
      },
    });
  }

  #end(connection: Connection): void {
    this.#ended.add(connection);
    connection.end();
  }

  step(): void {
    const all = [...this.#clients, ...this.#servers];
    const one = all[this.#random.below(all.length)];
    if (one === undefined) {
      this.connect();
      return;
    }
    const what = this.#random.below(13);
    if (what < 4 && !this.#ended.has(one)) one.write(Buffer.alloc(1 + this.#random.below(40_000)));
    else if (what < 6) one.pause();
    else if (what < 9) one.resume();
    else if (what === 9) this.#end(one);
    else if (what === 10) one.close();
    else if (what === 11) one.reset();
    else this.connect();
  }
}

test('ring: one operation of a kind, cancelled once, and none when it closes', { skip }, (t) => {
  leakCheck(t);
  for (const seed of [1, 2, 3]) {
    const game = new Game(seed);
    for (let step = 0; step < 400; step += 1) {
      game.step();
      if (step % 2 === 0) game.loop.turn(0);
    }
    game.loop.close();
    assert.ok((game.inFlight.counts.get('CANCEL') ?? 0) > 0, 'nothing was cancelled');
  }
});

test('ring: quiet connections take one accept, and one receive each', { skip }, (t) => {
  leakCheck(t);
  const game = new Game(1);
  for (let one = 0; one < 20; one += 1) game.connect();
  for (let turn = 0; turn < 500 && game.connections < 20; turn += 1) game.loop.turn(5);
  for (let turn = 0; turn < 5; turn += 1) game.loop.turn(1);
  const { counts } = game.inFlight;
  assert.deepEqual(
    ['ACCEPT', 'CONNECT', 'RECV', 'CANCEL'].map((name) => counts.get(name) ?? 0),
    [1, 20, 40, 0],
  );
  // A pause cancels nothing until something comes that it has to hold.
  game.pauseServers();
  for (let turn = 0; turn < 3; turn += 1) game.loop.turn(1);
  assert.equal(counts.get('CANCEL') ?? 0, 0);
  game.writeOnce();
  for (let turn = 0; turn < 500 && counts.get('CANCEL') === undefined; turn += 1) game.loop.turn(1);
  for (let turn = 0; turn < 3; turn += 1) game.loop.turn(1);
  assert.deepEqual([counts.get('CANCEL'), counts.get('RECV')], [1, 40]);
  game.loop.close();
});
