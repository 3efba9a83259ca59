/** What makes a descriptor ready, and for what. */

import assert from 'node:assert/strict';
import { Interest } from '#src/poller/poller.js';
import { type Ends, PATIENCE_MS, type Stage } from '../fixture.ts';
import type { PollerCase } from '../suite.ts';

/** What is reported of `fd` while it is watched for `interest`. */
function readyFor(stage: Stage, fd: number, interest: Interest): Interest {
  stage.poller.register(fd, interest, 1);
  const [report] = stage.wait();
  stage.poller.deregister(fd);
  return report?.interest ?? Interest.none;
}

/** Each way on its own, and both: an end that makes ready whatever is of interest. */
function assertReadyForAll(stage: Stage, fd: number): void {
  for (const interest of [Interest.read, Interest.write, Interest.both]) {
    assert.equal(readyFor(stage, fd, interest), interest);
  }
}

/** Waits until the kernel has made of a connection what it will make of it. */
function waitUntilReady(stage: Stage, fd: number, interest: Interest): void {
  stage.poller.register(fd, interest, 1);
  stage.waitForReports();
  stage.poller.deregister(fd);
}

function pendingError(stage: Stage, fd: number): number {
  const { SOL_SOCKET, SO_ERROR } = stage.sys.abi.constants;
  const value = new Uint8Array(4);
  assert.ok(stage.sys.getsockopt(fd, SOL_SOCKET, SO_ERROR, value, new Int32Array([4])) >= 0);
  return new DataView(value.buffer).getInt32(0, true);
}

/** Bytes make one end readable until they are read. */
function assertReadable(stage: Stage, [reader, writer]: Ends): void {
  stage.poller.register(reader, Interest.read, 1);
  stage.idle();
  stage.write(writer);
  stage.write(writer);
  const ready = [{ token: 1, interest: Interest.read, errno: 0 }];
  // Level-triggered: as long as it has not been dealt with.
  for (let wait = 0; wait < 3; wait += 1) assert.deepEqual(stage.wait(), ready);
  assert.equal(stage.sys.read(reader, new Uint8Array(1), 0, 1), 1);
  assert.deepEqual(stage.wait(), ready);
  stage.drain(reader);
  stage.idle();
  stage.poller.deregister(reader);
}

/** A full end is not writable until there is room again. */
function assertWritable(stage: Stage, [reader, writer]: Ends): void {
  stage.poller.register(writer, Interest.write, 1);
  const ready = [{ token: 1, interest: Interest.write, errno: 0 }];
  for (let wait = 0; wait < 3; wait += 1) assert.deepEqual(stage.wait(), ready);
  stage.fill(writer);
  stage.idle();
  stage.drain(reader);
  assert.deepEqual(stage.wait(PATIENCE_MS), ready);
  stage.poller.deregister(writer);
}

export const readinessCases: readonly PollerCase[] = [
  {
    name: 'bytes make a socket and a pipe readable, at every wait until they are read',
    run(stage) {
      assertReadable(stage, stage.pair());
      assertReadable(stage, stage.pipe());
      return undefined;
    },
  },
  {
    name: 'room makes a socket and a pipe writable, at every wait until it is used up',
    run(stage) {
      assertWritable(stage, stage.pair());
      assertWritable(stage, stage.pipe());
      return undefined;
    },
  },
  {
    name: 'both ways of one descriptor are one report',
    run(stage) {
      const [left, right] = stage.pair();
      stage.poller.register(left, Interest.both, 1);
      assert.deepEqual(stage.wait(), [{ token: 1, interest: Interest.write, errno: 0 }]);
      stage.write(right);
      assert.deepEqual(stage.wait(), [{ token: 1, interest: Interest.both, errno: 0 }]);
      stage.fill(left);
      assert.deepEqual(stage.wait(), [{ token: 1, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'both ends of a connection in one poller do not mix',
    run(stage) {
      const { client, server } = stage.tcp();
      stage.poller.register(client, Interest.read, 1);
      stage.poller.register(server, Interest.write, 2);
      assert.deepEqual(stage.wait(), [{ token: 2, interest: Interest.write, errno: 0 }]);
      stage.write(server);
      stage.poller.modify(server, Interest.read, 2);
      assert.deepEqual(stage.waitForReports(), [{ token: 1, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'an end of stream makes ready for reading, and says nothing about writing',
    run(stage) {
      const { client, server } = stage.tcp();
      assert.ok(stage.sys.shutdown(client, stage.sys.abi.constants.SHUT_WR) >= 0);
      waitUntilReady(stage, server, Interest.read);
      assert.equal(readyFor(stage, server, Interest.read), Interest.read);
      stage.fill(server);
      assert.equal(readyFor(stage, server, Interest.write), Interest.none);
      return undefined;
    },
  },
  {
    name: 'a peer that closed makes ready whatever is of interest',
    run(stage) {
      const [left, right] = stage.pair();
      stage.fill(left);
      stage.closeFd(right);
      assertReadyForAll(stage, left);
      return undefined;
    },
  },
  {
    name: 'a reset makes ready whatever is of interest',
    run(stage) {
      const ends = stage.tcp();
      stage.reset(ends);
      assertReadyForAll(stage, ends.client);
      return undefined;
    },
  },
  {
    name: 'a pipe whose other end is closed is ready',
    run(stage) {
      const [reader, writer] = stage.pipe();
      stage.closeFd(writer);
      assert.equal(readyFor(stage, reader, Interest.read), Interest.read);
      const [otherReader, otherWriter] = stage.pipe();
      stage.fill(otherWriter);
      stage.closeFd(otherReader);
      assert.equal(readyFor(stage, otherWriter, Interest.write), Interest.write);
      return undefined;
    },
  },
  {
    name: 'a connection to accept makes a listener readable',
    run(stage) {
      const { fd, address, length } = stage.listener();
      stage.poller.register(fd, Interest.read, 1);
      stage.idle();
      stage.connecting(address, length);
      assert.deepEqual(stage.waitForReports(), [{ token: 1, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'a connect that is done makes writable, without an error',
    run(stage) {
      const { address, length } = stage.listener();
      const client = stage.connecting(address, length);
      stage.poller.register(client, Interest.both, 1);
      assert.deepEqual(stage.waitForReports(), [{ token: 1, interest: Interest.write, errno: 0 }]);
      assert.equal(pendingError(stage, client), 0);
      return undefined;
    },
  },
  {
    name: 'a connect that is refused makes ready, and the error is told once',
    run(stage) {
      const { fd, address, length } = stage.listener();
      stage.closeFd(fd);
      const client = stage.connecting(address, length);
      stage.poller.register(client, Interest.write, 1);
      const [report] = stage.waitForReports();
      assert.equal(report?.interest, Interest.write);
      const errno = report.errno === 0 ? pendingError(stage, client) : report.errno;
      assert.equal(errno, stage.sys.abi.errno.ECONNREFUSED);
      return undefined;
    },
  },
];
