/** Sockets of datagrams under test, on each event loop of this machine. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type DatagramOptions, type DatagramSocket, EventLoop, type LoopName } from 'sockloop';
import { backends } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';

/** Nothing here takes longer, by far. */
const LIMIT_MS = 10_000;
const TURN_MS = 5;

/** One test for each event loop; the loop is closed and looked through for leaks at the end. */
export function overLoops(
  title: string,
  body: (loop: EventLoop, t: TestContext, name: LoopName) => void | Promise<void>,
): void {
  for (const { name, available } of backends) {
    const here = available(nativeSys());
    const skip = here === true ? false : here.reason;
    test(`datagrams: ${title} (${name})`, { skip, timeout: 3 * LIMIT_MS }, async (t) => {
      leakCheck(t);
      using loop = new EventLoop({ backend: name });
      await body(loop, t, name);
    });
  }
}

/** Turns until `done` returns true. */
export function until(loop: EventLoop, done: () => boolean, what: string): void {
  const endMs = performance.now() + LIMIT_MS;
  while (!done()) {
    assert.ok(performance.now() < endMs, `waited in vain until ${what}`);
    loop.turn(TURN_MS);
  }
}

/** A datagram that came. */
interface Came {
  readonly text: string;
  readonly length: number;
  readonly from: string;
}

/** A socket of UDP on the loopback interface, and what came on it. */
export interface Recorded {
  readonly socket: DatagramSocket;
  readonly came: Came[];
  readonly events: string[];
}

/** Opens a socket that writes down what comes. */
export function recorded(
  loop: EventLoop,
  options: Partial<DatagramOptions> = { host: '127.0.0.1' },
): Recorded {
  const came: Came[] = [];
  const events: string[] = [];
  const { handlers, ...others } = options;
  const socket = loop.datagram({
    ...others,
    handlers: {
      datagrams: (own, batch) => {
        for (let index = 0; index < batch.length; index++) {
          const bytes = batch.bytes(index);
          const text = Buffer.from(bytes.subarray(0, 32)).toString();
          came.push({ text, length: bytes.length, from: String(batch.from(index)) });
        }
        return handlers?.datagrams?.(own, batch);
      },
      drain: (own) => {
        events.push('drain');
        return handlers?.drain?.(own);
      },
      unreachable: (own, report) => {
        events.push(`unreachable ${report.code}`);
        return handlers?.unreachable?.(own, report);
      },
      end: (own) => {
        events.push('end');
        return handlers?.end?.(own);
      },
      close: (own, error) => {
        events.push(`close ${error?.code ?? null}`);
        return handlers?.close?.(own, error);
      },
    },
  });
  return { socket, came, events };
}

/** Closes sockets, and turns until all know. */
export function closeAll(loop: EventLoop, ...all: readonly Recorded[]): void {
  for (const { socket } of all) socket.close();
  const closed = ({ events }: Recorded): boolean => events.some((one) => one.startsWith('close'));
  until(loop, () => all.every(closed), 'all sockets are closed');
}

/** The texts of what came. */
export function textsOf({ came }: Recorded): string[] {
  return came.map(({ text }) => text);
}
