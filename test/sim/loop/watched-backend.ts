import type {
  Acceptance,
  AcceptSink,
  Backend,
  BackendName,
  BackendStats,
  ConnectSink,
  Handle,
  Stream,
  StreamSink,
  StreamTotals,
  Watch,
  WatchSink,
} from '#src/loop/backend.js';
import type {
  DatagramHandle,
  DatagramSettings,
  DatagramSink,
} from '#src/loop/datagram/contract.js';
import type { Interest, WakeHandle } from '#src/poller/poller.js';
import type { Sys } from '#src/sys/sys.js';
import type { Oracle } from './oracle.ts';
import {
  type Call,
  type Heard,
  newHeard,
  WatchedAcceptance,
  WatchedHandle,
  WatchedStream,
} from './watched-handles.ts';

/** A backend under observation: a broken law is a violation. */
export class WatchedBackend implements Backend {
  readonly #inner: Backend;
  readonly #oracle: Oracle;
  readonly #sys: Sys;
  #delivering = false;
  #calls = 0;

  constructor(inner: Backend, sys: Sys, oracle: Oracle) {
    this.#inner = inner;
    this.#sys = sys;
    this.#oracle = oracle;
  }

  get name(): BackendName {
    return this.#inner.name;
  }

  get fdLimit(): number {
    return this.#inner.fdLimit;
  }

  get stats(): BackendStats {
    return this.#inner.stats;
  }

  get wakeHandle(): WakeHandle {
    return this.#inner.wakeHandle;
  }

  get pollFd(): number {
    return this.#inner.pollFd;
  }

  get isQuiet(): boolean {
    return this.#inner.isQuiet;
  }

  get active(): number {
    return this.#inner.active;
  }

  accept(fd: number, sink: AcceptSink, limited?: boolean): Acceptance {
    const heard = newHeard('a listener');
    const watched: AcceptSink = {
      accepted: (newFd) => {
        this.#flows(heard, 'accepted');
        this.#oracle.expect(newFd >= 0, 'accepted no descriptor');
        sink.accepted(newFd);
      },
      exhausted: (errno, shed) => {
        this.#flows(heard, 'exhausted');
        // The backend has paused it.
        heard.paused = true;
        sink.exhausted(errno, shed);
      },
      failed: (errno) => this.#fails(heard, errno, () => sink.failed(errno)),
      closed: () => this.#closes(heard, () => sink.closed()),
    };
    const begun = this.#call(() => this.#inner.accept(fd, watched, limited));
    return new WatchedAcceptance(begun, heard, this.#call);
  }

  datagrams(fd: number, sink: DatagramSink, settings: DatagramSettings): DatagramHandle {
    return this.#inner.datagrams(fd, sink, settings);
  }

  open(fd: number, sink: StreamSink): Stream {
    const heard = newHeard('a stream');
    const watched: StreamSink = {
      received: (chunk) => {
        this.#flows(heard, 'received');
        this.#oracle.expect(!heard.ended, 'bytes came after the end');
        this.#oracle.expect(chunk.length > 0, 'received no bytes');
        sink.received(chunk);
      },
      ended: () => {
        this.#flows(heard, 'ended');
        this.#oracle.expect(!heard.ended, 'the end came twice');
        heard.ended = true;
        sink.ended();
      },
      failed: (errno) => this.#fails(heard, errno, () => sink.failed(errno)),
      drained: () => {
        this.#delivers(heard, 'drained');
        this.#oracle.expect(heard.queued, 'drained, and nothing was queued');
        heard.queued = false;
        sink.drained();
      },
      check: () => sink.check?.(),
      closed: () => this.#closes(heard, () => sink.closed()),
    };
    const begun = this.#call(() => this.#inner.open(fd, watched));
    return new WatchedStream(begun, heard, this.#call, this.#oracle);
  }

  connect(fd: number, address: Uint8Array, length: number, sink: ConnectSink): Handle {
    const heard = newHeard('a connect');
    const watched: ConnectSink = {
      connected: (newFd) => {
        this.#delivers(heard, 'connected');
        this.#oracle.expect(newFd === fd, 'connected with another descriptor');
        heard.closed = true;
        sink.connected(newFd);
      },
      failed: (errno) => this.#fails(heard, errno, () => sink.failed(errno)),
      closed: () => this.#closes(heard, () => sink.closed()),
    };
    const begun = this.#call(() => this.#inner.connect(fd, address, length, watched));
    return new WatchedHandle(begun, heard, this.#call);
  }

  watch(fd: number, interest: Interest, sink: WatchSink): Watch {
    const heard = newHeard('a watch');
    const watched: WatchSink = {
      ready: (found, errno) => {
        this.#delivers(heard, 'ready');
        this.#oracle.expect(found !== 0, 'ready for nothing');
        sink.ready(found, errno);
      },
    };
    return this.#call(() => this.#inner.watch(fd, interest, watched));
  }

  poll(timeoutMs: number | null): void {
    this.#deliver(() => this.#inner.poll(timeoutMs));
  }

  closePhase(): void {
    this.#deliver(() => this.#inner.closePhase());
  }

  wake(): void {
    this.#inner.wake();
  }

  fds(): number[] {
    return this.#inner.fds();
  }

  check(): void {
    this.#inner.check?.();
  }

  streamTotals(): StreamTotals {
    return this.#inner.streamTotals();
  }

  destroy(atOnce?: boolean): void {
    this.#inner.destroy(atOnce);
  }

  readonly #call: Call = (call) => {
    this.#calls += 1;
    try {
      return call();
    } finally {
      this.#calls -= 1;
    }
  };

  #deliver(deliveries: () => void): void {
    this.#delivering = true;
    try {
      deliveries();
    } finally {
      this.#delivering = false;
    }
  }

  /** Laws 1, 2 and 6: not inside of a call, nor after `failed` or the close. */
  #delivers({ what, failed, closed, closing }: Heard, name: string): void {
    const oracle = this.#oracle;
    oracle.callbacks += 1;
    if (!this.#delivering) oracle.broken(`${name} of ${what} outside of poll and closePhase`);
    if (this.#calls > 0) oracle.broken(`${name} of ${what} inside of a call`);
    if (closed) oracle.broken(`${name} of ${what} that is over`);
    if (name === 'closed') return;
    if (failed) oracle.broken(`${name} of ${what} that has failed`);
    if (closing) oracle.broken(`${name} of ${what} that was closed`);
  }

  #flows(heard: Heard, name: string): void {
    this.#delivers(heard, name);
    if (heard.paused) this.#oracle.broken(`${name} of ${heard.what} that is paused`);
  }

  #fails(heard: Heard, errno: number, tell: () => void): void {
    this.#delivers(heard, 'failed');
    const { EAGAIN, EINPROGRESS, EINTR } = this.#sys.abi.errno;
    // A UNIX listener whose backlog is full answers a connect with EAGAIN.
    const hidden = heard.what === 'a connect' ? [EINPROGRESS, EINTR] : [EAGAIN, EINPROGRESS, EINTR];
    this.#oracle.expect(errno > 0 && !hidden.includes(errno), `${heard.what} failed: ${errno}`);
    heard.failed = true;
    tell();
  }

  #closes(heard: Heard, tell: () => void): void {
    this.#delivers(heard, 'closed');
    const ends = heard.failed || heard.closing || heard.retiring;
    this.#oracle.expect(ends, `${heard.what} closed by itself`);
    heard.closed = true;
    tell();
  }
}
