import type { EncodedAddress } from '../../loop/datagram/contract.ts';
import type { Sys } from '../../sys/sys.ts';
import { sockaddrOf } from './descriptor.ts';
import type { SocketType } from './options.ts';

/** Peers that are remembered, before all are forgotten. */
const PEERS_MAX = 1024;

/** Whom a socket sends to, each encoded once. */
export class Peers {
  readonly #sys: Sys;
  readonly #type: SocketType;
  readonly #byAddress = new Map<string, Map<number, EncodedAddress>>();
  #count = 0;
  #lastAddress = '';
  #lastPort = 0;
  #last: EncodedAddress | null = null;

  constructor(sys: Sys, type: SocketType) {
    this.#sys = sys;
    this.#type = type;
  }

  /** The peer of a numeric address; null for one of another family. */
  find(address: string, port: number): EncodedAddress | null {
    if (port === this.#lastPort && address === this.#lastAddress) return this.#last;
    const peer = this.#byAddress.get(address)?.get(port) ?? this.#add(address, port);
    if (peer === null) return null;
    this.#lastAddress = address;
    this.#lastPort = port;
    this.#last = peer;
    return peer;
  }

  #add(address: string, port: number): EncodedAddress | null {
    const sockaddr = sockaddrOf(this.#sys, this.#type, address, port);
    if (sockaddr === null) return null;
    if (this.#count === PEERS_MAX) {
      this.#count = 0;
      this.#byAddress.clear();
    }
    this.#count += 1;
    const peer = { sockaddr };
    const ports = this.#byAddress.get(address) ?? new Map<number, EncodedAddress>();
    this.#byAddress.set(address, ports.set(port, peer));
    return peer;
  }
}
