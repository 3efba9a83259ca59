import { lookupService } from 'node:dns/promises';
import { setImmediate as turnOfNode } from 'node:timers/promises';
import type { SocketAddress } from 'sockloop/sys';

/** How long a client waits for its name to be found: a resolver may be silent for ten seconds. */
const LOOKUP_MS = 1000;

/**
 * Names of clients, looked up on Node's thread pool, so that a resolver which does not answer holds
 * up nobody for more than LOOKUP_MS; and nobody at all as long as it owes an answer.
 */
export class ClientNames {
  #owed = false;

  /** `localhost (127.0.0.1)`, or the address alone where no name is found in time. */
  async nameOf(address: SocketAddress): Promise<string> {
    if (address.family === 'UNIX') return address.path;
    // What has come while this thread stood in a call is heard of in a turn of Node's loop.
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
