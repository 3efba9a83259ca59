import { networkOf } from './source.ts';

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

const WINDOW_MS = 1000;

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

/** A second of one address. */
interface Window {
  startMs: number;
  answers: number;
}

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
  readonly #windows = new Map<string, Window>();
  readonly #inAll: Window = { startMs: Number.NEGATIVE_INFINITY, answers: 0 };

  constructor(limits: ReplyLimits) {
    this.#limits = limits;
  }

  /** Whether a datagram of this sender is answered; counts it if not. */
  allows(host: string, port: number, nowMs: number): boolean {
    if (SERVICE_PORTS.has(port)) return this.#refuse('port');
    const { perSecond, limitsLoopback } = this.#limits;
    if (perSecond === null || (!limitsLoopback && isLoopback(host))) return true;
    const window = this.#windowOf(networkOf(host), nowMs);
    if (!takes(window, perSecond, nowMs)) return this.#refuse('rate');
    return takes(this.#inAll, PER_SECOND_IN_ALL, nowMs) || this.#refuse('rateInAll');
  }

  #refuse(reason: Refusal): false {
    this.counts[reason] += 1;
    return false;
  }

  #windowOf(key: string, nowMs: number): Window {
    const known = this.#windows.get(key);
    if (known !== undefined) return known;
    if (this.#windows.size >= ADDRESSES_MAX) {
      for (const oldest of this.#windows.keys()) {
        this.#windows.delete(oldest);
        break;
      }
    }
    const window = { startMs: nowMs, answers: 0 };
    this.#windows.set(key, window);
    return window;
  }
}

function takes(window: Window, answersMax: number, nowMs: number): boolean {
  if (nowMs - window.startMs >= WINDOW_MS) {
    window.startMs = nowMs;
    window.answers = 0;
  }
  if (window.answers >= answersMax) return false;
  window.answers += 1;
  return true;
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1' || host.startsWith('::ffff:127.');
}
