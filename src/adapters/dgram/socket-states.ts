import { AsyncResource } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import { type AddressInfo, type BlockList, isIPv6 } from 'node:net';
import { loopOf } from '../../net/event-loop.ts';
import { blockedAddress, checkFunction, wrongValueOf } from '../arguments.ts';
import { checkedPort, checkString } from './arguments.ts';
import { BoundSocket } from './bound-socket.ts';
import {
  bindSocket,
  connectSocket,
  descriptorType,
  disconnectSocket,
  nameOf,
  takeDescriptor,
} from './descriptor.ts';
import {
  addressError,
  alreadyBound,
  alreadyConnected,
  badFdType,
  callError,
  notConnected,
} from './errors.ts';
import { Hosts } from './hosts.ts';
import type { BindOptions, RemoteInfo, SocketOptions, SocketType } from './options.ts';
import { ANY, SocketBase } from './socket-base.ts';

/** The address of a peer that is not named. */
export const LOOPBACK = { udp4: '127.0.0.1', udp6: '::1' } as const;

/** How a socket is bound, connected and closed. */
export abstract class SocketStates extends SocketBase implements AsyncDisposable {
  /** @internal */
  protected readonly hosts: Hosts;
  /** @internal */
  protected connection: 'none' | 'connecting' | 'connected' = 'none';
  /** The context of its events: where it was made. */
  readonly #scope = new AsyncResource('SOCKLOOP_DGRAM');
  #binding: 'unbound' | 'binding' | 'bound' = 'unbound';
  /** What waits until it is bound. */
  #queue: (() => void)[] | null = null;
  /** Emits `close`, in the context of what asked for it. */
  #emitClose: (() => void) | null = null;

  /** @internal */
  protected constructor(type: SocketType, options: SocketOptions) {
    super(type, options);
    this.hosts = new Hosts(this.type, options.lookup, () => this.thread.loop.nowMs);
  }

  /** @internal */
  protected closeOn(signal: AbortSignal): void {
    const aborted = (): void => {
      if (this.isOpen) this.close();
    };
    if (signal.aborted) {
      aborted();
      return;
    }
    signal.addEventListener('abort', aborted, { once: true });
    this.once('close', () => signal.removeEventListener('abort', aborted));
  }

  // Binding.

  /**
   * Binds the socket to a port; then `listening` is emitted, and it receives.
   *
   * @param port 0 to 65535; 0 or none for a free one.
   * @param address a name or an address. Default: all interfaces.
   * @param callback is called once it is bound.
   * @returns the socket.
   * @throws Error `ERR_SOCKET_ALREADY_BOUND`, `ERR_SOCKET_DGRAM_NOT_RUNNING`.
   */
  bind(port?: number, address?: string, callback?: () => void): this;
  /**
   * Binds the socket to a port of all interfaces.
   *
   * @param port 0 to 65535; 0 for a free one.
   * @param callback is called once it is bound.
   * @returns the socket.
   * @throws Error `ERR_SOCKET_ALREADY_BOUND`, `ERR_SOCKET_DGRAM_NOT_RUNNING`.
   */
  bind(port: number, callback?: () => void): this;
  /**
   * Binds the socket to a free port of all interfaces.
   *
   * @param callback is called once it is bound.
   * @returns the socket.
   * @throws Error `ERR_SOCKET_ALREADY_BOUND`, `ERR_SOCKET_DGRAM_NOT_RUNNING`.
   */
  bind(callback: () => void): this;
  /**
   * Binds the socket, or takes a descriptor over.
   *
   * @param options where to.
   * @param callback is called once it is bound.
   * @returns the socket.
   * @throws Error `ERR_SOCKET_ALREADY_BOUND`, `ERR_SOCKET_DGRAM_NOT_RUNNING`.
   * @throws TypeError `ERR_INVALID_FD_TYPE` for a descriptor that is no UDP socket.
   */
  bind(options: BindOptions, callback?: () => void): this;
  bind(...args: unknown[]): this {
    this.checkRunning();
    if (this.#binding !== 'unbound') throw alreadyBound();
    this.#binding = 'binding';
    const callback = args.at(-1);
    if (typeof callback === 'function') this.#onceListening(callback as () => void);
    const [first, second] = args;
    const options: BindOptions & { recvStart?: unknown } =
      typeof first === 'object' && first !== null
        ? first
        : {
            port: first as number,
            address: typeof second === 'function' ? '' : (second as string),
          };
    if (typeof options.recvStart === 'function') {
      throw wrongValueOf('port', first, 'is not supported by sockloop/dgram');
    }
    const { fd, address } = options;
    if (Number.isInteger(fd) && (fd ?? 0) > 0) this.#take(fd as number);
    else this.#bindTo(address || ANY[this.type], options.port);
    return this;
  }

  /** Calls `callback` once it is bound, unless an error comes before that. */
  #onceListening(callback: () => void): void {
    const remove = (): void => {
      this.removeListener('error', remove);
      this.removeListener('listening', bound);
    };
    const bound = (): void => {
      remove();
      callback.call(this);
    };
    this.on('error', remove);
    this.on('listening', bound);
  }

  #take(fd: number): void {
    const type = descriptorType(this.sys, fd);
    if (type !== 'UDP') throw badFdType(type);
    const { EEXIST = 0 } = this.sys.abi.errno;
    const isKnown = this.thread.loop.fds().includes(fd);
    const result = isKnown ? -EEXIST : takeDescriptor(this.sys, fd);
    if (result < 0) throw callError(this.sys.abi, result, 'open');
    this.#closeOwn();
    this.#receiveOn(fd);
  }

  #bindTo(address: string, port: number | undefined): void {
    if (this.options.lookup === undefined) checkString(address, 'hostname');
    this.hosts.find(address, (error, ip) => {
      if (!this.isOpen) return;
      if (error !== null && error !== undefined) {
        this.#bindFailed(error);
        return;
      }
      const { sys, options } = this;
      const fd = this.opened();
      // As Node: the lower 16 bits.
      const result = fd < 0 ? fd : bindSocket(sys, fd, ip, Number(port ?? 0) & 0xffff, options);
      if (result < 0) this.#bindFailed(addressError(sys.abi, result, 'bind', ip, port));
      else this.#receiveOn(fd);
    });
  }

  #bindFailed(error: Error): void {
    this.#binding = 'unbound';
    this.emit('error', error);
  }

  #receiveOn(fd: number): void {
    const loop = loopOf(this.thread.loop);
    this.bound = new BoundSocket(loop, fd, {
      received: (message, info) => this.#received(message, info),
      failed: (errno) => this.#failed(errno),
      closed: () => this.#closed(),
    });
    this.ownFd = -1;
    this.#binding = 'bound';
    this.hold();
    const { recvBufferSize, sendBufferSize } = this.options;
    if (recvBufferSize) this.bufferSize(recvBufferSize, 'SO_RCVBUF');
    if (sendBufferSize) this.bufferSize(sendBufferSize, 'SO_SNDBUF');
    this.emit('listening');
  }

  #received(message: Buffer, info: RemoteInfo): void {
    if (isBlocked(this.options.receiveBlockList, info.address)) return;
    this.#scope.runInAsyncScope(this.emit, this, 'message', message, info);
  }

  #failed(errno: number): void {
    const emit = (): void => {
      if (this.isOpen) this.emit('error', callError(this.sys.abi, errno, 'recvmsg'));
    };
    this.#scope.runInAsyncScope(() => process.nextTick(emit));
  }

  /** @internal Does `step` once the socket is bound. */
  protected enqueue(step: () => void): void {
    if (this.#queue !== null) {
      this.#queue.push(step);
      return;
    }
    this.#queue = [step];
    const failed = (): void => {
      this.removeListener('listening', bound);
      this.#queue = null;
    };
    const bound = (): void => {
      (this as EventEmitter).removeListener(EventEmitter.errorMonitor, failed);
      const steps = this.#queue ?? [];
      this.#queue = null;
      for (const queued of steps) queued();
    };
    (this as EventEmitter).once(EventEmitter.errorMonitor, failed);
    this.once('listening', bound);
  }

  /** @internal Binds a socket that is about to be used to a free port. */
  protected bindAnywhere(): void {
    if (this.#binding === 'unbound') this.bind({ port: 0, exclusive: true });
  }

  // Connecting.

  /**
   * Connects the socket: it sends to one peer, and receives from that alone. Then `connect` is
   * emitted.
   *
   * @param port 1 to 65535.
   * @param address a name or an address. Default: the loopback address.
   * @param callback is called once it is connected, or with the error.
   * @throws Error `ERR_SOCKET_DGRAM_IS_CONNECTED`, `ERR_SOCKET_BAD_PORT`.
   */
  connect(port: number, address?: string, callback?: (error?: Error) => void): void;
  /**
   * Connects the socket to a port of the loopback address.
   *
   * @param port 1 to 65535.
   * @param callback is called once it is connected, or with the error.
   * @throws Error `ERR_SOCKET_DGRAM_IS_CONNECTED`, `ERR_SOCKET_BAD_PORT`.
   */
  connect(port: number, callback: (error?: Error) => void): void;
  connect(port: number, second?: unknown, third?: unknown): void {
    const number = checkedPort(port);
    const address = typeof second === 'function' || second === undefined ? '' : second;
    const callback = typeof second === 'function' ? second : third;
    checkString(address, 'address');
    checkFunction(callback ?? undefined, 'listener');
    if (this.connection !== 'none') throw alreadyConnected();
    this.connection = 'connecting';
    this.bindAnywhere();
    const step = (): void => {
      this.#connectTo(number, address, (callback ?? null) as (() => void) | null);
    };
    if (this.#binding === 'bound') step();
    else this.enqueue(step);
  }

  #connectTo(port: number, address: string, callback: ((error?: Error) => void) | null): void {
    if (callback !== null) this.once('connect', callback);
    this.hosts.find(address || LOOPBACK[this.type], (failure, ip) => {
      const { bound } = this;
      if (!this.isOpen || bound === null) return;
      let error = failure ?? null;
      if (error === null && isBlocked(this.options.sendBlockList, ip)) error = blockedAddress(ip);
      if (error === null) {
        // What was sent before goes where it was sent to.
        bound.flush();
        const result = connectSocket(this.sys, bound.fd, this.type, ip, port);
        if (result < 0) error = addressError(this.sys.abi, result, 'connect', address, port);
      }
      this.connection = error === null ? 'connected' : 'none';
      process.nextTick(() => {
        if (error === null) {
          this.emit('connect');
        } else if (callback === null) {
          this.emit('error', error);
        } else {
          this.removeListener('connect', callback);
          callback(error);
        }
      });
    });
  }

  /**
   * Ends the connection: the socket sends to any peer, and receives from all.
   *
   * @throws Error `ERR_SOCKET_DGRAM_NOT_CONNECTED`.
   */
  disconnect(): void {
    if (this.connection !== 'connected' || this.bound === null) throw notConnected();
    this.bound.flush();
    const result = disconnectSocket(this.sys, this.fd);
    if (result < 0) throw callError(this.sys.abi, result, 'connect');
    this.connection = 'none';
  }

  /**
   * Tells whom the socket is connected to.
   *
   * @returns the address of the peer.
   * @throws Error `ERR_SOCKET_DGRAM_NOT_CONNECTED`, `ERR_SOCKET_DGRAM_NOT_RUNNING`.
   */
  remoteAddress(): AddressInfo {
    this.checkRunning();
    if (this.connection !== 'connected') throw notConnected();
    const name = nameOf(this.sys, this.fd, 'getpeername');
    if (typeof name === 'number') throw callError(this.sys.abi, name, 'getpeername');
    return name;
  }

  // Its end.

  /**
   * Closes the socket; then `close` is emitted. What was sent before goes out.
   *
   * @param callback is called then.
   * @returns the socket.
   * @throws Error `ERR_SOCKET_DGRAM_NOT_RUNNING`.
   */
  close(callback?: () => void): this {
    if (typeof callback === 'function') this.on('close', callback);
    if (this.#queue !== null) {
      this.#queue.push(() => this.close());
      return this;
    }
    this.checkRunning();
    this.isOpen = false;
    const { bound } = this;
    this.isClosing = bound !== null && !this.thread.loop.closed;
    if (this.isClosing) this.#emitClose = AsyncResource.bind(() => void this.emit('close'));
    else process.nextTick(() => this.emit('close'));
    this.bound = null;
    if (bound === null) this.#closeOwn();
    else bound.close();
    this.hold();
    return this;
  }

  #closeOwn(): void {
    if (this.ownFd >= 0) this.sys.close(this.ownFd);
    this.ownFd = -1;
  }

  /** The descriptor is closed, also because the socket broke. */
  #closed(): void {
    this.isOpen = false;
    this.isClosing = false;
    this.bound = null;
    this.hold();
    const emit = this.#emitClose ?? (() => void this.emit('close'));
    this.#emitClose = null;
    emit();
  }

  /**
   * Closes the socket, unless it is.
   *
   * @returns a promise that resolves once it is closed.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isOpen) return;
    await new Promise<void>((resolve) => this.close(resolve));
  }
}

/** Whether `list` holds a numeric address. */
export function isBlocked(list: BlockList | undefined, address: string): boolean {
  return list?.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') === true;
}
