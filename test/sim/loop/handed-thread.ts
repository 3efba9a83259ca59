import type { Random } from '#src/base/random.js';
import { closedInThread } from '#src/loop/thread-exit.js';
import { loopOf } from '#src/net/event-loop.js';
import type { Connection, ConnectionHandlers } from '#src/net/stream/connection.js';
import type { Listener } from '#src/net/stream/listener.js';
import { peerName } from '#src/socket/peer-name.js';
import type { SocketAddress } from '#src/sys/sockaddr.js';
import { keepLedger, type ThreadLedger } from '#src/sys/thread-resources.js';
import { HandedConnections } from '#src/workers/handed-connections.js';
import { HandedOut } from '#src/workers/handed-out.js';
import { SharedLedger } from '#src/workers/shared-ledger.js';
import { ThreadState } from '#src/workers/shared-state.js';
import type { SharedKernel } from './shared-kernel.ts';
import type { ThreadBug } from './thread-game.ts';
import type { WatchedLoop } from './watched-loop.ts';

/** More than a simulated process has. */
const LEDGER_FDS = 1024;

/** How a thread ends before its service does. */
export type ThreadEnd = 'exit' | 'terminate';

/** What all threads of a seed have in common. */
export interface ThreadPlan {
  /** Whether it may end before the service does. */
  readonly mayEnd: boolean;
  /** Whether it has a `maxConnections`. */
  readonly isLimited: boolean;
  readonly bug: ThreadBug | null;
}

/** What an uncaught error of a handler is. */
class HandlerError extends Error {}

/** What a thread tells its owner, and the game of its connections. */
export interface ThreadOwner {
  /** A message is on its way: it takes connections again. */
  hungry(): void;
  /** It has ended: `untaken` is the owner's again, and it had `ports` of clients. */
  ended(untaken: readonly number[], ports: readonly number[]): void;
  opened(port: number): void;
  /** A handler is about to throw: the connection breaks with it. */
  threw(port: number): void;
}

const nobody: ThreadLedger = {
  opened: () => undefined,
  closing: () => undefined,
  mapped: () => undefined,
  unmapping: () => undefined,
};

/** A thread of a service that gets its connections from an acceptor, and those that replace it. */
export class HandedThread {
  readonly #kernel: SharedKernel;
  readonly #random: Random;
  readonly #address: SocketAddress;
  readonly #owner: ThreadOwner;
  readonly #bug: ThreadBug | null;
  readonly #mayEnd: boolean;
  readonly #maxConnections: number | null;
  readonly #throwChance: number;
  /** The probability that a message has come. */
  readonly #messageChance: number;
  readonly #state = new ThreadState(0);
  readonly #handed = new HandedOut(this.#state);
  readonly #ledger = new SharedLedger(LEDGER_FDS);
  /** Connections on their way: messages that it has not got. */
  #messages: number[] = [];
  #loop: WatchedLoop | null = null;
  #source: HandedConnections | null = null;
  #listener: Listener | null = null;
  /** The ports of the clients that this thread has taken and not closed. */
  readonly #ports = new Set<number>();
  #ending = false;
  #counted = false;

  constructor(
    kernel: SharedKernel,
    name: string,
    address: SocketAddress,
    owner: ThreadOwner,
    plan: ThreadPlan,
  ) {
    this.#kernel = kernel;
    this.#random = kernel.randomOf(name);
    this.#address = address;
    this.#owner = owner;
    this.#bug = plan.bug;
    this.#mayEnd = plan.mayEnd;
    this.#maxConnections = plan.isLimited ? this.#random.between(1, 2) : null;
    this.#messageChance = this.#random.chance(0.5) ? 0.05 : 0.7;
    this.#throwChance = this.#random.chance(0.6) ? 0 : 0.15;
  }

  // For the acceptor.

  get isHungry(): boolean {
    return this.#listener !== null && !this.#ending && !this.#state.full;
  }

  get load(): number {
    return this.#handed.load;
  }

  hand(fd: number): void {
    this.#handed.hand(fd);
    this.#messages.push(fd);
    if (this.#bug === 'hands over twice' && this.#random.chance(0.1)) this.#messages.push(fd);
  }

  // The thread.

  get isOver(): boolean {
    return this.#loop === null;
  }

  /** Begins, as a thread that is ready. */
  start(): void {
    this.#state.reset();
    this.#ledger.clear();
    this.#within(() => {
      const loop = this.#kernel.openLoop();
      this.#loop = loop;
      const hungry = (): void => {
        if (this.#bug !== 'does not say that it is hungry') this.#owner.hungry();
      };
      const source = new HandedConnections(this.#address, this.#state, hungry);
      this.#source = source;
      const max = this.#maxConnections;
      // A source is no part of the public options.
      this.#listener = loop.listen({
        source,
        handlers: this.#handlers(loop),
        ...(max === null ? {} : { maxConnections: max }),
      } as never);
    });
    this.#owner.hungry();
  }

  #handlers(loop: WatchedLoop): ConnectionHandlers<undefined> {
    return {
      open: (one) => this.#opened(one),
      data: (one, chunk) => {
        if (!one.write(chunk)) one.pause();
        this.#perhapsThrow(one);
        this.#perhapsPause(loop);
      },
      drain: (one) => one.resume(),
      close: (one) => this.#ports.delete(portOf(one.remoteAddress)),
    };
  }

  #opened(connection: Connection): void {
    const port = portOf(connection.remoteAddress);
    this.#owner.opened(port);
    this.#perhapsThrow(connection);
  }

  #perhapsThrow(connection: Connection): void {
    if (this.#throwChance === 0 || !this.#random.chance(this.#throwChance)) return;
    this.#owner.threw(portOf(connection.remoteAddress));
    throw new HandlerError();
  }

  #perhapsPause(loop: WatchedLoop): void {
    const listener = this.#listener;
    if (listener === null || !this.#random.chance(0.05)) return;
    listener.pause();
    loop.setTimer(this.#random.between(0, 30), () => listener.resume());
  }

  /** What the thread does is in its ledger. */
  #within(act: () => void): void {
    keepLedger(this.#ledger);
    try {
      act();
    } finally {
      keepLedger(nobody);
    }
  }

  /** Gets its messages, or some of them, and turns. */
  turn(): void {
    const loop = this.#loop;
    const source = this.#source;
    if (loop === null || source === null) return;
    const { sys } = this.#kernel;
    let failed = false;
    this.#within(() => {
      while (this.#messages.length > 0 && this.#random.chance(this.#messageChance)) {
        const fds = this.#messages.splice(0, 1);
        for (const fd of fds) this.#ports.add(portOf(peerName(sys, fd)));
        source.push(fds);
      }
      try {
        this.#kernel.turn([loop]);
      } catch (error) {
        if (!(error instanceof HandlerError)) throw error;
        failed = true;
      }
    });
    // A program that hears of uncaught errors goes on.
    if (failed && this.#mayEnd && this.#random.chance(0.5)) this.end('exit');
    const { stats, connections } = this.#listener ?? {};
    if (stats !== undefined && this.#random.chance(0.3)) {
      this.#state.publish(stats.accepted, connections ?? 0);
    }
  }

  /** Ends by itself, or is terminated: what it has open is closed, the rest goes back. */
  end(way: ThreadEnd): void {
    const loop = this.#loop;
    const { oracle, sys } = this.#kernel;
    if (loop === null || this.#ending) return;
    this.#within(() => {
      if (way === 'exit') loopOf(loop).closeAtExit();
      else {
        sys.threadEnded(loopOf(loop).fds());
        closedInThread(loopOf(loop));
      }
      this.#kernel.forget(loop);
      // The memory of rings that were closed is for the next one of the process, which is in the
      // same thread here.
      const munmap = (address: number, length: number): number =>
        way === 'exit' ? 0 : sys.munmap(address, length);
      const close = (fd: number): number => {
        const result = sys.close(fd);
        oracle.expect(result !== -sys.abi.errno.EBADF, `the ledger has ${fd}, which is closed`);
        return result;
      };
      this.#ledger.closeAll({ close, munmap });
    });
    this.#loop = null;
    this.#listener = null;
    this.#source = null;
    const untaken = this.#handed.end();
    const isWhole = untaken.length === this.#messages.length;
    this.#messages = [];
    this.#state.reset();
    const ports = [...this.#ports];
    this.#ports.clear();
    const isBuggy = this.#bug !== null;
    oracle.expect(isWhole || isBuggy, 'what was on its way is not what was not taken');
    this.#owner.ended(this.#bug === 'forgets what was not taken' ? [] : untaken, ports);
  }

  /** Ends all connections by a deadline, and itself. */
  shutdown(deadlineMs: number): void {
    const loop = this.#loop;
    const listener = this.#listener;
    if (loop === null || listener === null || this.#ending) return;
    this.#ending = true;
    const { oracle, sys } = this.#kernel;
    this.#within(() => {
      listener.close();
      this.#source?.close(sys);
      const done = (): void => {
        const { accepted, closed } = listener.stats;
        oracle.expect(accepted === closed, `${accepted} accepted, and ${closed} closed`);
        this.#counted = true;
      };
      listener.shutdown({ deadlineMs }).then(done, () => undefined);
    });
  }

  /** Closes its loop once all of its connections have ended. */
  endIfShutDown(): void {
    const loop = this.#loop;
    if (loop === null || !this.#counted) return;
    this.#within(() => loop.close());
    this.#loop = null;
    this.#ledger.closeAll({
      close: (fd) => this.#kernel.sys.close(fd),
      munmap: () => 0,
    });
    for (const fd of this.#handed.end()) this.#kernel.sys.close(fd);
  }
}

/** The port of a client, 0 if it is forgotten. */
export function portOf(address: SocketAddress | null): number {
  return address?.family === 'IPv4' ? address.port : 0;
}
