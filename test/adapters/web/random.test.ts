// Goal: whatever a program and its peer do to a socket, in whatever order, every promise that was
// given out settles, every descriptor is closed, and what was read is a beginning of what was sent.
// Method: random orders of operations on a socket and on its peer, a socket of node:net, with an
// ending that leaves the socket no way to stay open; fast-check shrinks what fails.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket as NodeSocket, type Server } from 'node:net';
import { setImmediate as turnOfNode } from 'node:timers/promises';
import fc from 'fast-check';
import { connect, type Socket } from 'sockloop/web';
import { overLoops, pattern, portOf, until } from './stage.ts';

const RUNS = 60;
const SENT = pattern(40_000_000);

const OPERATIONS = [
  'write',
  'write much',
  'write nothing',
  'write nonsense',
  'close writable',
  'abort writable',
  'release writer',
  'read',
  'read into a view',
  'cancel readable',
  'release reader',
  'pipe to itself',
  'tee',
  'close',
  'dispose',
  'peer writes',
  'peer writes much',
  'peer reads',
  'peer stops reading',
  'peer ends',
  'peer resets',
  'a turn',
  'three turns',
] as const;

const ENDINGS = ['close', 'dispose', 'peer resets', 'both end', 'abort and cancel'] as const;

type Operation = (typeof OPERATIONS)[number];

/** A socket under test, its peer, and every promise that it has given out. */
class Subject {
  readonly #socket: Socket;
  readonly #peer: NodeSocket;
  readonly #promises: { name: string; isSettled: boolean }[] = [];
  #writer: WritableStreamDefaultWriter | null = null;
  #reader: ReadableStreamDefaultReader | ReadableStreamBYOBReader | null = null;
  readonly #branches: ReadableStream<Uint8Array>[] = [];
  readonly #received: Uint8Array[] = [];
  #isReading = false;
  #sentBytes = 0;
  #peerSentBytes = 0;
  readonly #peerReceived: Uint8Array[] = [];

  constructor(socket: Socket, peer: NodeSocket) {
    this.#socket = socket;
    this.#peer = peer;
    peer.on('error', () => undefined);
    peer.on('data', (chunk: Uint8Array) => this.#peerReceived.push(chunk));
    peer.pause();
    this.#keep('opened', socket.opened);
    this.#keep('closed', socket.closed);
  }

  #keep(name: string, promise: Promise<unknown>): void {
    const kept = { name, isSettled: false };
    this.#promises.push(kept);
    const settled = (): void => {
      kept.isSettled = true;
    };
    promise.then(settled, settled);
  }

  /** Calls `act`, which fails where the stream is locked or the reader is of another kind. */
  #try(name: string, act: () => Promise<unknown>): void {
    try {
      this.#keep(name, act());
    } catch (error) {
      assert.ok(error instanceof TypeError, String(error));
    }
  }

  #write(chunk: unknown, name: string): void {
    this.#try(name, () => {
      this.#writer ??= this.#socket.writable.getWriter();
      if (chunk instanceof Uint8Array) this.#sentBytes += chunk.length;
      this.#keep('ready', this.#writer.ready);
      return this.#writer.write(chunk);
    });
  }

  #next(count: number): Uint8Array {
    return SENT.subarray(this.#sentBytes, this.#sentBytes + count);
  }

  /** What is done, by its name. */
  readonly #acts: Record<Operation, () => unknown> = {
    write: () => this.#write(this.#next(1000), 'write'),
    'write much': () => this.#write(this.#next(3_000_000), 'write much'),
    'write nothing': () => this.#write(new Uint8Array(0), 'write nothing'),
    'write nonsense': () => this.#write({}, 'write nonsense'),
    'close writable': () =>
      this.#try('close writable', () => (this.#writer ?? this.#socket.writable).close()),
    'abort writable': () =>
      this.#try('abort writable', () => (this.#writer ?? this.#socket.writable).abort('abort')),
    'release writer': () => {
      this.#writer?.releaseLock();
      this.#writer = null;
    },
    read: () => this.#read('default'),
    'read into a view': () => this.#read('byob'),
    'cancel readable': () =>
      this.#try('cancel', () => (this.#reader ?? this.#socket.readable).cancel('cancel')),
    'release reader': () => {
      this.#reader?.releaseLock();
      this.#reader = null;
    },
    'pipe to itself': () =>
      this.#try('pipe', () => this.#socket.readable.pipeTo(this.#socket.writable)),
    tee: () =>
      this.#try('tee', () => {
        this.#branches.push(...this.#socket.readable.tee());
        return Promise.resolve();
      }),
    close: () => this.#try('close', () => this.#socket.close('close')),
    dispose: () => this.#try('dispose', () => this.#socket[Symbol.asyncDispose]()),
    'peer writes': () => this.#peerWrites(1000),
    'peer writes much': () => this.#peerWrites(2_000_000),
    'peer reads': () => this.#peer.resume(),
    'peer stops reading': () => this.#peer.pause(),
    'peer ends': () => this.#peer.end(),
    'peer resets': () => {
      // Behind an end() of its own a socket of node:net cannot reset, and would stay open.
      if (this.#peer.writableEnded) this.#peer.destroy();
      else this.#peer.resetAndDestroy();
    },
    'a turn': () => turnOfNode(),
    'three turns': async () => {
      for (let turn = 0; turn < 3; turn++) await turnOfNode();
    },
  };

  #peerWrites(count: number): void {
    if (!this.#peer.writable) return;
    this.#peer.write(SENT.subarray(this.#peerSentBytes, this.#peerSentBytes + count));
    this.#peerSentBytes += count;
  }

  #read(mode: 'default' | 'byob'): void {
    if (this.#isReading) return;
    this.#try(`read ${mode}`, async () => {
      const { readable } = this.#socket;
      this.#isReading = true;
      try {
        this.#reader ??= mode === 'byob' ? readable.getReader({ mode }) : readable.getReader();
        const reader = this.#reader;
        const { value } =
          reader instanceof ReadableStreamBYOBReader
            ? await reader.read(new Uint8Array(500))
            : await reader.read();
        if (value !== undefined) this.#received.push(value);
      } finally {
        this.#isReading = false;
      }
    });
  }

  async do(operation: Operation): Promise<void> {
    await this.#acts[operation]();
  }

  /** Ends the socket, in one of the ways after which it cannot stay open. */
  async end(how: (typeof ENDINGS)[number]): Promise<void> {
    this.#peer.resume();
    if (how === 'close' || how === 'dispose') {
      this.#acts[how]();
    } else if (how === 'peer resets') {
      // A peer that has ended cannot reset: a half-open socket hears nothing of it any more.
      if (this.#peer.writableEnded) this.#acts.close();
      this.#acts[how]();
      // A connection that is paused sees its end once it is read from.
      await this.#drain();
    } else if (how === 'abort and cancel') {
      this.#acts['abort writable']();
      this.#acts['cancel readable']();
      if (this.#socket.writable.locked && this.#writer === null) this.#acts.close();
    } else {
      this.#peer.end();
      this.#acts['close writable']();
      await this.#drain();
    }
    for (const branch of this.#branches) {
      if (!branch.locked) branch.cancel().catch(() => undefined);
    }
    if (how !== 'both end') this.#peer.end();
  }

  /** Reads to the end, as far as the reader is ours. */
  async #drain(): Promise<void> {
    const { readable } = this.#socket;
    if (readable.locked && this.#reader === null) {
      if (this.#branches.length > 0 || !this.#socket.writable.locked) this.#acts.close();
      return;
    }
    const reader = this.#reader ?? readable.getReader();
    this.#reader = reader;
    await until(() => !this.#isReading, 'the read under way is done');
    for (let done = false; !done; ) {
      const next =
        reader instanceof ReadableStreamBYOBReader
          ? reader.read(new Uint8Array(65_536))
          : reader.read();
      const [result] = await Promise.allSettled([next]);
      if (result?.status !== 'fulfilled') return;
      this.#received.push(result.value.value ?? new Uint8Array(0));
      done = result.value.done;
    }
  }

  /** Everything has come to an end. */
  async check(): Promise<void> {
    const pending = () => this.#promises.filter(({ isSettled }) => !isSettled);
    await until(
      () => pending().length === 0,
      () => `all are settled: ${pending().map(({ name }) => name)}`,
    );
    const received = Buffer.concat(this.#received);
    assert.ok(received.equals(SENT.subarray(0, received.length)), 'the bytes of the peer');
  }
}

/** One run: a socket, what is done to it, and its end. */
async function play(
  server: Server,
  plan: { early: boolean; halfOpen: boolean; operations: Operation[]; ending: never },
): Promise<void> {
  const accepted = once(server, 'connection');
  const socket = connect(`127.0.0.1:${portOf(server)}`, { allowHalfOpen: plan.halfOpen });
  if (!plan.early) await socket.opened;
  const [peer] = (await accepted) as [NodeSocket];
  try {
    const subject = new Subject(socket, peer);
    for (const operation of plan.operations) await subject.do(operation);
    await subject.end(plan.ending);
    await subject.check();
  } finally {
    peer.destroy();
    void socket.close();
  }
}

overLoops('random orders of operations', async () => {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const plan = fc.record({
    early: fc.boolean(),
    halfOpen: fc.boolean(),
    operations: fc.array(fc.constantFrom(...OPERATIONS), { maxLength: 12 }),
    ending: fc.constantFrom(...ENDINGS) as fc.Arbitrary<never>,
  });
  try {
    await fc.assert(
      fc.asyncProperty(plan, (one) => play(server, one)),
      { numRuns: RUNS, endOnFailure: true },
    );
  } finally {
    server.close();
  }
});
