// Goal: connects and watches on io_uring ask the kernel for what they need, once, and leave nothing
// behind.
// Method: the test is the kernel: it sees each operation, and says what comes of it and when.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Interest } from '#src/poller/poller.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { connectOn, streamOn, watchOn } from '../../scripted-sinks.ts';
import { ScriptedKernel, SUBMISSIONS, withoutRings as skip } from './kernel.ts';

const { constants, errno } = nativeSys().abi;
const { EINTR, ECONNREFUSED, EBADF, EINVAL, ECANCELED = 125 } = errno;
const { POLLIN, POLLOUT, POLLERR, POLLHUP, POLLRDHUP = 0 } = constants;

function kernelOf(t: TestContext): ScriptedKernel {
  leakCheck(t);
  const kernel = new ScriptedKernel(t);
  kernel.turn();
  return kernel;
}

test('ring connect: an outcome is told once, and who has the descriptor then', { skip }, (t) => {
  const kernel = kernelOf(t);
  const address = Uint8Array.of(2, 0, 1, 2, 9, 9);
  const good = connectOn(kernel, address, 4);
  const bad = connectOn(kernel, address);
  address.fill(7);
  assert.deepEqual([good.told, kernel.asked()], [[], []]);
  kernel.turn();
  const asked = [`connect ${good.fd} to 2.0.1.2`, `connect ${bad.fd} to 2.0.1.2.9.9`];
  assert.deepEqual(kernel.asked(), asked);
  kernel.turn();
  assert.deepEqual([kernel.asked(), kernel.backend.active], [[], 2]);
  kernel.complete(`connect ${good.fd} to 2.0.1.2`, -EINTR);
  kernel.turn();
  kernel.turn();
  assert.deepEqual([kernel.asked(), good.told], [asked.slice(0, 1), []], 'made again');
  kernel.complete(`connect ${good.fd} to 2.0.1.2`, 0);
  kernel.complete(`connect ${bad.fd} to 2.0.1.2.9.9`, -ECONNREFUSED);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(good.told, [`connected ${good.fd}`]);
  assert.deepEqual(bad.told, [`failed ${ECONNREFUSED}`, 'closed']);
  assert.deepEqual(kernel.calls, [`close ${bad.fd}`], 'the other one belongs to the sink');
  assert.deepEqual([kernel.asked(), kernel.backend.active], [[], 0]);
});

test('ring connect: closed, it is cancelled once and tells nothing but its end', { skip }, (t) => {
  const kernel = kernelOf(t);
  for (const result of [-ECANCELED, 0, -ECONNREFUSED]) {
    const { operation, fd, told } = connectOn(kernel, Uint8Array.of(1));
    kernel.turn();
    kernel.asked();
    operation.close();
    operation.close();
    kernel.turn();
    kernel.turn();
    assert.deepEqual(kernel.asked(), [`cancel connect ${fd} to 1`]);
    assert.deepEqual(told, []);
    kernel.complete(`connect ${fd} to 1`, result);
    kernel.turn();
    assert.deepEqual([told, kernel.calls.splice(0)], [['closed'], [`close ${fd}`]]);
  }
  const unasked = connectOn(kernel, Uint8Array.of(1));
  unasked.operation.close();
  kernel.turn();
  assert.deepEqual([unasked.told, kernel.asked()], [['closed'], []]);
});

test('ring connect: a queue that is full is tried again', { skip }, (t) => {
  const kernel = kernelOf(t);
  kernel.takes = 0;
  const all = Array.from({ length: SUBMISSIONS + 2 }, () => connectOn(kernel, Uint8Array.of(1)));
  kernel.turn();
  kernel.turn();
  kernel.takes = SUBMISSIONS;
  kernel.turn();
  kernel.turn();
  const connects = all.map(({ fd }) => `connect ${fd} to 1`);
  assert.deepEqual(kernel.asked().toSorted(), connects);
  kernel.takes = 0;
  for (const { operation } of all) operation.close();
  kernel.turn();
  kernel.turn();
  kernel.takes = SUBMISSIONS;
  kernel.turn();
  kernel.turn();
  assert.deepEqual(
    kernel.asked().toSorted(),
    connects.map((connect) => `cancel ${connect}`),
  );
});

test('ring watch: each interest is polled for, told, and polled for again', { skip }, (t) => {
  const kernel = kernelOf(t);
  const { read, write, both } = Interest;
  for (const [interest, words, result, found] of [
    [read, 'in', POLLIN, read],
    [read, 'in', POLLIN | POLLOUT, read],
    [read, 'in', POLLHUP, read],
    [read, 'in', POLLOUT, null],
    [write, 'out', POLLOUT, write],
    [write, 'out', POLLERR, write],
    [write, 'out', POLLIN, null],
    [both, 'in out', POLLIN, read],
    [both, 'in out', POLLOUT, write],
    [both, 'in out', POLLIN | POLLOUT, both],
    [both, 'in out', POLLERR | POLLHUP, both],
  ] as const) {
    const { watch, fd, told } = watchOn(kernel, interest);
    kernel.turn();
    assert.deepEqual(kernel.asked(), [`poll ${fd} ${words}`]);
    kernel.complete(`poll ${fd}`, result);
    kernel.turn();
    assert.deepEqual(told, found === null ? [] : [found]);
    kernel.turn();
    assert.deepEqual(kernel.asked(), [`poll ${fd} ${words}`]);
    watch.unwatch();
    assert.deepEqual(kernel.asked(), [`cancel poll ${fd} ${words}`], 'inside of the call');
    kernel.complete(`poll ${fd}`, -ECANCELED);
    kernel.turn();
    assert.deepEqual([kernel.asked(), kernel.backend.active], [[], 0]);
    assert.deepEqual(kernel.calls, [], 'its descriptor is not closed');
  }
});

test('ring watch: another interest takes the place of a poll', { skip }, (t) => {
  const kernel = kernelOf(t);
  const { watch, fd, told } = watchOn(kernel, Interest.read);
  kernel.turn();
  kernel.asked();
  watch.modify(Interest.read);
  kernel.turn();
  assert.deepEqual(kernel.asked(), []);
  watch.modify(Interest.write);
  kernel.turn();
  watch.modify(Interest.both);
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`cancel poll ${fd} in`]);
  // What comes of the old one is told if it is wanted still.
  kernel.complete(`poll ${fd}`, POLLIN);
  kernel.turn();
  assert.deepEqual(told, [Interest.read]);
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`poll ${fd} in out`]);
  watch.modify(Interest.none);
  kernel.turn();
  kernel.complete(`poll ${fd}`, POLLIN);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(told, [Interest.read]);
  assert.deepEqual(kernel.asked(), [`cancel poll ${fd} in out`]);
  watch.modify(Interest.write);
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`poll ${fd} out`]);
  // Cancelled and wanted again, before the end of the cancelled one.
  watch.modify(Interest.read);
  kernel.turn();
  watch.modify(Interest.write);
  kernel.complete(`poll ${fd}`, -ECANCELED);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`cancel poll ${fd} out`, `poll ${fd} out`]);
});

test('ring watch: the end of the peer alone is no readiness, and waits for a change', {
  skip: skip || (POLLRDHUP === 0 ? 'this platform has no POLLRDHUP' : false),
}, (t) => {
  const kernel = kernelOf(t);
  const { watch, fd, told } = watchOn(kernel, Interest.write);
  kernel.turn();
  kernel.asked();
  kernel.complete(`poll ${fd}`, POLLRDHUP);
  kernel.turn();
  kernel.turn();
  assert.deepEqual([told, kernel.asked()], [[], [`poll ${fd} out multishot`]]);
  kernel.complete(`poll ${fd}`, POLLRDHUP, { more: true });
  kernel.turn();
  kernel.turn();
  assert.deepEqual([told, kernel.asked()], [[], []]);
  kernel.complete(`poll ${fd}`, POLLOUT | POLLRDHUP, { more: true });
  kernel.turn();
  assert.deepEqual(told, [Interest.write]);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`cancel poll ${fd} out multishot`], 'it has told');
  kernel.complete(`poll ${fd}`, -ECANCELED);
  kernel.turn();
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`poll ${fd} out`]);
  // A new interest does not wait for a change.
  kernel.complete(`poll ${fd}`, POLLRDHUP);
  kernel.turn();
  watch.modify(Interest.both);
  kernel.turn();
  assert.deepEqual(kernel.asked(), [`poll ${fd} in out`]);
});

test('ring watch: a poll that fails is made again after a change only', { skip }, (t) => {
  const kernel = kernelOf(t);
  for (const code of [EBADF, EINVAL]) {
    const { watch, fd, told } = watchOn(kernel, Interest.read);
    kernel.turn();
    kernel.asked();
    kernel.complete(`poll ${fd}`, -code);
    for (let turn = 0; turn < 3; turn += 1) kernel.turn();
    assert.deepEqual([told, kernel.asked()], [[], []]);
    watch.modify(Interest.read);
    kernel.turn();
    assert.deepEqual(kernel.asked(), [`poll ${fd} in`]);
    kernel.complete(`poll ${fd}`, POLLIN);
    kernel.turn();
    assert.deepEqual(told, [Interest.read]);
    watch.unwatch();
    watch.unwatch();
    kernel.turn();
    assert.deepEqual([kernel.asked(), kernel.backend.active], [[], 0]);
  }
});

test('ring watch: one that has ended keeps nothing alive, and tells nothing', { skip }, (t) => {
  const kernel = kernelOf(t);
  const { watch, fd, told } = watchOn(kernel, Interest.read);
  kernel.turn();
  watch.unwatch();
  assert.equal(kernel.backend.active, 0, 'although the poll is still there');
  watch.modify(Interest.both);
  kernel.complete(`poll ${fd}`, POLLIN, { more: true });
  kernel.turn();
  kernel.complete(`poll ${fd}`, POLLIN);
  kernel.turn();
  assert.deepEqual([told, kernel.inFlight], [[], []]);
  assert.equal(kernel.backend.active, 0);
});

test('ring watch: those of a number end when it has a new owner, and with that', { skip }, (t) => {
  const kernel = kernelOf(t);
  const { fd, told } = watchOn(kernel, Interest.read);
  kernel.turn();
  kernel.asked();
  kernel.newFdIs(fd);
  const { stream } = streamOn(kernel);
  assert.equal(stream.fd, fd);
  assert.deepEqual(kernel.asked(), [`cancel poll ${fd} in`]);
  kernel.complete(`poll ${fd}`, POLLIN);
  kernel.turn();
  assert.deepEqual(told, []);
  const second = watchOn(kernel, Interest.write, fd);
  kernel.turn();
  kernel.asked();
  stream.close();
  assert.deepEqual(kernel.asked(), [`cancel poll ${fd} out`]);
  kernel.complete(`poll ${fd}`, POLLOUT);
  kernel.turn();
  assert.deepEqual(second.told, []);
});
