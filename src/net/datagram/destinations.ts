import { requireObject, requireWhole, shown } from '../../base/arguments.ts';
import type { SendControl } from '../../loop/datagram/contract.ts';
import { zoneResolved } from '../../socket/zone.ts';
import type { ControlMessage } from '../../sys/control/message.ts';
import { encodeControl } from '../../sys/control-messages.ts';
import { formatAddress } from '../../sys/sockaddr.ts';
import type { Sys } from '../../sys/sys.ts';
import { addressFor, DatagramAddress, numericAddress } from './datagram-address.ts';
import type { SendOptions } from './options.ts';

/** Destinations that are remembered, before all are forgotten. */
const KNOWN_MAX = 1024;

/** An IPv4 address in an IPv6 one: RFC 4291, section 2.5.5.2. */
const MAPPED = '::ffff:';

/** Port 0, which whoever forges an address may come from: the kernel has no way to send there. */
export const NOWHERE = Symbol('port 0');

/** Where the sends of a socket go, and the control messages for that, each made once. */
export class Destinations {
  readonly #sys: Sys;
  readonly #own: DatagramAddress;
  /** Whether an IPv6 socket sends to IPv4, too. */
  readonly #mapsIPv4: boolean;
  readonly #byHost = new Map<string, Map<number, DatagramAddress>>();
  readonly #byPath = new Map<string, DatagramAddress>();
  /** The address to send to for one of IPv4, on an IPv6 socket. */
  readonly #mapped = new WeakMap<DatagramAddress, DatagramAddress>();
  /** Addresses that were found fit. */
  readonly #fit = new WeakSet<DatagramAddress>();
  #count = 0;
  /** Control messages by the bits of ECN (the last for none), of each `from`. */
  readonly #withoutFrom: Map<number, SendControl> = new Map();
  readonly #withFrom = new WeakMap<DatagramAddress, Map<number, SendControl>>();

  constructor(sys: Sys, own: DatagramAddress, ipv6Only: boolean) {
    this.#sys = sys;
    this.#own = own;
    this.#mapsIPv4 = own.family === 'IPv6' && !ipv6Only;
  }

  /**
   * The address to send to; NOWHERE for a DatagramAddress of port 0, which a sender may have had.
   *
   * @throws RangeError for one of another family, port 0, or a name; TypeError for another type.
   */
  resolve(to: NonNullable<SendOptions['to']>): DatagramAddress | typeof NOWHERE {
    if (to instanceof DatagramAddress) return this.#fitting(to);
    requireObject('to', to);
    if ('path' in to) return this.#pathOf(to.path);
    const { host, port } = to;
    const known = this.#byHost.get(host)?.get(port);
    if (known !== undefined) return known;
    const address = zoneResolved(numericAddress(host, port), this.#sys);
    const made = this.#fitting(addressFor(this.#sys.abi, address));
    if (made === NOWHERE) {
      const text = formatAddress(address);
      throw new RangeError(`cannot send to ${text}: a port is a number from 1 to 65535`);
    }
    this.#makeRoom();
    const ports = this.#byHost.get(host) ?? new Map<number, DatagramAddress>();
    this.#byHost.set(host, ports.set(port, made));
    return made;
  }

  #pathOf(path: string): DatagramAddress | typeof NOWHERE {
    const known = this.#byPath.get(path);
    if (known !== undefined) return known;
    const made = this.#fitting(addressFor(this.#sys.abi, { family: 'UNIX', path }));
    if (made === NOWHERE) return made;
    this.#makeRoom();
    this.#byPath.set(path, made);
    return made;
  }

  #makeRoom(): void {
    this.#count += 1;
    if (this.#count <= KNOWN_MAX) return;
    this.#count = 1;
    this.#byHost.clear();
    this.#byPath.clear();
  }

  #fitting(to: DatagramAddress): DatagramAddress | typeof NOWHERE {
    if (this.#fit.has(to)) return to;
    const mapped = this.#mapped.get(to);
    if (mapped !== undefined) return mapped;
    if (to.family !== 'UNIX' && to.port === 0) return NOWHERE;
    if (to.family === this.#own.family) {
      this.#fit.add(to);
      return to;
    }
    if (to.family !== 'IPv4' || !this.#mapsIPv4) {
      throw new RangeError(`cannot send to ${to}: the socket is of ${this.#own.family}`);
    }
    const { abi } = this.#sys;
    const address = { family: 'IPv6', address: `${MAPPED}${to.host}`, port: to.port } as const;
    const made = addressFor(abi, address);
    this.#mapped.set(to, made);
    return made;
  }

  /**
   * The control messages of a send, null for none.
   *
   * @throws RangeError for an `ecn` out of its range, a `from` of another family.
   */
  control(to: DatagramAddress | null, options: SendOptions): SendControl | null {
    const { from, ecn } = options;
    if (from === undefined && ecn === undefined) return null;
    if (ecn !== undefined) requireWhole('ecn', ecn, 0, 3);
    if (from !== undefined && !(from instanceof DatagramAddress)) {
      throw new TypeError(`from is a DatagramAddress, not ${shown(from)}`);
    }
    const isIPv4 = this.#own.family === 'IPv4' || to?.host.startsWith(MAPPED) === true;
    const key = (ecn ?? NO_ECN) + (isIPv4 ? IPV4_KEYS : 0);
    let known = this.#withoutFrom;
    if (from !== undefined) {
      known = this.#withFrom.get(from) ?? new Map();
      this.#withFrom.set(from, known);
    }
    let control = known.get(key);
    if (control === undefined) {
      control = { bytes: this.#encoded(from, ecn, isIPv4) };
      known.set(key, control);
    }
    return control;
  }

  #encoded(
    from: DatagramAddress | undefined,
    ecn: number | undefined,
    isIPv4: boolean,
  ): Uint8Array {
    if (this.#own.family === 'UNIX') throw new RangeError('a UNIX socket has no from and no ecn');
    const messages: ControlMessage[] = [];
    if (from !== undefined) messages.push(this.#source(from));
    if (ecn !== undefined) {
      messages.push({ kind: isIPv4 ? 'IP_TOS' : 'IPV6_TCLASS', dscp: 0, ecn });
    }
    return encodeControl(this.#sys.abi, messages);
  }

  #source(from: DatagramAddress): ControlMessage {
    const { family } = this.#own;
    if (from.family !== family) {
      throw new RangeError(`cannot send from ${from}: the socket is of ${family}`);
    }
    const [host = '', zone] = from.host.split('%');
    if (family === 'IPv6') {
      return { kind: 'IPV6_PKTINFO', interfaceIndex: Number(zone ?? 0), address: host };
    }
    if (this.#sys.abi.constants.IP_PKTINFO !== undefined) {
      return { kind: 'IP_PKTINFO', interfaceIndex: 0, localAddress: host };
    }
    return { kind: 'IP_SENDSRCADDR', address: host };
  }
}

const NO_ECN = 4;
const IPV4_KEYS = 8;
