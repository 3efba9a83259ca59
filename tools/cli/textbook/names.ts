import { lookupService } from 'node:dns/promises';
import { setImmediate as turnOfNode } from 'node:timers/promises';
import type { SocketAddress } from 'sockloop/sys';

/** The longest wait for a client's name: a resolver may take ten seconds to give up. */
const LOOKUP_MS = 1000;

/**
 * Reverse lookups on Node's thread pool. A silent resolver delays one client by LOOKUP_MS, and none
 * while its answer is outstanding.
 */
export class ClientNames {
  #owed = false;

  /** `localhost (127.0.0.1)`, or the address alone if no name is found in time. */
  async nameOf(address: SocketAddress): Promise<string> {
    if (address.family === 'UNIX') return address.path;
    // An answer that arrived during a blocking call is delivered in a turn of Node's loop.
    if (this.#owed) await turnOfNode();
    const name = this.#owed ? null : await this.#lookUp(address.address, address.port);
    return name === null ? address.address : `${name} (${address.address})`;
  }

  async #lookUp(address: string, port: number): Promise<string | null> {
    this.#owed = true;
    const found = lookupService(address, port)
      .then(
        ({ hostname }) => hostname,
        () => null,
      )
      .finally(() => {
        this.#owed = false;
      });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(resolve, LOOKUP_MS, null);
    });
    try {
      return await Promise.race([found, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
