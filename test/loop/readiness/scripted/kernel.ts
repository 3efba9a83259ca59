/** A loop on a poller whose kernel is the test: which calls are made, and what they return. */

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { ReadinessBackend } from '#src/loop/readiness/backend.js';
import { Interest, type ReadySink } from '#src/poller/poller.js';
import type { LoopPoller, RidingCalls } from '#src/poller/riding-calls.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { SysError, sysError } from '#src/sys/sys-error.js';
import { standIn } from '#test/sys/stand-in.js';
import { shown } from '../../scripted-sinks.ts';

/** No process has a descriptor of these numbers. */
const FIRST_FD = 100_000;
const RESERVE_FD = 300_000;

/** What a descriptor is ready for, in the next wait. */
interface Event {
  readonly fd: number;
  readonly interest: number;
  readonly errno: number;
}

interface Registration {
  interest: Interest;
  token: number;
  readonly edge: boolean;
}

/** What receives return: bytes, 0 or `-errno`; EAGAIN behind them. */
type Received = Uint8Array | number;

export class ScriptedKernel {
  readonly backend: ReadinessBackend;
  readonly sys: Sys;
  /** What was called, in words. */
  #calls: string[] = [];
  readonly receives = new Map<number, Received[]>();
  /** What the next accept4(2), connect(2) and send(2) return: EAGAIN, 0, and all behind these. */
  readonly accepts: number[] = [];
  readonly connects: number[] = [];
  readonly sends: number[] = [];
  /** What getsockopt(2) reads: SO_ERROR. */
  pendingError = 0;
  shutdownResult = 0;
  /** The errno with which the poller refuses a change; 0 for none. */
  refusal = 0;
  /** Called when it does. */
  onRefuse: () => void = () => undefined;
  nowMs = 1000;
  /** The bytes that were taken, by descriptor. */
  readonly sent = new Map<number, string>();
  readonly #registered = new Map<number, Registration>();
  readonly #edge: boolean;
  readonly #events: Event[] = [];
  #riding: RidingCalls | null = null;
  #fds = FIRST_FD;

  constructor(t: TestContext, edge: boolean) {
    this.#edge = edge;
    this.sys = standIn(nativeSys(), this.#own());
    this.backend = new ReadinessBackend(this.sys, this.#poller(), { oneByOne: true });
    t.after(() => this.backend.destroy());
  }

  #called(what: string, result: number): number {
    this.#calls.push(what);
    return result;
  }

  #own(): Partial<Sys> {
    const { abi } = nativeSys();
    const { EAGAIN, ENOSYS } = abi.errno;
    return {
      abi: { ...abi, behaviours: { ...abi.behaviours, accept4: true } },
      monotonicMs: () => this.nowMs,
      timerfd_create: () => -ENOSYS,
      open: () => RESERVE_FD,
      // The wait.
      poll: (_fds, _count, timeoutMs) => this.#called(`wait ${timeoutMs}`, 0),
      recv: (fd, bytes, offset) => {
        const next = this.receives.get(fd)?.shift() ?? -EAGAIN;
        if (typeof next === 'number') return this.#called(`recv ${fd}`, next);
        bytes.set(next, offset);
        return this.#called(`recv ${fd}`, next.length);
      },
      send: (fd, bytes, offset, length) => {
        const result = this.sends.shift() ?? length;
        const text = Buffer.from(bytes.subarray(offset, offset + Math.max(0, result)));
        this.sent.set(fd, (this.sent.get(fd) ?? '') + text.toString('latin1'));
        return this.#called(`send ${fd} ${shown(bytes.subarray(offset, offset + length))}`, result);
      },
      accept4: (fd) => this.#called(`accept ${fd}`, this.accepts.shift() ?? -EAGAIN),
      connect: (fd) => this.#called(`connect ${fd}`, this.connects.shift() ?? 0),
      shutdown: (fd) => this.#called(`shutdown ${fd}`, this.shutdownResult),
      close: (fd) => this.#called(`close ${fd}`, 0),
      setsockopt: (fd, _level, _name, value) =>
        this.#called(`setsockopt ${fd} ${value.join('')}`, 0),
      getsockopt: (_fd, _level, _name, value) => {
        new DataView(value.buffer, value.byteOffset).setInt32(0, this.pendingError, true);
        return 0;
      },
    };
  }

  #poller(): LoopPoller {
    return {
      name: 'poll',
      fdLimit: Number.POSITIVE_INFINITY,
      edgeTriggered: this.#edge,
      wakeHandle: { kind: 'eventfd', fd: -1 },
      fds: [],
      pollFd: -1,
      interrupted: false,
      register: (fd, interest, token, edge = false) => this.#register(fd, interest, token, edge),
      modify: (fd, interest, token) => this.#modify(fd, interest, token),
      deregister: (fd) => this.#deregister(`deregister ${fd}`, fd),
      forget: (fd) => this.#deregister(`forget ${fd}`, fd),
      wait: (timeoutMs, sink) => this.#wait(timeoutMs, sink),
      wake: () => undefined,
      close: () => undefined,
      ride: (calls) => {
        this.#riding = calls;
      },
      installAgain: () => null,
      registrations: () => [...this.#registered].map(([fd, known]) => ({ ...known, fd })),
    };
  }

  #refuse(): void {
    if (this.refusal === 0) return;
    this.onRefuse();
    const error = sysError(this.sys, -this.refusal, 'epoll_ctl', 'watch a descriptor');
    assert.ok(error instanceof SysError);
    throw error;
  }

  #register(fd: number, interest: Interest, token: number, edge: boolean): void {
    this.#refuse();
    assert.ok(!this.#registered.has(fd), `${fd} is registered twice`);
    this.#registered.set(fd, { interest, token, edge });
    this.#called(`register ${fd} ${named(interest)}${edge ? ' edge' : ''}`, 0);
  }

  #modify(fd: number, interest: Interest, token: number): void {
    this.#refuse();
    const known = this.#registered.get(fd) ?? assert.fail(`${fd} is not registered`);
    known.interest = interest;
    known.token = token;
    this.#called(`modify ${fd} ${named(interest)}`, 0);
  }

  #deregister(what: string, fd: number): void {
    assert.ok(this.#registered.delete(fd), `${fd} is not registered`);
    this.#called(what, 0);
  }

  #wait(timeoutMs: number | null, sink: ReadySink): number {
    const before = this.#calls.length;
    this.#riding?.poll(new Uint8Array(0), 0, timeoutMs ?? -1);
    // An unexpected result of a call has left the wait out.
    if (!this.#calls.slice(before).some((call) => call.startsWith('wait'))) return 0;
    let reports = 0;
    for (const { fd, interest, errno } of this.#events.splice(0)) {
      const known = this.#registered.get(fd);
      const wanted = (known?.interest ?? 0) & interest;
      // A hang-up or an error counts for any interest.
      if (known === undefined || (wanted === 0 && errno === 0)) continue;
      reports += 1;
      const extra = known.edge ? interest & ~Interest.both : 0;
      sink.ready(known.token, ((errno === 0 ? wanted : known.interest) | extra) as Interest, errno);
    }
    return reports;
  }

  /** What was called since the last look, without waits. */
  calls(): string[] {
    const calls = this.#calls.filter((call) => !call.startsWith('wait'));
    this.#calls = [];
    return calls;
  }

  /** The times of the waits since the last look. */
  waits(): string[] {
    const waits = this.#calls.filter((call) => call.startsWith('wait'));
    this.#calls = [];
    return waits;
  }

  /** The next wait reports `fd`. */
  ready(fd: number, interest: number, errno = 0): void {
    this.#events.push({ fd, interest, errno });
  }

  /** Bytes, an end or an error come, and the next wait reports it. */
  bring(fd: number, ...received: readonly (Received | string)[]): void {
    const bytes = received.map((one) => (typeof one === 'string' ? Buffer.from(one) : one));
    this.receives.set(fd, [...(this.receives.get(fd) ?? []), ...bytes]);
    this.ready(fd, Interest.read);
  }

  turn(timeoutMs = 0): void {
    this.backend.poll(timeoutMs);
    this.backend.closePhase();
  }

  /** The next number is that of an earlier descriptor. */
  newFdIs(fd: number): void {
    this.#fds = fd - 1;
  }

  newFd(): number {
    this.#fds += 1;
    return this.#fds;
  }
}

function named(interest: Interest): string {
  return ['none', 'read', 'write', 'both'][interest] ?? '';
}
