/** Streams over socket pairs, whose other ends a test drives by hand. */

import assert from 'node:assert/strict';
import type { Backend, Stream, StreamSink } from '#src/loop/backend.js';
import { writeNamed } from '#src/socket/options/calls.js';
import type { Sys } from '#src/sys/sys.js';

/** Two connected, non-blocking sockets of this process. */
export function socketPair(sys: Sys): [number, number] {
  const { AF_UNIX, SOCK_STREAM, SOCK_NONBLOCK = 0, SOCK_CLOEXEC = 0 } = sys.abi.constants;
  const pair = new Int32Array(2);
  assert.equal(sys.socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
  const [left = -1, right = -1] = pair;
  return [left, right];
}

/** Sends what there is room for, and returns how much. */
export function pushInto(sys: Sys, fd: number, bytes: Uint8Array): number {
  const sent = sys.send(fd, bytes, 0, bytes.length, sys.abi.constants.MSG_NOSIGNAL ?? 0);
  assert.ok(sent > 0 || sent === -sys.abi.errno.EAGAIN, `send: ${sent}`);
  return Math.max(sent, 0);
}

const buffer = new Uint8Array(65536);

/** Takes all that has arrived by now. */
export function takeFrom(sys: Sys, fd: number): Buffer {
  const pieces: Buffer[] = [];
  for (;;) {
    const length = sys.recv(fd, buffer, 0, buffer.length, 0);
    if (length <= 0) return Buffer.concat(pieces);
    pieces.push(Buffer.from(buffer.subarray(0, length)));
  }
}

/** A stream, its peer, and how often each of its callbacks has run. */
export class Wired {
  readonly stream: Stream;
  /** The other end. The test closes it. */
  readonly peer: number;
  received = 0;
  ends = 0;
  drains = 0;
  closes = 0;
  readonly errors: number[] = [];

  /** With `sendBytes` next to nothing fits into the socket: SO_SNDBUF. */
  constructor(sys: Sys, backend: Backend, sink: Partial<StreamSink> = {}, sendBytes?: number) {
    const [own, peer] = socketPair(sys);
    if (sendBytes !== undefined) writeNamed(sys, own, 'SO_SNDBUF', sendBytes);
    this.peer = peer;
    this.stream = backend.open(own, {
      received: (chunk) => {
        this.received += chunk.length;
        sink.received?.(chunk);
      },
      ended: () => {
        this.ends += 1;
        sink.ended?.();
      },
      failed: (errno) => {
        this.errors.push(errno);
        sink.failed?.(errno);
      },
      drained: () => {
        this.drains += 1;
        sink.drained?.();
      },
      closed: () => {
        this.closes += 1;
        sink.closed?.();
      },
    });
  }
}
