// Sends and receives in lists over many rounds, and checks every byte: as a process that signals
// disturb, and in worker threads. Prints or posts what it saw.

import assert from 'node:assert/strict';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Socket } from '#src/socket/index.js';
import { makeCalls } from '#src/sys/batch/make-calls.js';
import { DATA_AT, newList, put, sys, text } from './lists.ts';

const PAIRS = 16;
const MESSAGE_BYTES = 100;

/** Under an emulator beside other work a round takes 200 ms. */
const ROUNDS_MIN = 11;

/** What came of the rounds. */
export interface Rounds {
  readonly rounds: number;
  /** Calls that a signal interrupted. */
  readonly interrupted: number;
}

/**
 * Makes lists of [send x 16, a wait for nothing, recv x 16] for `forMs` milliseconds, and at least
 * {@link ROUNDS_MIN} of them. The wait is part of the list where that is one foreign call.
 */
function sendAndReceive(oneByOne: boolean, forMs: number, waitMs: number): Rounds {
  const list = newList(oneByOne);
  const pairs = Array.from({ length: PAIRS }, () => Socket.pair());
  const { EPOLL_CLOEXEC = 0 } = sys.abi.constants;
  const { EINTR } = sys.abi.errno;
  const epfd = sys.epoll_create1(EPOLL_CLOEXEC);
  const events = new Uint8Array(1024);
  let [rounds, interrupted] = [0, 0];
  const endMs = performance.now() + forMs;
  while (performance.now() < endMs || rounds < ROUNDS_MIN) {
    rounds += 1;
    list.count = 0;
    const words = (pair: number) => `${rounds},${pair};`.padEnd(MESSAGE_BYTES, '.');
    for (const [pair, [left]] of pairs.entries()) {
      const at = pair * MESSAGE_BYTES;
      put(list, at, words(pair));
      list.send(left.fileno(), DATA_AT + at, MESSAGE_BYTES, 0);
    }
    const wait = oneByOne ? -1 : list.epollWait(epfd, sys.address(events), 16, waitMs);
    const first = list.count;
    for (const [pair, [, right]] of pairs.entries()) {
      list.recv(right.fileno(), DATA_AT + (PAIRS + pair) * MESSAGE_BYTES, MESSAGE_BYTES);
    }
    assert.equal(makeCalls(sys, list, 0), list.count);
    const waited = oneByOne ? sys.epoll_wait(epfd, events, 16, waitMs) : list.result(wait);
    assert.ok(waited === 0 || waited === -EINTR, `the wait returned ${waited}`);
    if (waited < 0) interrupted += 1;
    for (let pair = 0; pair < PAIRS; pair++) {
      assert.equal(list.result(first + pair), MESSAGE_BYTES);
      assert.equal(text(list, (PAIRS + pair) * MESSAGE_BYTES, MESSAGE_BYTES), words(pair));
    }
  }
  sys.close(epfd);
  for (const [left, right] of pairs) {
    left.close();
    right.close();
  }
  return { rounds, interrupted };
}

if (isMainThread) {
  const oneByOne = process.argv[2] === 'one by one';
  for (const signal of ['SIGUSR2', 'SIGTERM'] as const) process.on(signal, () => undefined);
  // A process that ends has no handlers any more: it does so once its input ends.
  process.stdin.resume();
  process.stdout.write('ready\n');
  process.stdout.write(`${JSON.stringify(sendAndReceive(oneByOne, 1000, 20))}\n`);
} else {
  parentPort?.postMessage(sendAndReceive(workerData.oneByOne, 500, 0));
}
