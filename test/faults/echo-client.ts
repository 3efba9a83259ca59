import { connect, type Socket } from 'node:net';

/** What became of a client: all its bytes are back, it was closed early, or other bytes came. */
export type Fate = 'pending' | 'served' | 'closed' | 'wrong';

/** A client of an echo server that compares each byte, and ends in order. */
export class EchoClient {
  fate: Fate = 'pending';
  readonly #socket: Socket;
  readonly #bytes: Buffer;
  readonly #pieceBytes: number;
  #sent = 0;
  #received = 0;
  #ended = false;
  /** How many bytes it may send for now. */
  #mayBytes = 0;
  #changed: () => void = () => undefined;

  /** Sends `bytes` in pieces, each behind the echo of the one before. */
  constructor(port: number, bytes: Buffer, pieceBytes: number) {
    this.#bytes = bytes;
    this.#pieceBytes = pieceBytes;
    this.#socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    this.#socket
      .on('data', (chunk: Buffer) => this.#heard(chunk))
      .on('end', () => {
        this.#ended = true;
        // A server that ends early waits for our end.
        this.#socket.end();
      })
      .on('error', () => this.#settle('closed'))
      .on('close', () => this.#settle(this.isWhole && this.#ended ? 'served' : 'closed'));
  }

  /** Whether all bytes are back. */
  get isWhole(): boolean {
    return this.#received === this.#bytes.length;
  }

  get receivedBytes(): number {
    return this.#received;
  }

  #next(): void {
    if (this.#sent !== this.#received || this.#sent >= this.#mayBytes) return;
    const piece = this.#bytes.subarray(this.#sent, this.#sent + this.#pieceBytes);
    this.#sent += piece.length;
    this.#socket.write(piece);
  }

  /** Sends the first piece alone, and waits for its echo. */
  async greet(boundMs: number): Promise<void> {
    this.#mayBytes = this.#pieceBytes;
    this.#next();
    await this.settled(boundMs, () => this.#received === this.#pieceBytes);
  }

  /** Sends the rest. It reads nothing for `pauseMs`, so that the server's output has to wait. */
  go(pauseMs = 0): void {
    if (pauseMs > 0) {
      this.#socket.pause();
      setTimeout(() => this.#socket.resume(), pauseMs);
    }
    this.#mayBytes = this.#bytes.length;
    this.#next();
  }

  #heard(chunk: Buffer): void {
    const expected = this.#bytes.subarray(this.#received, this.#received + chunk.length);
    this.#received += chunk.length;
    if (this.#received > this.#sent || !chunk.equals(expected)) {
      this.#settle('wrong');
      this.#socket.destroy();
      return;
    }
    if (this.isWhole) this.#socket.end();
    else this.#next();
    this.#changed();
  }

  #settle(fate: Fate): void {
    if (this.fate === 'pending') this.fate = fate;
    this.#changed();
  }

  /** Waits until its fate is known, or `isEnough`. False after `boundMs`. */
  async settled(boundMs: number, isEnough: () => boolean = () => false): Promise<boolean> {
    const done = (): boolean => this.fate !== 'pending' || isEnough();
    if (done()) return true;
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(done()), boundMs);
      this.#changed = () => {
        if (!done()) return;
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  abandon(): void {
    this.#socket.destroy();
  }
}
