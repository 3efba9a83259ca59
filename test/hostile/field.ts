import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { openSocket, sendFlags } from '#src/sys/descriptors.js';
import { nativeSys } from '#src/sys/native.js';
import { encodeSockaddr, familyNumber, SOCKADDR_BYTES_MAX } from '#src/sys/sockaddr.js';

const sys = nativeSys();
const { constants, options } = sys.abi;
const name = new Uint8Array(SOCKADDR_BYTES_MAX);
const room = new Uint8Array(65_536);
const option = new Uint8Array(8);
const optionView = new DataView(option.buffer);

/** Where an attack is made, and for how many peers. */
export interface Target {
  readonly port: number;
  readonly pid: number;
  readonly peers: number;
  /** The first of the ports that its peers may come from. */
  readonly sourcePorts: number;
  /** What storms rest between two rounds. */
  readonly restMs: number;
}

/** Where a peer comes from. */
interface Source {
  readonly address: string;
  readonly port: number;
}

/**
 * The sockets of one attack on one server, by the calls themselves: an attack is no error, so that
 * what they return is a number.
 */
export class Field {
  readonly target: Target;
  /** What its peers have seen that must not be. */
  readonly findings: string[] = [];
  isOver = false;
  readonly #fds = new Set<number>();
  readonly #standing: () => void;

  constructor(target: Target, standing: () => void) {
    this.target = target;
    this.#standing = standing;
  }

  /** Tells that the attack stands. */
  stands(): void {
    this.#standing();
  }

  /** Opens a socket that does not block. */
  open(type: 'SOCK_STREAM' | 'SOCK_DGRAM' = 'SOCK_STREAM'): number {
    const fd = openSocket(sys, familyNumber(sys.abi, 'IPv4'), constants[type], 0, true);
    if (fd < 0) throw new Error(`the attacker has no socket: ${sys.strerror(-fd)}`);
    this.#fds.add(fd);
    return fd;
  }

  /** Connects it, or begins to. Returns 0, or the negated errno. */
  connect(fd: number, source: Source | null = null): number {
    if (source !== null) {
      optionView.setInt32(0, 1, true);
      sys.setsockopt(fd, constants.SOL_SOCKET, constants.SO_REUSEADDR, option, 4);
      const from = { family: 'IPv4', ...source } as const;
      const result = sys.bind(fd, name, encodeSockaddr(sys.abi, from, name));
      if (result < 0) return result;
    }
    const to = { family: 'IPv4', address: '127.0.0.1', port: this.target.port } as const;
    const result = sys.connect(fd, name, encodeSockaddr(sys.abi, to, name));
    return result === -sys.abi.errno.EINPROGRESS ? 0 : result;
  }

  /** A new peer. */
  dial(): number {
    const fd = this.open();
    this.connect(fd);
    return fd;
  }

  /** Sends what the kernel takes. Returns how much, or the negated errno. */
  push(fd: number, bytes: Uint8Array): number {
    return sys.send(fd, bytes, 0, bytes.length, sendFlags(sys));
  }

  /** Receives at most `length` bytes; the view is valid until the next. Null without any. */
  pull(fd: number, length = room.length): Uint8Array | null {
    const result = sys.recv(fd, room, 0, Math.min(length, room.length), 0);
    return result < 0 ? null : room.subarray(0, result);
  }

  /** Makes its receive buffer, and so its window, as small as can be. Call it before connecting. */
  narrow(fd: number): void {
    optionView.setInt32(0, 1, true);
    sys.setsockopt(fd, constants.SOL_SOCKET, options['SO_RCVBUF'] ?? 0, option, 4);
  }

  /** Ends its side. */
  end(fd: number): void {
    sys.shutdown(fd, constants.SHUT_WR);
  }

  /** Closes it by a reset. */
  reset(fd: number): void {
    optionView.setInt32(0, 1, true);
    optionView.setInt32(4, 0, true);
    sys.setsockopt(fd, constants.SOL_SOCKET, constants.SO_LINGER, option, 8);
    this.close(fd);
  }

  close(fd: number): void {
    if (this.#fds.delete(fd)) sys.close(fd);
  }

  /**
   * Closes it without a word to its peer, as a machine that has lost its power: TCP_REPAIR. False
   * without the right (CAP_NET_ADMIN).
   */
  vanish(fd: number): boolean {
    const TCP_REPAIR = 19;
    optionView.setInt32(0, 1, true);
    const result = sys.setsockopt(fd, constants.IPPROTO_TCP, TCP_REPAIR, option, 4);
    if (result < 0) return false;
    this.close(fd);
    return true;
  }

  /** Sends a signal to the server. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.target.pid, signal);
  }

  /** Between two rounds of a storm. */
  async rest(): Promise<void> {
    const { restMs } = this.target;
    await (restMs > 0 ? delay(restMs) : turn());
  }

  /** Lets the rest of the process have its turn. */
  async turn(): Promise<void> {
    await turn();
  }

  /** Waits; a field that is over is not waited for. */
  async pause(ms: number): Promise<void> {
    const endMs = performance.now() + ms;
    while (!this.isOver) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) return;
      await delay(Math.min(leftMs, 20));
    }
  }

  /** Holds what there is until the field is over. */
  async hold(): Promise<void> {
    this.stands();
    while (!this.isOver) await delay(20);
  }

  /** Resets all that is left. */
  async clear(): Promise<void> {
    let closed = 0;
    for (const fd of this.#fds) {
      this.reset(fd);
      if (++closed % 100 === 0) await turn();
    }
  }
}
