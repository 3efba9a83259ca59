import { Peer } from '#sim/peers.js';
import type { SimSys } from '#sim/sim-sys.js';
import { Random } from '#src/base/random.js';
import type { SocketAddress } from '#src/sys/sockaddr.js';

/** The pending echo of one connection. */
interface Visit {
  pending: Uint8Array;
  ended: boolean;
}

const NOTHING = new Uint8Array(0);

/** A host outside of the process: it listens and echoes. */
export class AnswerHost {
  /** The number of connections that it cut early. */
  cuts = 0;
  readonly #sys: SimSys;
  readonly #listener: Peer;
  readonly #random: Random;
  readonly #cutChance: number;
  #visits = 0;

  constructor(sys: SimSys, address: SocketAddress) {
    this.#sys = sys;
    this.#random = new Random(sys.kernel.seed, 'answer host');
    this.#cutChance = this.#random.chance(0.6) ? 0 : 0.05;
    this.#listener = new Peer(sys, 'answer host', () => this.#accept());
    this.#listener.listen(address, this.#random.between(0, 4));
  }

  close(): void {
    this.#listener.close();
  }

  #accept(): void {
    for (;;) {
      this.#visits += 1;
      const visit: Visit = { pending: NOTHING, ended: false };
      const peer = new Peer(this.#sys, `visit ${this.#visits}`, () => this.#serve(peer, visit));
      if (this.#listener.accept(peer) < 0) return;
    }
  }

  #serve(peer: Peer, visit: Visit): void {
    const { EAGAIN } = this.#sys.abi.errno;
    const buffer = new Uint8Array(peer.random.between(1, 4096));
    while (!peer.closed) {
      if (this.#cutChance > 0 && peer.random.chance(this.#cutChance)) {
        this.cuts += 1;
        peer.reset();
        return;
      }
      if (visit.pending.length > 0) {
        const sent = peer.send(visit.pending);
        if (sent === -EAGAIN) return;
        if (sent < 0) {
          peer.close();
          return;
        }
        visit.pending = visit.pending.subarray(sent);
        continue;
      }
      if (visit.ended) {
        peer.close();
        return;
      }
      const count = peer.receive(buffer);
      if (count === -EAGAIN) return;
      if (count < 0) peer.close();
      else if (count === 0) visit.ended = true;
      else visit.pending = buffer.slice(0, count);
    }
  }
}
