/** A socket with sends to make. */
interface Sender {
  /** Makes the sends gathered so far. */
  sendGathered(): void;
}

/** The sockets of a loop with datagrams of this turn, which are sent before the next wait. */
export class DatagramSends {
  #senders: Sender[] = [];
  #next: Sender[] = [];

  /** Whether there are any. */
  get waiting(): boolean {
    return this.#senders.length > 0;
  }

  /** Adds a socket, once until the next {@link flush}. */
  add(sender: Sender): void {
    this.#senders.push(sender);
  }

  /** Makes the sends. */
  flush(): void {
    const senders = this.#senders;
    this.#senders = this.#next;
    this.#next = senders;
    for (const sender of senders) sender.sendGathered();
    senders.length = 0;
  }
}
