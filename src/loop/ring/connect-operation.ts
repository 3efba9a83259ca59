import type { ConnectSink, Handle } from '../backend.ts';
import { Operation, type RingHost, RingSubject } from './handle.ts';

/** A connect that is under way on the ring. */
export class RingConnecting extends RingSubject implements Handle {
  readonly #sink: ConnectSink;
  readonly #address: Uint8Array;
  #connecting = false;
  #cancelling = false;

  constructor(host: RingHost, fd: number, address: Uint8Array, sink: ConnectSink) {
    super(host, fd);
    this.#sink = sink;
    this.#address = address;
  }

  get inFlight(): boolean {
    return this.#connecting;
  }

  prepare(): void {
    const { submission } = this.host;
    if (this.gone) {
      if (!this.#connecting || this.#cancelling) return;
      this.#cancelling = submission.cancel(this.token, Operation.connect, Operation.none);
      if (!this.#cancelling) this.host.attend(this);
    } else if (!this.#connecting) {
      const address = this.#address;
      this.#connecting = submission.connect(this.fd, address, this.token, Operation.connect);
      if (!this.#connecting) this.host.attend(this);
    }
  }

  completed(_operation: Operation, result: number): void {
    this.#connecting = false;
    if (this.gone) {
      this.host.letGo(this);
    } else if (result === 0) {
      this.host.release(this);
      this.#sink.connected(this.fd);
    } else if (result === -this.host.sys.abi.errno.EINTR) {
      this.host.attend(this);
    } else {
      this.host.remove(this);
      this.#sink.failed(-result);
    }
  }

  report(): void {
    // Nothing of a connect comes up inside a call.
  }

  closed(): void {
    this.#sink.closed();
  }
}
