import { TokenBucket } from '#src/base/token-bucket.js';
import { addressWords } from '#src/net/guards/address-ranges.js';
import { type AddressKey, keyOf } from '#src/net/guards/address-table.js';

/** Why a datagram is not answered. */
export type Refusal = 'port' | 'rate' | 'rateInAll';

/** How much is answered. */
export interface ReplyLimits {
  /** Answers a second to one address; null for no limit. */
  readonly perSecond: number | null;
  /** Whether the addresses of this machine are limited as well. */
  readonly limitsLoopback: boolean;
}

/** What was not answered, by the reason. */
export type RefusalCounts = Record<Refusal, number>;

/** Answers a second to all addresses that are limited. */
const PER_SECOND_IN_ALL = 100_000;

/** Addresses that are remembered: the oldest goes first. */
const ADDRESSES_MAX = 10_000;

/**
 * The ports of services that answer whatever they get, or that are known for being abused with a
 * forged address: a datagram from there is forged, or the start of an endless exchange. tcpmux,
 * echo, discard, systat, daytime, netstat, qotd, chargen, time, DNS, TFTP, portmap, NTP, NetBIOS,
 * SNMP, LDAP, RIP, SSDP, mDNS, memcached.
 */
const SERVICE_PORTS = new Set([
  ...[0, 1, 7, 9, 11, 13, 15, 17, 19, 37, 53, 69, 111, 123, 137, 138, 161, 389, 520],
  ...[1900, 5353, 11_211],
]);

/**
 * Decides which datagrams an echo server answers. Two echo servers, each of which takes the other
 * for a client, send each other the same datagram for ever; and whoever forges an address has its
 * owner get the answers (RFC 862 has no word about it). So known services are not answered, and an
 * address gets so many answers a second: the datagram beyond that is dropped, which ends an endless
 * exchange. An answer is never longer than what it answers.
 */
export class ReplyGuard {
  readonly counts: RefusalCounts = { port: 0, rate: 0, rateInAll: 0 };
  readonly #limits: ReplyLimits;
  readonly #buckets = new Map<AddressKey, TokenBucket>();
  #inAll: TokenBucket | null = null;

  constructor(limits: ReplyLimits) {
    this.#limits = limits;
  }

  /** Whether a datagram of this sender is answered; counts it if not. */
  allows(host: string, port: number, nowMs: number): boolean {
    if (SERVICE_PORTS.has(port)) return this.#refuse('port');
    const { perSecond, limitsLoopback } = this.#limits;
    if (perSecond === null || (!limitsLoopback && isLoopback(host))) return true;
    const bucket = this.#bucketOf(senderOf(host), perSecond, nowMs);
    if (bucket.take(nowMs) === 0) return this.#refuse('rate');
    this.#inAll ??= bucketOf(PER_SECOND_IN_ALL, nowMs);
    return this.#inAll.take(nowMs) === 1 || this.#refuse('rateInAll');
  }

  #refuse(reason: Refusal): false {
    this.counts[reason] += 1;
    return false;
  }

  #bucketOf(sender: AddressKey, perSecond: number, nowMs: number): TokenBucket {
    const known = this.#buckets.get(sender);
    if (known !== undefined) return known;
    if (this.#buckets.size >= ADDRESSES_MAX) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    const bucket = bucketOf(perSecond, nowMs);
    this.#buckets.set(sender, bucket);
    return bucket;
  }
}

/** A second's worth at once, after a pause. */
function bucketOf(perSecond: number, nowMs: number): TokenBucket {
  return new TokenBucket({ perSecond, burst: perSecond }, nowMs);
}

/** What counts as one sender: an IPv4 address, or the /64 of an IPv6 address, as a home has. */
function senderOf(host: string): AddressKey {
  const zone = host.indexOf('%');
  const words = addressWords(zone < 0 ? host : host.slice(0, zone));
  return words === null ? host : keyOf(words);
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1' || host.startsWith('::ffff:127.');
}
