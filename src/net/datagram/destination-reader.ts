import type { ReceivedDatagrams } from '../../loop/datagram/received.ts';
import type { Abi } from '../../sys/abi/abi.ts';
import { ControlReader } from '../../sys/control/reader.ts';
import { AddressTable } from './address-table.ts';
import type { DatagramAddress } from './datagram-address.ts';

/** Words of a sockaddr_in6, the longest that is put together. */
const WORDS = 8;

/** Reads what `info` asks for from the control messages of datagrams. */
export class DestinationReader {
  readonly #abi: Abi;
  readonly #control: ControlReader;
  readonly #own: DatagramAddress;
  readonly #table: AddressTable;
  /** A sockaddr of this socket's port, to put an address into. */
  readonly #words = new Int32Array(WORDS);
  readonly #bytes: Uint8Array;

  constructor(abi: Abi, own: DatagramAddress) {
    this.#abi = abi;
    this.#control = new ControlReader(abi);
    this.#own = own;
    this.#table = new AddressTable(abi);
    this.#bytes = new Uint8Array(this.#words.buffer);
    if (own.family !== 'UNIX') this.#bytes.set(own.sockaddr);
  }

  /** The offset of the data of a control message, -1 without it. */
  #find(
    received: ReceivedDatagrams,
    index: number,
    level: number,
    type: number | undefined,
    dataBytes: number,
  ): number {
    const length = received.controlLengths[index] ?? 0;
    if (length === 0 || type === undefined) return -1;
    const at = received.controlsAt[index] ?? 0;
    return this.#control.find(received.words, at, length, level, type, dataBytes);
  }

  local(received: ReceivedDatagrams, index: number): DatagramAddress | null {
    const { constants, structs } = this.#abi;
    if (this.#own.family === 'IPv6') {
      const { size, fields } = structs.in6_pktinfo;
      const info = this.#find(
        received,
        index,
        constants.IPPROTO_IPV6,
        constants.IPV6_PKTINFO,
        size,
      );
      if (info < 0) return null;
      const address = info + fields.ipi6_addr.offset;
      return this.#ipv6(received, address, info + fields.ipi6_ifindex.offset);
    }
    const layout = structs.in_pktinfo;
    if (layout !== undefined) {
      const type = constants.IP_PKTINFO;
      const info = this.#find(received, index, constants.IPPROTO_IP, type, layout.size);
      if (info >= 0) return this.#ipv4(received, info + layout.fields.ipi_spec_dst.offset);
    }
    const type = constants.IP_RECVDSTADDR;
    const destination = this.#find(received, index, constants.IPPROTO_IP, type, IPV4_BYTES);
    return destination < 0 ? null : this.#ipv4(received, destination);
  }

  #ipv4(received: ReceivedDatagrams, address: number): DatagramAddress {
    const { size, fields } = this.#abi.structs.sockaddr_in;
    this.#words[fields.sin_addr.offset >> 2] = received.words[address >> 2] ?? 0;
    return this.#table.find(this.#bytes, this.#words, 0, size);
  }

  #ipv6(received: ReceivedDatagrams, address: number, interfaceAt: number): DatagramAddress {
    const { size, fields } = this.#abi.structs.sockaddr_in6;
    const into = fields.sin6_addr.offset >> 2;
    for (let word = 0; word < IPV6_WORDS; word++) {
      this.#words[into + word] = received.words[(address >> 2) + word] ?? 0;
    }
    // A link-local address means nothing without its interface.
    const isLinkLocal =
      received.memory[address] === 0xfe && ((received.memory[address + 1] ?? 0) & 0xc0) === 0x80;
    const zone = isLinkLocal ? (received.words[interfaceAt >> 2] ?? 0) : 0;
    this.#words[fields.sin6_scope_id.offset >> 2] = zone;
    return this.#table.find(this.#bytes, this.#words, 0, size);
  }

  /** IP_TOS, of one byte, or IPV6_TCLASS. */
  trafficClass(received: ReceivedDatagrams, index: number): number {
    const { IPPROTO_IP, IPPROTO_IPV6, IPV6_TCLASS, IP_TOS, IP_RECVTOS } = this.#abi.constants;
    const ipv6 = this.#find(received, index, IPPROTO_IPV6, IPV6_TCLASS, 4);
    if (ipv6 >= 0) return received.memory[ipv6] ?? 0;
    // The BSDs give the number of the option that asks for it.
    const first = this.#find(received, index, IPPROTO_IP, IP_TOS, 1);
    const ipv4 = first >= 0 ? first : this.#find(received, index, IPPROTO_IP, IP_RECVTOS, 1);
    return ipv4 < 0 ? 0 : (received.memory[ipv4] ?? 0);
  }

  /** IP_TTL, of four bytes or one, or IPV6_HOPLIMIT. */
  hops(received: ReceivedDatagrams, index: number): number {
    const { IPPROTO_IP, IPPROTO_IPV6, IPV6_HOPLIMIT, IP_TTL, IP_RECVTTL } = this.#abi.constants;
    const ipv6 = this.#find(received, index, IPPROTO_IPV6, IPV6_HOPLIMIT, 4);
    if (ipv6 >= 0) return received.memory[ipv6] ?? 0;
    const first = this.#find(received, index, IPPROTO_IP, IP_TTL, 1);
    const ipv4 = first >= 0 ? first : this.#find(received, index, IPPROTO_IP, IP_RECVTTL, 1);
    return ipv4 < 0 ? 0 : (received.memory[ipv4] ?? 0);
  }

  /** SCM_TIMESTAMPNS, or SCM_TIMESTAMP. */
  timestampMs(received: ReceivedDatagrams, index: number): number {
    const { SOL_SOCKET, SCM_TIMESTAMPNS, SCM_TIMESTAMP } = this.#abi.constants;
    const precise = this.#find(received, index, SOL_SOCKET, SCM_TIMESTAMPNS, TIME_BYTES);
    if (precise >= 0) return timeMs(received.words, precise, NS_PER_MS);
    const coarse = this.#find(received, index, SOL_SOCKET, SCM_TIMESTAMP, TIME_BYTES);
    return coarse < 0 ? 0 : timeMs(received.words, coarse, US_PER_MS);
  }
}

const IPV4_BYTES = 4;
const IPV6_WORDS = 4;
/** A timespec or a timeval, of which macOS has a microsecond of 32 bits. */
const TIME_BYTES = 12;
const NS_PER_MS = 1e6;
const US_PER_MS = 1e3;
const TWO_TO_THE_32 = 2 ** 32;

function timeMs(words: Int32Array, at: number, fractionsPerMs: number): number {
  const word = at >> 2;
  const seconds = ((words[word] ?? 0) >>> 0) + (words[word + 1] ?? 0) * TWO_TO_THE_32;
  return seconds * 1000 + (words[word + 2] ?? 0) / fractionsPerMs;
}
