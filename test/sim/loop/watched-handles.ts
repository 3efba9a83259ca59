import type { Acceptance, Handle, Stream, Subscription } from '#src/loop/backend.js';
import type { Oracle } from './oracle.ts';

/** The events of a handle, and the requests of its user. */
export interface Heard {
  readonly what: string;
  paused: boolean;
  retiring: boolean;
  closing: boolean;
  ended: boolean;
  failed: boolean;
  closed: boolean;
  queued: boolean;
}

/** A record of {@link Heard} at its beginning. `what` names the handle in failures. */
export function newHeard(what: string): Heard {
  return {
    what,
    paused: false,
    retiring: false,
    closing: false,
    ended: false,
    failed: false,
    closed: false,
    queued: false,
  };
}

/** Makes a call into the backend, during which no sink may be called. */
export type Call = <Result>(call: () => Result) => Result;

/** A handle that records its requests. */
export class WatchedHandle<Inner extends Handle = Handle> implements Handle {
  protected readonly inner: Inner;
  protected readonly heard: Heard;
  protected readonly call: Call;

  constructor(inner: Inner, heard: Heard, call: Call) {
    this.inner = inner;
    this.heard = heard;
    this.call = call;
  }

  get fd(): number {
    return this.inner.fd;
  }

  close(): void {
    this.heard.closing = true;
    this.call(() => this.inner.close());
  }
}

class WatchedSubscription<Inner extends Subscription = Subscription>
  extends WatchedHandle<Inner>
  implements Subscription
{
  pause(): void {
    // What a listener that retires has accepted is delivered all the same.
    this.heard.paused = !this.heard.retiring;
    this.call(() => this.inner.pause());
  }

  resume(): void {
    this.heard.paused = false;
    this.call(() => this.inner.resume());
  }
}

export class WatchedAcceptance extends WatchedSubscription<Acceptance> implements Acceptance {
  retire(): void {
    this.heard.paused = false;
    this.heard.retiring = true;
    this.call(() => this.inner.retire());
  }
}

export class WatchedStream extends WatchedSubscription<Stream> implements Stream {
  readonly #oracle: Oracle;

  constructor(inner: Stream, heard: Heard, call: Call, oracle: Oracle) {
    super(inner, heard, call);
    this.#oracle = oracle;
  }

  get queuedBytes(): number {
    return this.inner.queuedBytes;
  }

  get queuedBytesAtMost(): number {
    return this.inner.queuedBytesAtMost;
  }

  get unsentBytes(): number {
    return this.inner.unsentBytes;
  }

  get broken(): boolean {
    return this.inner.broken;
  }

  send(bytes: Uint8Array, offset: number, length: number): number {
    const queued = this.call(() => this.inner.send(bytes, offset, length));
    this.#oracle.expect(queued <= this.queuedBytesAtMost, 'less is queued than it says');
    this.#oracle.expect(queued === 0 || queued === this.queuedBytes, 'another number is queued');
    // A gathered send counts as taken, and may turn out to be short.
    if (this.queuedBytesAtMost > 0) this.heard.queued = true;
    return queued;
  }

  finish(): void {
    this.call(() => this.inner.finish());
  }

  reset(): void {
    this.heard.closing = true;
    this.call(() => this.inner.reset());
  }

  fail(errno: number): void {
    this.inner.fail(errno);
  }
}
