import { TokenBucket } from '../../base/token-bucket.ts';
import type { ProxyHeader } from '../../framing/proxy-header.ts';
import type { Loop } from '../../loop/loop.ts';
import { resetOnClose } from '../../loop/reset-on-close.ts';
import { peerName } from '../../socket/peer-name.ts';
import type { SocketAddress } from '../../sys/sockaddr.ts';
import { noteClosing } from '../../sys/thread-resources.ts';
import type { ConnectionGroup } from '../stream/connection-group.ts';
import { type AddressKey, AddressTable, keyOf } from './address-table.ts';
import {
  type AddressRefusal,
  addressRefusal,
  looksAtAddresses,
  REASONS,
  type RefusalAtOnce,
  wordsOf,
} from './admission.ts';
import { Backlog } from './backlog.ts';
import { type ConnectionGuard, GuardedConnection } from './guarded-connection.ts';
import { type GuardPlan, type Guards, guardPlan } from './guards.ts';
import { ProxyPhase, type ProxyProtocolSettings } from './proxy-phase.ts';
import { type RefusalCounts, type RefusalKind, refusalError } from './refusals.ts';

/** The guards of a listener, as its options have them. */
export interface GuardSettings {
  /**
   * What is refused and given up: addresses, numbers of connections, deadlines, bytes that are
   * queued in all. Default: nothing.
   */
  readonly guards?: Guards;
  /**
   * Takes the address of each client from a header of the PROXY protocol (version 1 or 2) that a
   * proxy in front sends: `remoteAddress` and `localAddress` of a connection are those of its
   * header, `proxy` is the header, and lists and limits of addresses go by it. The program gets
   * what comes behind the header. Default: none is taken.
   */
  readonly proxyProtocol?: ProxyProtocolSettings;
}

/** What a gate asks of its listener. */
export interface GateOwner<Data> {
  readonly refused: RefusalCounts;
  /** How many connections are open. */
  readonly connections: number;
  /** A connection may be opened to the program. */
  admit(connection: GuardedConnection<Data>): void;
  /** There is one less. */
  gone(): void;
}

/** Decides which connections of a listener the program gets. */
export class Gate<Data> implements ConnectionGuard {
  readonly plan: GuardPlan;
  readonly backlog: Backlog;
  readonly #loop: Loop;
  readonly #group: ConnectionGroup<Data>;
  readonly #owner: GateOwner<Data>;
  readonly #table = new AddressTable();
  readonly #bucket: TokenBucket | null;
  readonly #phase: ProxyPhase<Data> | null;
  readonly #looksAtAddresses: boolean;
  #serial = 0;

  constructor(
    loop: Loop,
    group: ConnectionGroup<Data>,
    { guards = {}, proxyProtocol }: GuardSettings,
    owner: GateOwner<Data>,
  ) {
    this.#loop = loop;
    this.#group = group;
    this.#owner = owner;
    const plan = guardPlan(guards);
    this.plan = plan;
    this.backlog = new Backlog(loop, plan);
    const { acceptsPerSecondMax, acceptsBurstMax } = plan;
    this.#bucket =
      acceptsPerSecondMax === null
        ? null
        : new TokenBucket({ perSecond: acceptsPerSecondMax, burst: acceptsBurstMax }, loop.nowMs);
    this.#phase =
      proxyProtocol === undefined
        ? null
        : new ProxyPhase(loop, proxyProtocol, group, this, {
            identified: (connection, header, rest) => this.#identified(connection, header, rest),
            refused: (connection, kind, reason) => this.#giveUp(connection, kind, reason),
            gone: () => owner.gone(),
          });
    this.#looksAtAddresses = looksAtAddresses(plan);
    if (this.#looksAtAddresses && !group.tcp && this.#phase === null) {
      throw new RangeError('a UNIX socket has no addresses to allow, deny or count');
    }
  }

  /** How many connections wait for their PROXY header. */
  get waiting(): number {
    return this.#phase?.size ?? 0;
  }

  /** Takes, or refuses, the new connection `fd`. */
  arrived(fd: number): void {
    const phase = this.#phase;
    const remote = this.#looksAtAddresses || phase !== null ? peerName(this.#loop.sys, fd) : null;
    const isProxied = phase?.trusts(remote) ?? false;
    const kind = this.#refusalAtOnce(remote, isProxied);
    if (kind !== null) {
      this.#refuse(fd, kind, remote);
      return;
    }
    this.#serial += 1;
    if (isProxied) {
      phase?.begin(fd, remote, this.#serial);
      return;
    }
    const key = this.#counted(remote);
    const group = this.#group;
    this.#owner.admit(new GuardedConnection(group, fd, remote, this, this.#serial, key));
  }

  #refusalAtOnce(remote: SocketAddress | null, isProxied: boolean): RefusalAtOnce | null {
    // The address of a proxied client is in its header.
    if (isProxied) return this.#loadRefusal();
    if (this.#phase?.required) return 'proxyUntrusted';
    return this.#addressRefusal(remote) ?? this.#loadRefusal();
  }

  /** Resets what waits for its PROXY header. */
  close(): void {
    this.#phase?.close();
  }

  count(kind: RefusalKind): void {
    this.#owner.refused[kind] += 1;
  }

  forget(key: AddressKey): void {
    this.#table.remove(key);
  }

  #identified(
    connection: GuardedConnection<Data>,
    header: ProxyHeader | null,
    rest: Uint8Array,
  ): void {
    const remote = header?.source ?? connection.remoteAddress;
    const kind = this.#addressRefusal(remote);
    connection.identify(header, kind === null ? this.#counted(remote) : null);
    if (kind !== null) {
      this.#giveUp(connection, kind, REASONS[kind]);
      return;
    }
    connection.enter(this.#group);
    connection.setTimeout(this.#group.idleTimeoutMs);
    this.#owner.admit(connection);
    connection.deliverRest(rest);
  }

  #addressRefusal(remote: SocketAddress | null): AddressRefusal | null {
    if (!this.#looksAtAddresses) return null;
    return addressRefusal(this.plan, wordsOf(remote), this.#table);
  }

  /** Counts a connection of `remote`, if that matters. */
  #counted(remote: SocketAddress | null): AddressKey | null {
    if (this.plan.connectionsPerAddressMax === Number.POSITIVE_INFINITY) return null;
    const words = wordsOf(remote);
    if (words === null) return null;
    const key = keyOf(words);
    this.#table.add(key);
    return key;
  }

  #loadRefusal(): 'connections' | 'acceptRate' | null {
    if (this.#owner.connections + this.waiting >= this.plan.connectionsMax) return 'connections';
    return this.#bucket === null || this.#bucket.take(this.#loop.nowMs) > 0 ? null : 'acceptRate';
  }

  /** Turns a connection away that has no object yet. */
  #refuse(fd: number, kind: RefusalAtOnce, remote: SocketAddress | null): void {
    const { sys } = this.#loop;
    this.count(kind);
    resetOnClose(sys, fd);
    noteClosing(fd);
    sys.close(fd);
    this.#tell(kind, remote, REASONS[kind]);
  }

  /** Turns a connection away whose header is wrong or names a client that is not served. */
  #giveUp(connection: GuardedConnection<Data>, kind: RefusalKind, reason: string): void {
    const { remoteAddress } = connection;
    this.count(kind);
    connection.reset();
    this.#tell(kind, remoteAddress, reason);
  }

  #tell(kind: RefusalKind, remote: SocketAddress | null, reason: string): void {
    const { onRefused } = this.plan;
    if (onRefused === null) return;
    const { sys, callbacks } = this.#loop;
    callbacks.call(() => onRefused(refusalError(sys, kind, remote, false, reason)));
  }
}
