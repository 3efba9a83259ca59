/** The fixture of a case: an environment, a poller, and descriptors that it closes at the end. */

import assert from 'node:assert/strict';
import type { Interest, Poller, ReadySink } from '#src/poller/poller.js';
import { createPoller } from '#src/poller/pollers.js';
import { openPipe, openSocketPair, openStream, setNonblocking } from '#src/sys/descriptors.js';
import { errnoName } from '#src/sys/errno.js';
import { raiseOpenFilesLimit } from '#src/sys/rlimit.js';
import { encodeSockaddr, SOCKADDR_BYTES_MAX } from '#src/sys/sockaddr.js';
import type { Sys } from '#src/sys/sys.js';
import type { Environment, PollerTarget } from './environment.ts';

/** A report of a poller for one descriptor. */
export interface Report {
  readonly token: number;
  readonly interest: Interest;
  readonly errno: number;
}

/** One direction of a connection of two descriptors. */
export type Ends = readonly [left: number, right: number];

/** Both ends of a TCP connection over a listener. */
export interface TcpEnds {
  readonly client: number;
  readonly server: number;
}

/** The most time of a wait that must end by itself. */
export const PATIENCE_MS = 5000;

const byte = new Uint8Array([120]);
const chunk = new Uint8Array(65_536);

export class Fixture {
  readonly target: PollerTarget;
  readonly environment: Environment;
  readonly sys: Sys;
  readonly poller: Poller;
  readonly #open = new Set<number>();
  readonly #pollers: Poller[] = [];

  constructor(target: PollerTarget, environment: Environment) {
    this.target = target;
    this.environment = environment;
    this.sys = environment.sys;
    this.poller = this.anotherPoller();
  }

  /** One more poller of the same kind. */
  anotherPoller(): Poller {
    const { poller, waker } = this.target;
    const another = createPoller(poller, { sys: this.sys, waker });
    this.#pollers.push(another);
    return another;
  }

  /** Closes everything that the case opened. */
  close(): void {
    for (const poller of this.#pollers) poller.close();
    for (const fd of this.#open) this.sys.close(fd);
    this.environment.close();
  }

  /** Remembers `fd`, the result of a call, to close it in the end. */
  keep(fd: number): number {
    assert.ok(fd >= 0, `the call failed: ${errnoName(this.sys.abi, fd)}`);
    this.#open.add(fd);
    return fd;
  }

  /** close(2), behind the poller's back. */
  closeFd(fd: number): void {
    assert.ok(this.sys.close(fd) >= 0);
    this.#open.delete(fd);
  }

  /** Two connected UNIX sockets that do not block. */
  pair(): Ends {
    const pair = new Int32Array(2);
    assert.ok(openSocketPair(this.sys, this.sys.abi.constants.SOCK_STREAM, pair) >= 0);
    return this.#nonblocking(pair);
  }

  /** A pipe: the end for reading, the end for writing. */
  pipe(): Ends {
    const pair = new Int32Array(2);
    assert.ok(openPipe(this.sys, pair, true) >= 0);
    return this.#nonblocking(pair);
  }

  #nonblocking(pair: Int32Array): Ends {
    const [left = -1, right = -1] = pair;
    for (const fd of [left, right]) assert.ok(setNonblocking(this.sys, this.keep(fd), true) >= 0);
    return [left, right];
  }

  /** A listener on the loopback, and its address. */
  listener(): { readonly fd: number; readonly address: Uint8Array; readonly length: number } {
    const { sys } = this;
    const fd = this.keep(openStream(sys, sys.abi.constants.AF_INET));
    assert.ok(setNonblocking(sys, fd, true) >= 0);
    const address = new Uint8Array(SOCKADDR_BYTES_MAX);
    const loopback = { family: 'IPv4', address: '127.0.0.1', port: 0 } as const;
    const length = encodeSockaddr(sys.abi, loopback, address);
    assert.ok(sys.bind(fd, address, length) >= 0);
    assert.ok(sys.listen(fd, 5) >= 0);
    assert.ok(sys.getsockname(fd, address, new Int32Array([address.length])) >= 0);
    return { fd, address, length };
  }

  /** A socket whose connect(2) to that address has begun. */
  connecting(address: Uint8Array, length: number): number {
    const { sys } = this;
    const fd = this.keep(openStream(sys, sys.abi.constants.AF_INET));
    assert.ok(setNonblocking(sys, fd, true) >= 0);
    const result = sys.connect(fd, address, length);
    assert.ok(result >= 0 || result === -sys.abi.errno.EINPROGRESS);
    return fd;
  }

  /** A TCP connection over the loopback. */
  tcp(): TcpEnds {
    const { sys } = this;
    const listener = this.listener();
    const client = this.connecting(listener.address, listener.length);
    this.#pollFor(listener.fd, sys.abi.constants.POLLIN);
    const address = new Uint8Array(SOCKADDR_BYTES_MAX);
    const server = this.keep(sys.accept(listener.fd, address, new Int32Array([address.length])));
    assert.ok(setNonblocking(sys, server, true) >= 0);
    this.#pollFor(client, sys.abi.constants.POLLOUT);
    this.closeFd(listener.fd);
    return { client, server };
  }

  /** Resets a connection: a close over unread bytes does so on every kernel. */
  reset(ends: TcpEnds): void {
    this.write(ends.client);
    this.#pollFor(ends.server, this.sys.abi.constants.POLLIN);
    this.closeFd(ends.server);
    this.#pollFor(ends.client, this.sys.abi.constants.POLLIN);
  }

  #pollFor(fd: number, events: number): void {
    const { size, fields } = this.sys.abi.structs.pollfd;
    const view = new DataView(new ArrayBuffer(size));
    view.setInt32(fields.fd.offset, fd, true);
    view.setInt16(fields.events.offset, events, true);
    assert.equal(this.sys.poll(new Uint8Array(view.buffer), 1, PATIENCE_MS), 1);
  }

  /** A duplicate, to be closed in the end. */
  dup(fd: number): number {
    return this.keep(this.sys.dup(fd));
  }

  /** `count` duplicates, or the reason for fewer. */
  dups(fd: number, count: number): number[] | { readonly skip: string } {
    const limit = raiseOpenFilesLimit(this.sys);
    // The test and the runner have descriptors of their own.
    if (limit < count + 100) return { skip: `only ${limit} descriptors may be open` };
    return Array.from({ length: count }, () => this.dup(fd));
  }

  /** Writes one byte. */
  write(fd: number): void {
    assert.equal(this.sys.write(fd, byte, 0, 1), 1);
  }

  /** Writes until there is no room. */
  fill(fd: number): void {
    while (this.sys.write(fd, chunk, 0, chunk.length) > 0);
  }

  /** Reads until there is nothing. */
  drain(fd: number): void {
    while (this.sys.read(fd, chunk, 0, chunk.length) > 0);
  }

  /** Waits, and checks the number of reports. */
  wait(timeoutMs: number | null = 0, also?: (report: Report) => void): Report[] {
    const reports: Report[] = [];
    const sink: ReadySink = {
      ready(token, interest, errno) {
        const report = { token, interest, errno };
        reports.push(report);
        also?.(report);
      },
    };
    const count = this.poller.wait(timeoutMs, sink);
    assert.equal(count, reports.length, 'wait returns how many reports there were');
    const tokens = reports.map(({ token }) => token);
    assert.equal(new Set(tokens).size, tokens.length, 'one report for one registration');
    return reports;
  }

  /** Waits for a report: the network may take a moment. */
  waitForReports(): Report[] {
    const reports = this.wait(PATIENCE_MS);
    assert.ok(reports.length > 0, 'the wait ended in time');
    return reports;
  }

  /** Waits with nothing ready: the wait lasts for its whole time and reports nothing. */
  idle(timeoutMs = 10): void {
    const startMs = this.sys.monotonicMs();
    assert.deepEqual(this.wait(timeoutMs), []);
    this.sinceAtLeast(startMs, timeoutMs);
  }

  /** Asserts that `timeoutMs` have passed. */
  sinceAtLeast(startMs: number, timeoutMs: number): void {
    const elapsedMs = this.sys.monotonicMs() - startMs;
    // A sum of fractions is off by a few billionths.
    assert.ok(elapsedMs >= timeoutMs - 1e-6, `${elapsedMs} ms of ${timeoutMs} ms have passed`);
  }

  /** Asserts that a wait since `startMs` did not end by its timeout. */
  sinceLessThan(startMs: number, timeoutMs: number): void {
    const elapsedMs = this.sys.monotonicMs() - startMs;
    assert.ok(elapsedMs < timeoutMs, `it took ${elapsedMs} ms`);
  }
}
