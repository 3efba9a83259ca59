import { AsyncResource } from 'node:async_hooks';
import { ADDRCONFIG, type LookupAddress, lookup as systemLookup } from 'node:dns';
import {
  type BlockList,
  getDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  isIP,
  type LookupFunction,
} from 'node:net';
import type { EventLoop } from '../../net/event-loop.ts';
import type { Connection, ConnectionSettings } from '../../net/stream/connection.ts';
import type { Connector } from '../../net/stream/connector.ts';
import { blockedAddress, checkFunction, checkNumber, codedError, wrongType } from '../arguments.ts';
import { checkedPort } from './arguments.ts';
import { attemptsError, callFailure, connectError } from './node-errors.ts';
import type { SocketConnectOptions } from './options.ts';
import { throwLater } from './uncaught.ts';

/** The shortest time of an attempt, as in Node. */
const ATTEMPT_MS_MIN = 10;

/** The socket that connects. */
export interface ConnectingSocket<Data> {
  /** The settings of the connection. */
  readonly settings: ConnectionSettings<Data>;
  /** The addresses that it does not connect to. */
  readonly blockList: BlockList | null;
  emit(event: string, ...args: unknown[]): void;
  /** Something happens: the timeout starts anew. */
  touched(): void;
  /** Called in the context of `connect`. */
  connected(connection: Connection<Data>): void;
  failed(error: Error): void;
}

/** Where to connect to, checked. */
interface Target {
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string;
  readonly localPort?: number;
}

/** Looks up the host of a socket and connects to its addresses, one after the other. */
export class ConnectOperation<Data> {
  readonly #loop: EventLoop;
  readonly #socket: ConnectingSocket<Data>;
  readonly #scope = new AsyncResource('SOCKLOOP_CONNECT');
  readonly #errors: Error[] = [];
  #attemptMs = 0;
  #target: Target = { host: '', port: 0 };
  #addresses: readonly LookupAddress[] = [];
  #connector: Connector<Data> | null = null;
  #timer: NodeJS.Timeout | undefined;
  #over = false;
  /** Whether the attempt was reported. */
  #announced = true;
  /** What was tried, once there are several addresses. */
  attempted: string[] | null = null;

  constructor(loop: EventLoop, socket: ConnectingSocket<Data>) {
    this.#loop = loop;
    this.#socket = socket;
  }

  /** Connects to a path. */
  toPath(path: string): void {
    if (typeof path !== 'string') throw wrongType('options.path', 'of type string', path);
    this.#connector = this.#loop.connect({
      ...this.#socket.settings,
      path,
      handlers: this.#handlers(),
      onError: (error) => this.#guarded(this.#pathRefused, path, error),
    });
  }

  #pathRefused(path: string, error: Error): void {
    const failure = callFailure(error);
    const told = failure === null ? error : connectError(failure, path, null, null);
    this.#socket.emit('connectionAttemptFailed', path, undefined, undefined, told);
    this.#fail(told);
  }

  /** Connects to a host. Throws for a wrong option. */
  toHost(options: SocketConnectOptions): void {
    const { localAddress, localPort } = options;
    const host = options.host || 'localhost';
    if (localAddress !== undefined && isIP(localAddress) === 0) throw wrongAddress(localAddress);
    checkNumber(localPort, 'options.localPort');
    if (typeof options.port !== 'number' && typeof options.port !== 'string') {
      throw wrongType('options.port', 'one of type number or string', options.port);
    }
    const port = checkedPort(options.port, 'Port');
    const { autoSelectFamily = getDefaultAutoSelectFamily() } = options;
    if (typeof autoSelectFamily !== 'boolean') {
      throw wrongType('options.autoSelectFamily', 'of type boolean', autoSelectFamily);
    }
    const attemptMs = options.autoSelectFamilyAttemptTimeout;
    checkNumber(attemptMs, 'options.autoSelectFamilyAttemptTimeout');
    this.#attemptMs = Math.max(
      attemptMs ?? getDefaultAutoSelectFamilyAttemptTimeout(),
      ATTEMPT_MS_MIN,
    );
    this.#target = {
      host,
      port,
      ...(localAddress === undefined ? {} : { localAddress }),
      ...(localPort === undefined ? {} : { localPort }),
    };
    const family = isIP(host);
    if (family !== 0) {
      process.nextTick(() => this.#attempt([{ address: host, family }]));
      return;
    }
    if (options.lookup !== undefined) checkFunction(options.lookup, 'options.lookup');
    this.#lookUp(options, autoSelectFamily);
  }

  #lookUp(options: SocketConnectOptions, autoSelectFamily: boolean): void {
    const { host } = this.#target;
    const lookup = (options.lookup ?? systemLookup) as LookupFunction;
    const { family } = options;
    const one = family === 4 || family === 6;
    const { hints = one ? 0 : ADDRCONFIG } = options;
    const all = autoSelectFamily && !one && this.#target.localAddress === undefined;
    const request = all ? { family, hints, all: true } : { family, hints };
    lookup(host, request as Parameters<LookupFunction>[1], (error, found, foundFamily) => {
      if (this.#over) return;
      if (error !== null && error !== undefined) {
        this.#socket.emit('lookup', error, undefined, undefined, host);
        process.nextTick(() => this.#fail(error));
        return;
      }
      const addresses = Array.isArray(found)
        ? found
        : [{ address: found, family: foundFamily ?? 0 }];
      for (const { address, family: of } of addresses) {
        this.#socket.emit('lookup', null, address, of, host);
        if (this.#over) return;
      }
      this.#found(addresses);
    });
  }

  #found(addresses: readonly LookupAddress[]): void {
    const usable = addresses.filter(({ address }) => isIP(address) !== 0);
    const [first] = usable;
    if (first === undefined) {
      const error = wrongAddress(addresses[0]?.address);
      process.nextTick(() => this.#fail(error));
      return;
    }
    this.#socket.touched();
    if (usable.length > 1) this.attempted = [];
    // Families alternate, the first stays first.
    const same = usable.filter(({ family }) => family === first.family);
    const other = usable.filter(({ family }) => family !== first.family);
    const mixed: LookupAddress[] = [];
    for (let index = 0; index < Math.max(same.length, other.length); index++) {
      mixed.push(...same.slice(index, index + 1), ...other.slice(index, index + 1));
    }
    this.#attempt(mixed);
  }

  #attempt(addresses: readonly LookupAddress[]): void {
    const [next, ...rest] = addresses;
    if (this.#over || this.#loop.closed) return;
    if (next === undefined) {
      const [first] = this.#errors;
      this.#fail(this.attempted === null && first ? first : attemptsError(this.#errors));
      return;
    }
    this.#addresses = rest;
    const { address, family } = next;
    const { port, localAddress, localPort } = this.#target;
    if (this.#socket.blockList?.check(address, family === 6 ? 'ipv6' : 'ipv4') === true) {
      this.#blocked(next);
      return;
    }
    this.attempted?.push(`${address}:${port}`);
    // An address that cannot be connected from is no attempt.
    this.#announced = localPort === undefined && localAddress === undefined;
    if (this.#announced) this.#socket.emit('connectionAttempt', address, port, family);
    if (this.#over) return;
    const connector = this.#loop.connect<Data>({
      ...this.#socket.settings,
      host: address,
      port,
      ...(localAddress === undefined ? {} : { localAddress }),
      ...(localPort === undefined ? {} : { localPort }),
      handlers: this.#handlers(next),
      onError: (error) => this.#guarded(this.#refused, next, error),
    });
    this.#connector = connector;
    if (rest.length === 0) return;
    this.#timer = setTimeout(() => this.#late(next), this.#attemptMs);
  }

  /** Reports the attempt, unless that was done. */
  #announce({ address, family }: LookupAddress): void {
    if (this.#announced) return;
    this.#announced = true;
    this.#socket.emit('connectionAttempt', address, this.#target.port, family);
  }

  #handlers(attempt?: LookupAddress): ConnectionSettings<Data>['handlers'] {
    return {
      ...this.#socket.settings.handlers,
      open: (connection) => this.#guarded(this.#opened, attempt, connection),
    };
  }

  #opened(attempt: LookupAddress | undefined, connection: Connection<Data>): void {
    if (attempt !== undefined) this.#announce(attempt);
    this.cancel();
    this.#socket.connected(connection);
  }

  /** Calls a method that the loop reports to, in the context of the call of `connect`. */
  #guarded<One, Other>(method: (one: One, other: Other) => void, one: One, other: Other): void {
    try {
      this.#scope.runInAsyncScope(method, this, one, other);
    } catch (error) {
      throwLater(error);
    }
  }

  #refused(attempt: LookupAddress, error: Error): void {
    clearTimeout(this.#timer);
    const { address, family } = attempt;
    const { port, localAddress, localPort } = this.#target;
    const failure = callFailure(error);
    if (failure?.syscall === 'bind') {
      this.#errors.push(connectError(failure, localAddress ?? address, localPort ?? 0, null));
      this.#attempt(this.#addresses);
      return;
    }
    this.#announce(attempt);
    const local =
      localAddress === undefined || localPort === undefined ? null : `${localAddress}:${localPort}`;
    const told = failure === null ? error : connectError(failure, address, port, local);
    this.#errors.push(told);
    this.#socket.emit('connectionAttemptFailed', address, port, family, told);
    this.#attempt(this.#addresses);
  }

  #blocked({ address, family }: LookupAddress): void {
    const error = blockedAddress(address);
    const isOne = this.attempted === null;
    if (isOne) this.#socket.emit('connectionAttempt', address, this.#target.port, family);
    this.#errors.push(error);
    if (!isOne) {
      const { port } = this.#target;
      this.#socket.emit('connectionAttemptFailed', address, port, family, error);
    }
    this.#attempt(this.#addresses);
  }

  #late({ address, family }: LookupAddress): void {
    const { port } = this.#target;
    this.#connector?.cancel();
    const error = new Error(`connect ETIMEDOUT ${address}:${port}`);
    const facts = { errno: ETIMEDOUT, code: 'ETIMEDOUT', syscall: 'connect', address, port };
    this.#errors.push(Object.assign(error, facts));
    this.#socket.emit('connectionAttemptTimeout', address, port, family);
    this.#attempt(this.#addresses);
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.cancel();
    this.#socket.failed(error);
  }

  /** Ends the operation: nothing is called any more. */
  cancel(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#connector?.cancel();
  }
}

/** As libuv numbers it, which is what Node reports here. */
const ETIMEDOUT = -110;

function wrongAddress(address: unknown): Error {
  return codedError(new TypeError(`Invalid IP address: ${address}`), 'ERR_INVALID_IP_ADDRESS');
}
