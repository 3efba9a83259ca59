import type { Abi } from '#src/sys/abi/abi.js';
import {
  decodeSockaddr,
  encodeSockaddr,
  SOCKADDR_BYTES_MAX,
  type SocketAddress,
} from '#src/sys/sockaddr.js';
import type { AddressHints, HostName, ResolvedAddresses } from '#src/sys/sys.js';

/** getaddrinfo(3) and getnameinfo(3) over a table: numbers, `localhost`, added hosts. */
export class Resolver {
  /** The addresses of each name, in the order in which they are to be tried. */
  readonly hosts = new Map<string, readonly string[]>([['localhost', ['::1', '127.0.0.1']]]);
  readonly #abi: Abi;

  constructor(abi: Abi) {
    this.#abi = abi;
  }

  getaddrinfo(
    node: string | null,
    service: string | null,
    hints: AddressHints,
    results: ResolvedAddresses,
  ): number {
    const { AI_PASSIVE, AI_NUMERICHOST, EAI_NONAME, EAI_SERVICE, AF_UNSPEC } = this.#abi.constants;
    results.errno = 0;
    results.addresses = [];
    results.canonicalName = null;
    const port = service === null ? 0 : Number(service);
    if (!Number.isInteger(port) || port < 0 || port > 65_535) return EAI_SERVICE;
    const passive = (hints.flags & AI_PASSIVE) !== 0;
    const unnamed = passive ? ['0.0.0.0', '::'] : ['::1', '127.0.0.1'];
    const numeric = (hints.flags & AI_NUMERICHOST) !== 0;
    const known = node === null ? unnamed : numeric ? undefined : this.hosts.get(node);
    for (const text of known ?? [node ?? '']) {
      const bytes = this.#encode(text, port);
      if (bytes === null) continue;
      const { family } = decodeSockaddr(this.#abi, bytes, bytes.length);
      const { AF_INET, AF_INET6 } = this.#abi.constants;
      const number = family === 'IPv4' ? AF_INET : AF_INET6;
      if (hints.family === AF_UNSPEC || hints.family === number) results.addresses.push(bytes);
    }
    if (results.addresses.length === 0) return EAI_NONAME;
    results.canonicalName = node;
    return 0;
  }

  #encode(text: string, port: number): Uint8Array | null {
    const bytes = new Uint8Array(SOCKADDR_BYTES_MAX);
    const family = text.includes(':') ? 'IPv6' : 'IPv4';
    try {
      const length = encodeSockaddr(this.#abi, { family, address: text, port }, bytes);
      return bytes.slice(0, length);
    } catch {
      return null;
    }
  }

  getnameinfo(bytes: Uint8Array, length: number, flags: number, results: HostName): number {
    const { NI_NUMERICHOST, NI_NAMEREQD, EAI_NONAME, EAI_FAMILY } = this.#abi.constants;
    results.errno = 0;
    results.host = '';
    let address: SocketAddress;
    try {
      address = decodeSockaddr(this.#abi, bytes, length);
    } catch {
      return EAI_FAMILY;
    }
    if (address.family === 'UNIX') return EAI_FAMILY;
    const { address: text } = address;
    const named = [...this.hosts].find(([, addresses]) => addresses.includes(text))?.[0];
    const name = (flags & NI_NUMERICHOST) === 0 ? named : undefined;
    if (name === undefined && (flags & NI_NAMEREQD) !== 0) return EAI_NONAME;
    results.host = name ?? text;
    return 0;
  }
}
