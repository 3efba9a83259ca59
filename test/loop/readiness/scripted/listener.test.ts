// Goal: a listener on a poller accepts as many as wait and few too many, tells of them in order,
// and leaves none behind, whenever it is paused, full, retired or closed.
// Method: the test is the kernel: it sees each call, says what it returns, and what is ready when.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AcceptSink } from '#src/loop/backend.js';
import { Interest } from '#src/poller/poller.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { listenOn, streamOn } from '../../scripted-sinks.ts';
import { ScriptedKernel } from './kernel.ts';

const {
  EINTR,
  EAGAIN,
  ECONNABORTED,
  EMFILE,
  EBADF,
  ENOSPC = 28,
  EPERM = 1,
} = nativeSys().abi.errno;
const ACCEPTS_PER_TURN = 32;
const FRUITLESS_BURSTS_MAX = 32;
const STALL_MS = 10;

function listening(t: TestContext, also: Partial<AcceptSink> = {}, limited = false) {
  leakCheck(t);
  const kernel = new ScriptedKernel(t, true);
  const one = listenOn(kernel, also, limited);
  kernel.turn();
  assert.deepEqual(kernel.calls(), [`register ${one.fd} read`], 'by its level');
  const turn = (...accepts: readonly number[]): number => {
    kernel.accepts.push(...accepts);
    kernel.ready(one.fd, Interest.read);
    kernel.turn();
    kernel.accepts.length = 0;
    return kernel.calls().filter((call) => call === `accept ${one.fd}`).length;
  };
  return { kernel, ...one, turn };
}

let last = 500_000;

/** So many new connections. */
function come(count: number): number[] {
  return Array.from({ length: count }, () => {
    last += 1;
    return last;
  });
}

const words = (fds: readonly number[]): string[] => fds.map(String);

test('listener: bursts grow while they are full, and shrink to what there was', (t) => {
  const { kernel, told, turn } = listening(t);
  const bursts = Array.from({ length: 24 }, () => turn(...come(40)));
  const grown = [1, 2, 4, 8, 16, 32].flatMap((burst) => [burst, burst, burst, burst]);
  assert.deepEqual(bursts, grown);
  assert.deepEqual(
    Array.from({ length: 6 }, () => turn(...come(40))),
    new Array(6).fill(ACCEPTS_PER_TURN),
  );
  assert.equal(turn(...come(5)), ACCEPTS_PER_TURN, 'that was too many');
  assert.deepEqual([turn(...come(5)), turn(...come(3)), turn(...come(3))], [5, 5, 3]);
  assert.deepEqual([turn(), turn(...come(1)), turn(...come(1))], [3, 1, 1]);
  assert.equal(kernel.backend.stats.accepted, told.length);
  assert.equal(told.length, 4 * 63 + 6 * 32 + 5 + 5 + 3 + 3 + 2);
});

test('listener: a limited one accepts one at a time', (t) => {
  const { turn } = listening(t, {}, true);
  assert.deepEqual(
    Array.from({ length: 12 }, () => turn(...come(40))),
    new Array(12).fill(1),
  );
});

test('listener: the burst counts full ones in a row', (t) => {
  const { turn } = listening(t);
  for (let round = 0; round < 3; round += 1) {
    const bursts = [turn(...come(1)), turn(...come(1)), turn(...come(1)), turn()];
    assert.deepEqual(bursts, [1, 1, 1, 1]);
  }
});

test('listener: two reports in a wait are one burst', (t) => {
  const { kernel, fd, told } = listening(t);
  kernel.accepts.push(...come(2));
  kernel.ready(fd, Interest.read);
  kernel.ready(fd, Interest.read);
  kernel.turn();
  assert.deepEqual([told.length, kernel.calls()], [1, [`accept ${fd}`]]);
});

test('listener: 32 fruitless bursts in a row make it rest for 10 ms', (t) => {
  const { kernel, fd, told, turn } = listening(t);
  for (let burst = 0; burst < FRUITLESS_BURSTS_MAX - 1; burst += 1) assert.equal(turn(), 1);
  assert.equal(turn(...come(1)), 1);
  for (let burst = 0; burst < FRUITLESS_BURSTS_MAX - 1; burst += 1) assert.equal(turn(), 1);
  assert.equal(kernel.backend.isQuiet, true);
  assert.equal(turn(), 1);
  assert.equal(kernel.backend.isQuiet, false);
  assert.equal(turn(...come(1)), 0, 'it rests');
  kernel.nowMs += STALL_MS - 1;
  assert.equal(turn(...come(1)), 0);
  kernel.nowMs += 1;
  kernel.turn();
  kernel.calls();
  assert.equal(turn(...come(1)), 1);
  assert.equal(told.length, 2);
  assert.ok(fd > 0);
});

test('listener: paused, it accepts nothing, and holds what the burst had brought', (t) => {
  const { kernel, acceptance, fd, told, turn } = listening(t, {
    accepted: () => {
      if (told.length % 3 === 0) acceptance.pause();
    },
  });
  for (const count of [1, 1, 1]) turn(...come(count));
  assert.equal(told.length, 3);
  assert.equal(turn(...come(1)), 0);
  acceptance.resume();
  for (let burst = 0; burst < 2; burst += 1) turn(...come(1));
  acceptance.resume();
  const fds = come(5);
  // A burst of as many as there are.
  kernel.accepts.push(...fds);
  let turns = 0;
  while (kernel.accepts.length > 0 && turns < 20) {
    kernel.ready(fd, Interest.read);
    kernel.turn();
    acceptance.resume();
    turns += 1;
  }
  kernel.turn();
  kernel.turn();
  assert.deepEqual(told.slice(-5), words(fds));
});

/** A listener with a burst of eight, whose handler pauses it at connections that `pauses` names. */
function burstOf8(t: TestContext, pauses: (fd: number) => boolean) {
  const one = listening(t, { accepted: (fd) => void (pauses(fd) && one.acceptance.pause()) });
  for (let full = 0; full < 12; full += 1) one.turn(...come(8));
  one.told.length = 0;
  return one;
}

test('listener: what is held is told in order, before any other', (t) => {
  const fds = come(8);
  const stops = [fds[1], fds[4]];
  const { kernel, acceptance, fd, told, turn } = burstOf8(t, (one) => stops.includes(one));
  assert.equal(turn(...fds), 8);
  assert.deepEqual(told, words(fds.slice(0, 2)));
  kernel.turn();
  assert.equal(turn(...come(1)), 0);
  assert.equal(kernel.backend.fds().filter((one) => fds.includes(one)).length, 6);
  acceptance.resume();
  assert.equal(told.length, 2, 'not inside of the call');
  assert.equal(turn(...come(1)), 0, 'before anything is accepted');
  assert.deepEqual(told, words(fds.slice(0, 5)));
  kernel.turn();
  acceptance.resume();
  kernel.turn();
  assert.deepEqual(told, words(fds));
  kernel.turn();
  const more = come(1);
  assert.ok(turn(...more) > 0);
  assert.deepEqual(told, words([...fds, ...more]));
  assert.ok(fd > 0);
});

test('listener: resumed amid a burst, it tells the rest behind what it holds', (t) => {
  const fds = come(8);
  const { kernel, acceptance, fd, told } = burstOf8(t, (one) => one === fds[1]);
  const streams = Array.from({ length: 60 }, () => streamOn(kernel));
  const at = kernel.newFd();
  kernel.backend.watch(at, Interest.read, { ready: () => acceptance.resume() });
  kernel.turn();
  // The receives leave room for four accepts: these have their results before the watch is told.
  for (const stream of streams) kernel.bring(stream.fd, 'x');
  kernel.ready(fd, Interest.read);
  kernel.ready(at, Interest.read);
  kernel.accepts.push(...fds);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(told, words(fds));
});

test('listener: a handler that throws delays the held ones by a turn', (t) => {
  const fds = come(8);
  const one = listening(t, {
    accepted: (fd) => {
      if (fd === fds[1]) one.acceptance.pause();
      if (fd === fds[3]) throw new Error('a handler');
    },
  });
  for (let full = 0; full < 12; full += 1) one.turn(...come(8));
  one.told.length = 0;
  one.turn(...fds);
  one.acceptance.resume();
  assert.throws(() => one.kernel.turn(), /a handler/);
  one.kernel.turn();
  assert.deepEqual(one.told, words(fds));
  one.kernel.turn();
  assert.equal(one.turn(...come(8)), 8, 'and it accepts again');
});

test('listener: closed, it closes what it holds', (t) => {
  const fds = come(8);
  const { kernel, acceptance, fd, told, turn } = burstOf8(t, (one) => one === fds[1]);
  turn(...fds);
  kernel.turn();
  kernel.calls();
  acceptance.close();
  acceptance.close();
  kernel.turn();
  assert.equal(told.at(-1), 'closed');
  const closes = [fd, ...fds.slice(2), 300_000].map((one) => `close ${one}`);
  assert.deepEqual(
    kernel
      .calls()
      .filter((call) => call.startsWith('close'))
      .toSorted(),
    closes.toSorted(),
  );
});

test('listener: closed in a handler, the rest of the burst is closed', (t) => {
  const fds = come(8);
  const one = listening(t, { accepted: (fd) => void (fd === fds[2] && one.acceptance.close()) });
  for (let full = 0; full < 12; full += 1) one.turn(...come(8));
  one.told.length = 0;
  one.kernel.accepts.push(...fds);
  one.kernel.ready(one.fd, Interest.read);
  one.kernel.turn();
  one.kernel.turn();
  assert.deepEqual(one.told, [...words(fds.slice(0, 3)), 'closed']);
  const calls = one.kernel.calls();
  for (const fd of fds.slice(3)) assert.ok(calls.includes(`close ${fd}`), `${fd}`);
  for (const fd of fds.slice(0, 3)) assert.ok(!calls.includes(`close ${fd}`), `${fd}`);
});

test('listener: retired, it tells what it holds, and ends', (t) => {
  const fds = come(8);
  const { kernel, acceptance, fd, told, turn } = burstOf8(t, (one) => one === fds[1]);
  turn(...fds);
  acceptance.retire();
  assert.deepEqual(told, words(fds.slice(0, 2)), 'none inside of the call');
  kernel.turn();
  assert.deepEqual(told, [...words(fds), 'closed'], 'although it is paused');
  acceptance.retire();
  kernel.turn();
  assert.equal(told.length, 9);
  assert.ok(kernel.calls().includes(`deregister ${fd}`), 'others may have it');

  const idle = listening(t);
  idle.acceptance.retire();
  idle.kernel.turn();
  assert.deepEqual(idle.told, ['closed']);
});

test('listener: retired in a handler, it tells the rest of the burst', (t) => {
  const fds = come(8);
  const one = listening(t, { accepted: (fd) => void (fd === fds[2] && one.acceptance.retire()) });
  for (let full = 0; full < 12; full += 1) one.turn(...come(8));
  one.told.length = 0;
  one.turn(...fds.slice(0, 5), -EMFILE, -ECONNABORTED, fds[5] ?? 0);
  assert.deepEqual(one.told, [...words(fds.slice(0, 6)), 'closed']);
});

test('listener: retired in a handler, it ends although the last of the burst throws', (t) => {
  const fds = come(6);
  const one = listening(t, {
    accepted: (fd) => {
      if (fd === fds[2]) one.acceptance.retire();
      if (fd === fds[5]) throw new Error('from a handler');
    },
  });
  for (let full = 0; full < 12; full += 1) one.turn(...come(8));
  one.told.length = 0;
  const results = [...fds.slice(0, 5), -EMFILE, -ECONNABORTED, fds[5] ?? 0];
  assert.throws(() => one.turn(...results), /from a handler/);
  one.kernel.turn();
  assert.deepEqual(one.told, [...words(fds), 'closed']);
});

test('listener: a lack of descriptors pauses it, once, and turns clients away', (t) => {
  const { kernel, acceptance, fd, told, turn } = listening(t);
  const [first, second] = come(2);
  assert.equal(turn(-EMFILE, first ?? 0, second ?? 0), 4);
  assert.deepEqual(told, [`exhausted ${EMFILE}, 2 shed`]);
  assert.equal(kernel.backend.stats.shed, 2);
  assert.equal(turn(...come(1)), 0);
  acceptance.resume();
  kernel.turn();
  const burst = burstOf8(t, () => false);
  const fds = come(2);
  // The others of the burst fail likewise.
  assert.ok(burst.turn(...fds, ...new Array(6).fill(-EMFILE)) >= 8);
  assert.deepEqual(burst.told, [...words(fds), `exhausted ${EMFILE}, 0 shed`]);
  assert.equal(turn(...come(1)), 1);
  assert.equal(told.length, 2);
  assert.ok(fd > 0);
});

test('listener: failures of single connections are told when 32 are in a row', (t) => {
  const { kernel, acceptance, fd, told, turn } = listening(t);
  const fail = (count: number, code: number): void => {
    for (let failure = 0; failure < count; failure += 1) {
      turn(-code);
      // Bursts without a connection make it rest.
      kernel.nowMs += STALL_MS;
      kernel.turn();
      kernel.turn();
    }
  };
  fail(ACCEPTS_PER_TURN - 1, EPERM);
  fail(20, EINTR);
  assert.equal(kernel.backend.stats.eintr, 20);
  assert.deepEqual(told, []);
  turn(...come(1));
  told.length = 0;
  fail(20, EAGAIN);
  turn(...come(1));
  told.length = 0;
  fail(ACCEPTS_PER_TURN - 1, ECONNABORTED);
  assert.deepEqual(told, []);
  fail(1, ECONNABORTED);
  assert.deepEqual(told, [`exhausted ${ECONNABORTED}, 0 shed`]);
  assert.equal(turn(...come(1)), 0, 'it is paused');
  acceptance.resume();
  kernel.turn();
  fail(1, EPERM);
  assert.equal(told.length, 1, 'the count begins anew');
  fail(1, EBADF);
  assert.deepEqual(told.slice(1), [`failed ${EBADF}`, 'closed']);
  assert.ok(fd > 0);
});

test('listener: one that the poller refuses rests, and tries again', (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t, true);
  kernel.refusal = ENOSPC;
  const { acceptance, fd, told } = listenOn(kernel, {
    accepted: () => void (told.length === 6 && acceptance.pause()),
  });
  assert.deepEqual(told, []);
  kernel.turn();
  assert.deepEqual(told, [`exhausted ${ENOSPC}, 0 shed`]);
  kernel.turn();
  kernel.refusal = 0;
  acceptance.resume();
  kernel.turn();
  assert.deepEqual([told.length, kernel.calls()], [1, [`register ${fd} read`]]);
  // What is held later is told without that error.
  const fds = come(6);
  kernel.accepts.push(...fds);
  for (let turn = 0; turn < 5; turn += 1) {
    kernel.ready(fd, Interest.read);
    kernel.turn();
  }
  assert.equal(told.length, 6);
  acceptance.resume();
  kernel.turn();
  assert.deepEqual(told.slice(1), words(fds));
});

test('listener: one that is paused is told of no refusal', (t) => {
  leakCheck(t);
  const kernel = new ScriptedKernel(t, true);
  kernel.refusal = ENOSPC;
  const { acceptance, fd, told } = listenOn(kernel);
  kernel.onRefuse = () => acceptance.pause();
  kernel.turn();
  assert.deepEqual(told, []);
  kernel.turn();
  kernel.refusal = 0;
  acceptance.resume();
  kernel.turn();
  assert.deepEqual([told, kernel.calls()], [[], [`register ${fd} read`]]);
});
