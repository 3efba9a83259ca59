import { createSocket, type Socket } from 'node:dgram';
import type { GoodClient, Journal } from './journal.ts';
import { messageOf, numberOf } from './messages.ts';

/** An answer that takes longer is given up: the kernel may drop a datagram. */
const LOST_MS = 200;

/** A socket that sends a datagram and waits for its echo, or until that counts as lost. */
export class GoodDatagrams implements GoodClient {
  readonly #socket: Socket;
  readonly #journal: Journal;
  readonly #answered = new Set<number>();
  #count = 0;
  #sentMs = 0;
  #next: NodeJS.Timeout | null = null;
  #isOver = false;
  #changed: () => void = () => undefined;

  constructor(port: number, journal: Journal) {
    this.#journal = journal;
    this.#socket = createSocket('udp4');
    this.#socket.on('message', (bytes) => this.#heard(bytes));
    this.#socket.on('error', (error) => this.#journal.found(error.message));
    this.#socket.connect(port, '127.0.0.1', () => this.#send());
  }

  get echoes(): number {
    return this.#answered.size;
  }

  async served(): Promise<void> {
    while (this.#answered.size === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  leave(): Promise<void> {
    this.abandon();
    return Promise.resolve();
  }

  abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#next !== null) clearTimeout(this.#next);
    this.#socket.close();
    this.#changed();
  }

  #send(): void {
    if (this.#isOver) return;
    this.#count += 1;
    this.#sentMs = performance.now();
    this.#socket.send(messageOf(this.#count, false));
    this.#next = setTimeout(() => {
      this.#journal.lost();
      this.#send();
    }, LOST_MS);
  }

  #heard(bytes: Buffer): void {
    const number = numberOf(bytes);
    if (number > this.#count || !bytes.equals(messageOf(number, false))) {
      this.#journal.found(`a datagram of ${bytes.length} bytes was not sent by this client`);
      return;
    }
    if (this.#answered.has(number)) this.#journal.found(`datagram ${number} is echoed twice`);
    this.#answered.add(number);
    this.#changed();
    if (number !== this.#count || this.#isOver) return;
    this.#journal.answered(performance.now() - this.#sentMs);
    if (this.#next !== null) clearTimeout(this.#next);
    this.#next = setTimeout(() => this.#send(), this.#journal.pauseMs);
  }
}
