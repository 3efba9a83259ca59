/** An entry of a {@link WatchTable}. */
interface Watched {
  readonly fd: number;
  unwatch(): void;
}

/** The watches of a backend by descriptor: they end with the owner of the descriptor. */
export class WatchTable {
  readonly #watches = new Map<number, Set<Watched>>();

  add(watch: Watched): void {
    const others = this.#watches.get(watch.fd);
    if (others === undefined) this.#watches.set(watch.fd, new Set([watch]));
    else others.add(watch);
  }

  delete(watch: Pick<Watched, 'fd'>): void {
    const others = this.#watches.get(watch.fd);
    others?.delete(watch as Watched);
    if (others?.size === 0) this.#watches.delete(watch.fd);
  }

  /** Ends all watches of `fd`: its owner closes it, or has just opened it and these are stale. */
  endAllOf(fd: number): void {
    if (this.#watches.size === 0) return;
    for (const watch of [...(this.#watches.get(fd) ?? [])]) watch.unwatch();
  }
}
