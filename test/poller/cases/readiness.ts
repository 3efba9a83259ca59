/** What makes a descriptor ready, and for what. */

import assert from 'node:assert/strict';
import { Interest } from '#src/poller/poller.js';
import { type Ends, type Fixture, PATIENCE_MS } from '../fixture.ts';
import type { PollerCase } from '../suite.ts';

/** What is reported of `fd` while it is watched for `interest`. */
function readyFor(fixture: Fixture, fd: number, interest: Interest): Interest {
  fixture.poller.register(fd, interest, 1);
  const [report] = fixture.wait();
  fixture.poller.deregister(fd);
  return report?.interest ?? Interest.none;
}

/** Each interest alone, and both. */
function assertReadyForAll(fixture: Fixture, fd: number): void {
  for (const interest of [Interest.read, Interest.write, Interest.both]) {
    assert.equal(readyFor(fixture, fd, interest), interest);
  }
}

/** Waits until `fd` is ready for `interest`. */
function waitUntilReady(fixture: Fixture, fd: number, interest: Interest): void {
  fixture.poller.register(fd, interest, 1);
  fixture.waitForReports();
  fixture.poller.deregister(fd);
}

function pendingError(fixture: Fixture, fd: number): number {
  const { SOL_SOCKET, SO_ERROR } = fixture.sys.abi.constants;
  const value = new Uint8Array(4);
  assert.ok(fixture.sys.getsockopt(fd, SOL_SOCKET, SO_ERROR, value, new Int32Array([4])) >= 0);
  return new DataView(value.buffer).getInt32(0, true);
}

/** Bytes make one end readable until they are read. */
function assertReadable(fixture: Fixture, [reader, writer]: Ends): void {
  fixture.poller.register(reader, Interest.read, 1);
  fixture.idle();
  fixture.write(writer);
  fixture.write(writer);
  const ready = [{ token: 1, interest: Interest.read, errno: 0 }];
  // Level-triggered: reported until the bytes are read.
  for (let wait = 0; wait < 3; wait += 1) assert.deepEqual(fixture.wait(), ready);
  assert.equal(fixture.sys.read(reader, new Uint8Array(1), 0, 1), 1);
  assert.deepEqual(fixture.wait(), ready);
  fixture.drain(reader);
  fixture.idle();
  fixture.poller.deregister(reader);
}

/** A full end is not writable until there is room again. */
function assertWritable(fixture: Fixture, [reader, writer]: Ends): void {
  fixture.poller.register(writer, Interest.write, 1);
  const ready = [{ token: 1, interest: Interest.write, errno: 0 }];
  for (let wait = 0; wait < 3; wait += 1) assert.deepEqual(fixture.wait(), ready);
  fixture.fill(writer);
  fixture.idle();
  fixture.drain(reader);
  assert.deepEqual(fixture.wait(PATIENCE_MS), ready);
  fixture.poller.deregister(writer);
}

export const readinessCases: readonly PollerCase[] = [
  {
    name: 'bytes make a socket and a pipe readable, at every wait until they are read',
    run(fixture) {
      assertReadable(fixture, fixture.pair());
      assertReadable(fixture, fixture.pipe());
      return undefined;
    },
  },
  {
    name: 'room makes a socket and a pipe writable, at every wait until it is used up',
    run(fixture) {
      assertWritable(fixture, fixture.pair());
      assertWritable(fixture, fixture.pipe());
      return undefined;
    },
  },
  {
    name: 'both ways of one descriptor are one report',
    run(fixture) {
      const [left, right] = fixture.pair();
      fixture.poller.register(left, Interest.both, 1);
      assert.deepEqual(fixture.wait(), [{ token: 1, interest: Interest.write, errno: 0 }]);
      fixture.write(right);
      assert.deepEqual(fixture.wait(), [{ token: 1, interest: Interest.both, errno: 0 }]);
      fixture.fill(left);
      assert.deepEqual(fixture.wait(), [{ token: 1, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'both ends of a connection in one poller do not mix',
    run(fixture) {
      const { client, server } = fixture.tcp();
      fixture.poller.register(client, Interest.read, 1);
      fixture.poller.register(server, Interest.write, 2);
      assert.deepEqual(fixture.wait(), [{ token: 2, interest: Interest.write, errno: 0 }]);
      fixture.write(server);
      fixture.poller.modify(server, Interest.read, 2);
      assert.deepEqual(fixture.waitForReports(), [{ token: 1, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'an end of stream makes ready for reading, and says nothing about writing',
    run(fixture) {
      const { client, server } = fixture.tcp();
      assert.ok(fixture.sys.shutdown(client, fixture.sys.abi.constants.SHUT_WR) >= 0);
      waitUntilReady(fixture, server, Interest.read);
      assert.equal(readyFor(fixture, server, Interest.read), Interest.read);
      fixture.fill(server);
      assert.equal(readyFor(fixture, server, Interest.write), Interest.none);
      return undefined;
    },
  },
  {
    name: 'a peer that closed makes ready whatever is of interest',
    run(fixture) {
      const [left, right] = fixture.pair();
      fixture.fill(left);
      fixture.closeFd(right);
      assertReadyForAll(fixture, left);
      return undefined;
    },
  },
  {
    name: 'a reset makes ready whatever is of interest',
    run(fixture) {
      const ends = fixture.tcp();
      fixture.reset(ends);
      assertReadyForAll(fixture, ends.client);
      return undefined;
    },
  },
  {
    name: 'a pipe whose other end is closed is ready',
    run(fixture) {
      const [reader, writer] = fixture.pipe();
      fixture.closeFd(writer);
      assert.equal(readyFor(fixture, reader, Interest.read), Interest.read);
      const [otherReader, otherWriter] = fixture.pipe();
      fixture.fill(otherWriter);
      fixture.closeFd(otherReader);
      assert.equal(readyFor(fixture, otherWriter, Interest.write), Interest.write);
      return undefined;
    },
  },
  {
    name: 'a connection to accept makes a listener readable',
    run(fixture) {
      const { fd, address, length } = fixture.listener();
      fixture.poller.register(fd, Interest.read, 1);
      fixture.idle();
      fixture.connecting(address, length);
      assert.deepEqual(fixture.waitForReports(), [{ token: 1, interest: Interest.read, errno: 0 }]);
      return undefined;
    },
  },
  {
    name: 'a connect that is done makes writable, without an error',
    run(fixture) {
      const { address, length } = fixture.listener();
      const client = fixture.connecting(address, length);
      fixture.poller.register(client, Interest.both, 1);
      assert.deepEqual(fixture.waitForReports(), [
        { token: 1, interest: Interest.write, errno: 0 },
      ]);
      assert.equal(pendingError(fixture, client), 0);
      return undefined;
    },
  },
  {
    name: 'a connect that is refused makes ready, and the error is told once',
    run(fixture) {
      const { fd, address, length } = fixture.listener();
      fixture.closeFd(fd);
      const client = fixture.connecting(address, length);
      fixture.poller.register(client, Interest.write, 1);
      const [report] = fixture.waitForReports();
      assert.equal(report?.interest, Interest.write);
      const errno = report.errno === 0 ? pendingError(fixture, client) : report.errno;
      assert.equal(errno, fixture.sys.abi.errno.ECONNREFUSED);
      return undefined;
    },
  },
];
