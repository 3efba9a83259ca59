import { connect, type Socket } from 'node:net';

/** Longer than any step takes on a busy machine: a client that waits so long is lost. */
const LATE_MS = 30_000;

/** A connection to an echo server, on which each byte that comes back is compared. */
export class Talk implements Disposable {
  receivedBytes = 0;
  sentBytes = 0;
  readonly #socket: Socket;
  /** What was sent and is not back, in order. */
  readonly #pending: Buffer[] = [];
  #failure: Error | null = null;
  #ended = false;
  #closed = false;
  #wake: () => void = () => undefined;

  private constructor(port: number) {
    this.#socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    this.#socket
      .setTimeout(LATE_MS, () => this.#socket.destroy(new Error(`nothing for ${LATE_MS} ms`)))
      .on('data', (chunk: Buffer) => this.#heard(chunk))
      .on('connect', () => this.#wake())
      .on('end', () => {
        this.#ended = true;
        this.#wake();
      })
      .on('error', (error) => {
        this.#failure ??= error;
      })
      .on('close', () => {
        this.#closed = true;
        this.#wake();
      });
  }

  static async open(port: number): Promise<Talk> {
    const talk = new Talk(port);
    await talk.#until(() => !talk.#socket.connecting);
    return talk;
  }

  #heard(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const [first] = this.#pending;
      const length = Math.min(first?.length ?? 0, chunk.length - at);
      if (first === undefined || !same(first, chunk, at, length)) {
        this.#socket.destroy(new Error(`wrong byte at ${this.receivedBytes + at}`));
        return;
      }
      at += length;
      if (length === first.length) this.#pending.shift();
      else this.#pending[0] = first.subarray(length);
    }
    this.receivedBytes += chunk.length;
    this.#wake();
  }

  send(bytes: Buffer): void {
    this.#pending.push(bytes);
    this.sentBytes += bytes.length;
    this.#socket.write(bytes);
  }

  /** Waits until all that was sent is back. */
  async back(): Promise<void> {
    await this.#until(() => this.#pending.length === 0);
  }

  /** Waits until something is back. */
  async first(): Promise<void> {
    await this.#until(() => this.receivedBytes > 0);
  }

  /** Reads nothing for a while. */
  pause(pauseMs: number): void {
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), pauseMs);
  }

  /** Sends an end. */
  finish(): void {
    this.#socket.end();
  }

  /** Waits for the server's end. */
  async ended(): Promise<void> {
    await this.#until(() => this.#ended);
  }

  /** Ends in order: both sides send an end. */
  async end(): Promise<void> {
    this.finish();
    await this.ended();
    await this.#over();
  }

  /** Ends by a reset. */
  async reset(): Promise<void> {
    this.#socket.resetAndDestroy();
    await this.#over();
  }

  /** Gives up a connection that has failed; no effect on one that is over. */
  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  async #over(): Promise<void> {
    while (!this.#closed) await this.#change();
  }

  /** Waits for a condition, and throws if it never holds. */
  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#failure !== null) throw this.#failure;
      if (this.#closed || this.#ended) {
        throw new Error(`ended, ${this.sentBytes - this.receivedBytes} bytes are not back`);
      }
      await this.#change();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function same(bytes: Buffer, chunk: Buffer, at: number, length: number): boolean {
  return bytes.compare(chunk, at, at + length, 0, length) === 0;
}
