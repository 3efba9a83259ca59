/** Runs a story on node:dgram and on sockloop/dgram, and compares what was recorded. */

import assert from 'node:assert/strict';
import * as nodeDgram from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { nativeSys } from 'sockloop';
import * as ownDgram from 'sockloop/dgram';
import { ThreadLoop, useThreadLoop } from '#src/adapters/thread-loop.js';
import { backends } from '#src/loop/backends.js';
import { leakCheck } from '#test/harness/leaks.js';
import { inWords } from '../net/recorder.ts';

/** What the stories use of either. */
type Dgram = Pick<typeof nodeDgram, 'createSocket'>;

const LIMIT_MS = 20_000;
const EVENTS = ['listening', 'connect', 'message', 'error', 'close'] as const;

/** What a story gets. */
export interface Stage {
  readonly dgram: Dgram;
  /** Writes a result down. */
  note(name: string, ...values: unknown[]): void;
  /** Writes down what a call returns or throws. */
  attempt(name: string, call: () => unknown): void;
  /** A socket whose events are written down, closed at the end unless it is before. */
  socket(name: string, options?: nodeDgram.SocketType | nodeDgram.SocketOptions): nodeDgram.Socket;
  /** As `socket`, bound to a port of the loopback address. */
  bound(name: string, options?: nodeDgram.SocketOptions): Promise<nodeDgram.Socket>;
}

function words(value: unknown): string {
  if (Buffer.isBuffer(value)) return value.length < 40 ? `<${value}>` : `<${value.length} bytes>`;
  return inWords(value).replace(/\b\d{4,5}\b/g, 'PORT');
}

class Recording {
  readonly lines = new Map<string, string[]>();
  readonly #sockets: nodeDgram.Socket[] = [];

  note(name: string, ...values: unknown[]): void {
    const lines = this.lines.get(name) ?? [];
    this.lines.set(name, [...lines, values.map(words).join(' ')]);
  }

  stage(dgram: Dgram): Stage {
    const socket: Stage['socket'] = (name, options = 'udp4') => {
      const made = dgram.createSocket(options as nodeDgram.SocketOptions);
      this.#sockets.push(made);
      for (const event of EVENTS) {
        made.on(event, (...values: unknown[]) => this.note(name, event, ...values));
      }
      return made;
    };
    return {
      dgram,
      socket,
      note: (name, ...values) => this.note(name, ...values),
      attempt: (name, call) => {
        try {
          const result = call();
          this.note(name, typeof result === 'object' ? 'an object' : result);
        } catch (error) {
          this.note(name, 'throws', error);
        }
      },
      bound: async (name, options = { type: 'udp4' }) => {
        const made = socket(name, options);
        made.bind(0, options.type === 'udp4' ? '127.0.0.1' : '::1');
        await once(made, 'listening');
        return made;
      },
    };
  }

  async end(): Promise<void> {
    for (const socket of this.#sockets) {
      const closed = new Promise((resolve) => socket.once('close', resolve));
      try {
        socket.close();
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        assert.equal(code, 'ERR_SOCKET_DGRAM_NOT_RUNNING');
        continue;
      }
      await closed;
    }
  }
}

type Story = (stage: Stage) => Promise<void>;

async function recordOf(dgram: Dgram, story: Story): Promise<Record<string, string[]>> {
  const recording = new Recording();
  try {
    await story(recording.stage(dgram));
  } finally {
    await recording.end();
  }
  return Object.fromEntries([...recording.lines].sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** Waits until `done`, in turns of the process. */
export async function until(done: () => boolean, what: string): Promise<void> {
  const endMs = process.uptime() * 1000 + LIMIT_MS / 2;
  while (!done()) {
    assert.ok(process.uptime() * 1000 < endMs, `waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** One test of `run`, with sockets of ours, for each loop that is tried. */
export function onLoops(title: string, run: (dgram: typeof ownDgram) => Promise<void>): void {
  for (const name of ['epoll', 'io_uring'] as const) {
    const answer = backends.find((backend) => backend.name === name)?.available(nativeSys());
    const skip = answer === true ? false : (answer?.reason ?? 'no such loop');
    test(`dgram: ${title} (${name})`, { skip, timeout: LIMIT_MS }, async (t) => {
      leakCheck(t);
      const thread = new ThreadLoop({ backend: name });
      useThreadLoop(thread);
      t.after(() => {
        useThreadLoop(null);
        thread.loop.close();
      });
      await run(ownDgram);
    });
  }
}

/** One test of `story` for each loop that is compared. */
export function compared(title: string, story: Story): void {
  onLoops(title, async (dgram) => {
    const wanted = await recordOf(nodeDgram, story);
    const found = await recordOf(dgram as unknown as Dgram, story);
    assert.deepEqual(found, wanted);
    assert.ok(Object.keys(found).length > 0, 'something was recorded');
  });
}
