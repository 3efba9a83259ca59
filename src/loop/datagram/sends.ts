/** A socket with sends to make. */
interface Sender {
  /** Makes the sends gathered so far. */
  sendGathered(): void;
}

/** The sockets of a loop with datagrams of this turn, which are sent before the next wait. */
export class DatagramSends {
  // Assigning a length is slow (Node 20): the places behind the count are empty.
  #senders: (Sender | undefined)[] = [];
  #next: (Sender | undefined)[] = [];
  #count = 0;

  /** Whether there are any. */
  get waiting(): boolean {
    return this.#count > 0;
  }

  /** Adds a socket, once until the next {@link flush}. */
  add(sender: Sender): void {
    this.#senders[this.#count] = sender;
    this.#count += 1;
  }

  #take(senders: (Sender | undefined)[], place: number): Sender | undefined {
    const sender = senders[place];
    senders[place] = undefined;
    return sender;
  }

  #again(sender: Sender | undefined): void {
    if (sender !== undefined) this.add(sender);
  }

  /** Makes the sends. */
  flush(): void {
    const count = this.#count;
    if (count === 0) return;
    const senders = this.#senders;
    this.#senders = this.#next;
    this.#next = senders;
    this.#count = 0;
    let place = 0;
    try {
      while (place < count) this.#take(senders, place++)?.sendGathered();
    } finally {
      // A callback that throws ends the turn; the rest is sent in the next one.
      while (place < count) this.#again(this.#take(senders, place++));
    }
  }
}
