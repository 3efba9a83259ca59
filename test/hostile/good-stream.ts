import { connect, type Socket } from 'node:net';
import { encodeProxyHeader } from '#src/framing/proxy-encoder.js';
import type { Speech } from './conditions.ts';
import type { GoodClient, Journal } from './journal.ts';
import { messageOf } from './messages.ts';

const HEADER = encodeProxyHeader({
  version: 2,
  source: { family: 'IPv4', address: '192.0.2.7', port: 4711 },
  destination: { family: 'IPv4', address: '192.0.2.1', port: 443 },
});

/** How often a client that is held looks whether it still is. */
const HELD_MS = 20;

/** What a finding begins with that is about bytes. */
export const WRONG = 'other bytes';

/** A connection that sends a message, waits for its echo, compares each byte, and goes on. */
export class GoodStream implements GoodClient {
  readonly #socket: Socket;
  readonly #journal: Journal;
  readonly #speech: Speech;
  #message: Buffer = Buffer.alloc(0);
  #received = 0;
  #sentMs = 0;
  #count = 0;
  #isEnding = false;
  #isOver = false;
  #next: NodeJS.Timeout | null = null;
  #changed: () => void = () => undefined;

  constructor(port: number, speech: Speech, journal: Journal) {
    this.#journal = journal;
    this.#speech = speech;
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
    this.#socket
      .on('data', (chunk: Buffer) => this.#heard(chunk))
      .on('end', () => this.#over(this.#isEnding ? null : 'the server has ended a connection'))
      .on('error', (error) => this.#over(error.message))
      .on('close', () => this.#over('a connection was closed'));
    if (speech === 'proxied') this.#socket.write(HEADER);
    this.#send();
  }

  get echoes(): number {
    return this.#isOver ? Number.POSITIVE_INFINITY : this.#count;
  }

  /** Waits until it has had an echo, or is over. */
  async served(): Promise<void> {
    while (this.#count === 0 && !this.#isOver) await this.#change();
  }

  /** Ends its side, and waits for the end of the server's. */
  async leave(): Promise<void> {
    while (this.#received < this.#message.length && !this.#isOver) await this.#change();
    this.#isEnding = true;
    if (this.#next !== null) clearTimeout(this.#next);
    this.#socket.end();
    while (!this.#isOver) await this.#change();
    this.#socket.destroy();
  }

  abandon(): void {
    this.#isEnding = true;
    this.#isOver = true;
    if (this.#next !== null) clearTimeout(this.#next);
    this.#socket.destroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = resolve;
    });
  }

  #send(): void {
    if (this.#journal.isHeld) {
      this.#next = setTimeout(() => this.#send(), HELD_MS);
      return;
    }
    this.#message = messageOf(this.#count, this.#speech === 'lines');
    this.#received = 0;
    this.#sentMs = performance.now();
    this.#socket.write(this.#message);
  }

  #heard(chunk: Buffer): void {
    const expected = this.#message.subarray(this.#received, this.#received + chunk.length);
    this.#received += chunk.length;
    if (!chunk.equals(expected)) {
      this.#over(`${WRONG} in message ${this.#count}, from ${this.#received - chunk.length} on`);
      this.#socket.destroy();
      return;
    }
    if (this.#received < this.#message.length) return;
    this.#count += 1;
    this.#journal.answered(performance.now() - this.#sentMs);
    if (!this.#isEnding) this.#next = setTimeout(() => this.#send(), this.#journal.pauseMs);
    this.#changed();
  }

  #over(finding: string | null): void {
    if (!this.#isOver && finding !== null) this.#journal.found(finding);
    this.#isOver = true;
    if (this.#next !== null) clearTimeout(this.#next);
    this.#changed();
  }
}
