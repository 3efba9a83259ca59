import { Random } from '#src/base/random.js';
import type { SocketAddress } from '#src/sys/sockaddr.js';
import { NS_PER_MS } from './clock.ts';
import type { SimSys } from './sim-sys.ts';
import type { SimSocket } from './sockets.ts';

/** The script of a peer, run whenever something may have happened to it. */
export type Script = (peer: Peer) => void;

/**
 * A client or server outside of the process. It has its own socket and acts inside of a call of the
 * process, shortly after an event. Its calls never block, return what the system calls do, and meet
 * only the faults of the network.
 */
export class Peer {
  /** Random choices of the script. */
  readonly random: Random;
  readonly #sys: SimSys;
  readonly #script: Script;
  readonly #reaction: Random;
  #socket: SimSocket | null = null;
  #scheduled = false;
  #closed = false;

  /** `name` is unique in a simulation: it seeds the random choices. */
  constructor(sys: SimSys, name: string, script: Script) {
    this.#sys = sys;
    this.#script = script;
    this.random = new Random(sys.kernel.seed, `script of ${name}`);
    this.#reaction = new Random(sys.kernel.seed, `reaction of ${name}`);
  }

  get nowMs(): number {
    return this.#sys.kernel.clock.nowMs;
  }

  /** True if the peer has closed its socket, or handed it over. */
  get closed(): boolean {
    return this.#closed;
  }

  /** True if its connection is established and not over. */
  get connected(): boolean {
    return this.#socket?.phase === 'connected';
  }

  /** True while it connects. */
  get connecting(): boolean {
    return this.#socket?.phase === 'connecting';
  }

  /** Opens a socket and connects it: usually -EINPROGRESS, and the script runs at its end. */
  connect(address: SocketAddress): number {
    const { AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM } = this.#sys.abi.constants;
    const domain = { IPv4: AF_INET, IPv6: AF_INET6, UNIX: AF_UNIX }[address.family];
    const socket = this.#sys.sockets.create(domain, SOCK_STREAM);
    if (typeof socket === 'number') return socket;
    this.#take(socket);
    return socket.connect(address);
  }

  /** Listens at an address of this host; {@link accept} gives the connections. */
  listen(address: SocketAddress, backlog: number): number {
    const { AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM } = this.#sys.abi.constants;
    const domain = { IPv4: AF_INET, IPv6: AF_INET6, UNIX: AF_UNIX }[address.family];
    const socket = this.#sys.sockets.create(domain, SOCK_STREAM);
    if (typeof socket === 'number') return socket;
    const bound = socket.bind(address);
    if (bound < 0) return bound;
    this.#take(socket);
    return socket.listen(backlog);
  }

  /** Hands the next connection to another peer. Returns 0 or `-errno`. */
  accept(other: Peer): number {
    const socket = this.#socket?.accept() ?? -this.#sys.abi.errno.EINVAL;
    if (typeof socket === 'number') return socket;
    other.#take(socket);
    other.#wake();
    return 0;
  }

  /** Its local address. */
  get address(): SocketAddress | null {
    return this.#socket?.local ?? null;
  }

  #take(socket: SimSocket): void {
    this.#socket = socket;
    this.#closed = false;
    socket.nonblocking = true;
    socket.references = 1;
    socket.observer = () => this.#wake();
  }

  send(from: Uint8Array, offset = 0, length = from.length - offset): number {
    return this.#socket?.send(from, offset, length) ?? -this.#sys.abi.errno.EBADF;
  }

  receive(into: Uint8Array, length = into.length): number {
    return this.#socket?.receive(into, 0, length, false) ?? -this.#sys.abi.errno.EBADF;
  }

  /** Sends its end of stream, and still reads. */
  end(): number {
    return this.#socket?.shutdown(false, true) ?? -this.#sys.abi.errno.EBADF;
  }

  /** The pending error of SO_ERROR: positive, or 0. */
  takeError(): number {
    return this.#socket?.takeError() ?? 0;
  }

  close(): void {
    const socket = this.#socket;
    if (socket === null) return;
    this.#socket = null;
    this.#closed = true;
    socket.observer = null;
    socket.release();
  }

  /** Closes with a reset. */
  reset(): void {
    if (this.#socket !== null) this.#socket.resetsAtClose = true;
    this.close();
  }

  /** Runs the script again after `delayMs`. */
  sleep(delayMs: number): void {
    this.#sys.kernel.after(delayMs, () => this.#script(this));
  }

  #wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const [fromMs, toMs] = this.#sys.kernel.limits.reactionMs;
    const range = Math.round((toMs - fromMs) * NS_PER_MS);
    const delayNs = fromMs * NS_PER_MS + this.#reaction.below(range + 1);
    this.#sys.kernel.after(delayNs / NS_PER_MS, () => {
      this.#scheduled = false;
      this.#script(this);
    });
  }
}
