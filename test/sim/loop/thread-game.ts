import { Loop } from '#src/loop/loop.js';
import type { Listener } from '#src/net/stream/listener.js';
import { createServer } from '#src/socket/create.js';
import type { Socket } from '#src/socket/socket.js';
import { Acceptor } from '#src/workers/acceptor.js';
import type { ClientPeer } from './client-peer.ts';
import { HandedThread, portOf, type ThreadEnd, type ThreadPlan } from './handed-thread.ts';
import type { LoopRun, PlayOptions } from './run-options.ts';
import { SharedKernel } from './shared-kernel.ts';
import type { TargetName } from './targets.ts';
import type { WatchedLoop } from './watched-loop.ts';

// A service whose owner accepts, and hands each connection to one of its threads. Threads are full
// and paused, they throw, end, are terminated and replaced; a successor may take the socket over.

const PORT = 7001;
const THREADS_MAX = 4;
const CLIENTS_MAX = 10;
const ENDS_MAX = 3;
/** All clients come within this time, and all else happens. */
const COMING_MS = 250;
const ADDRESS = { family: 'IPv4', address: '127.0.0.1', port: PORT } as const;

/** A bug of the hand-over, for the game to find. */
export type ThreadBug =
  | 'forgets what was not taken'
  | 'hands over twice'
  | 'does not say that it is hungry'
  | 'drops what waits when it retires';

export interface ThreadOptions extends PlayOptions {
  readonly bug?: ThreadBug;
}

/** What a seed has seen. */
export interface ThreadRun extends LoopRun {
  readonly served: number;
  /** Connections that went to another thread, because theirs had ended. */
  readonly handedBack: number;
  /** Threads that ended before the service did. */
  readonly ends: number;
}

/** A thread that is to end. */
interface End {
  readonly atMs: number;
  readonly index: number;
  readonly way: ThreadEnd;
}

class ThreadGame {
  readonly kernel: SharedKernel;
  handedBack = 0;
  ends = 0;
  readonly #plan: ThreadPlan;
  readonly #socket: Socket;
  readonly #ownerLoop: Loop;
  readonly #acceptor: Acceptor;
  readonly #threads: HandedThread[] = [];
  readonly #ends: End[] = [];
  /** When threads that have ended are replaced. */
  readonly #starts: { readonly atMs: number; readonly thread: HandedThread }[] = [];
  /** How many threads have said that they are hungry, which the owner has not heard. */
  #hungry = 0;
  /** How often each client was served, by its port. */
  readonly #served = new Map<number, number>();
  /** The ports of clients whose connection broke with a thread or a handler. */
  readonly #excused = new Set<number>();
  readonly #retireAtMs: number;
  readonly #stopAtMs: number;
  readonly #deadlineMs: number;
  #retired: 'no' | 'soon' | 'yes' = 'no';
  #successor: { readonly loop: WatchedLoop; readonly listener: Listener } | null = null;
  #stopped = false;

  constructor(target: TargetName, seed: number, { bug, ...options }: ThreadOptions) {
    const kernel = new SharedKernel('thread game', target, seed, options);
    this.kernel = kernel;
    const { random, sys } = kernel;
    // The simulated backend keeps no ledger of its descriptors.
    const mayEnd = target !== 'completions';
    this.#plan = { mayEnd, isLimited: random.chance(0.5), bug: bug ?? null };
    this.#socket = kernel.insist(() => createServer({ host: '127.0.0.1', port: PORT }, { sys }));
    this.#socket.setBlocking(false);
    this.#ownerLoop = new Loop(sys, kernel.openBackend());
    for (let index = random.between(1, THREADS_MAX); index > 0; index -= 1) {
      this.#threads.push(this.#thread(`thread ${index}`));
    }
    const fd = this.#duplicate();
    const failed = (): void => undefined;
    const broken = (error: Error): void => kernel.oracle.broken(`it gave up: ${error.message}`);
    this.#acceptor = new Acceptor(this.#ownerLoop, [fd], ADDRESS, this.#threads, failed, broken);
    // A client that stays would keep others waiting in its thread.
    const mayLinger = !this.#plan.isLimited && random.chance(0.5);
    for (let index = random.between(1, CLIENTS_MAX); index > 0; index -= 1) {
      const words = {
        name: `client ${index}`,
        answer: 'echo',
        lineBytesMax: 1,
        mayLinger,
      } as const;
      kernel.addClient(words, PORT, random.below(COMING_MS));
    }
    for (let index = random.below(ENDS_MAX + 1); index > 0; index -= 1) {
      const end = {
        atMs: kernel.startMs + random.between(1, COMING_MS),
        index: random.below(this.#threads.length),
        way: random.chance(0.5) ? 'exit' : 'terminate',
      } as const;
      if (this.#plan.mayEnd && kernel.has(`end ${index}`)) this.#ends.push(end);
    }
    this.#ends.sort((one, other) => one.atMs - other.atMs);
    const retires = random.chance(0.3) && kernel.has('successor');
    const never = Number.POSITIVE_INFINITY;
    this.#retireAtMs = retires ? kernel.startMs + random.between(1, COMING_MS) : never;
    const stopsEarly = random.chance(0.2) && kernel.has('early stop');
    this.#stopAtMs = stopsEarly ? kernel.startMs + random.between(1, 300) : never;
    this.#deadlineMs = random.chance(0.2) ? 0 : random.below(2000);
  }

  #thread(name: string): HandedThread {
    const { kernel } = this;
    const owner = {
      hungry: () => {
        this.#hungry += 1;
      },
      opened: (port: number) => this.#opened(port),
      threw: (port: number) => this.#excused.add(port),
      ended: (untaken: readonly number[], ports: readonly number[]) => {
        for (const port of ports) this.#excused.add(port);
        this.ends += 1;
        this.handedBack += untaken.length;
        const atMs = kernel.nowMs + kernel.random.between(0, 40);
        this.#starts.push({ atMs, thread });
        if (this.#stopped) for (const fd of untaken) kernel.sys.close(fd);
        else this.#acceptor.handBack(untaken);
      },
    };
    const thread = new HandedThread(kernel, name, ADDRESS, owner, this.#plan);
    return thread;
  }

  #opened(port: number): void {
    const times = (this.#served.get(port) ?? 0) + 1;
    this.#served.set(port, times);
    this.kernel.oracle.expect(times === 1 || port === 0, 'a connection is served twice');
  }

  #duplicate(): number {
    const { sys } = this.kernel;
    for (;;) {
      const fd = sys.dup(this.#socket.fileno());
      if (fd >= 0) return fd;
    }
  }

  play(): void {
    const { kernel } = this;
    const { oracle } = kernel;
    for (const thread of this.#threads) thread.start();
    while (oracle.violation === null && !this.#isOver) {
      this.#happen();
      this.#turnOne();
    }
    if (this.#successor !== null) this.#successor.loop.close();
    kernel.settle();
    this.#socket.close();
    for (const client of kernel.clients) this.#judgeClient(client);
    kernel.judge();
  }

  get #isOver(): boolean {
    const { loop } = this.#successor ?? {};
    return this.#stopped && this.#threads.every(({ isOver }) => isOver) && loop?.alive !== true;
  }

  /** What is due happens. */
  #happen(): void {
    const { nowMs, clientsDone } = this.kernel;
    if (this.#stopped) return;
    const [end] = this.#ends;
    if (end !== undefined && end.atMs <= nowMs) {
      this.#ends.shift();
      this.#threads[end.index]?.end(end.way);
    }
    const [start] = this.#starts;
    if (start !== undefined && start.atMs <= nowMs) {
      this.#starts.shift();
      start.thread.start();
    }
    if (this.#retireAtMs <= nowMs && this.#retired === 'no') this.#retire();
    const isDone = clientsDone && this.#retired !== 'soon' && this.#ends.length === 0;
    if (nowMs >= this.#stopAtMs || isDone) this.#stop();
  }

  /** Another process has the socket as well, and serves from now on. */
  #retire(): void {
    const { kernel } = this;
    const loop = kernel.openLoop();
    const fd = this.#duplicate();
    const listener = kernel.attempt(() =>
      loop.listen({
        fd,
        handlers: {
          open: (one) => this.#opened(portOf(one.remoteAddress)),
          data: (one, chunk) => {
            if (!one.write(chunk)) one.pause();
          },
          drain: (one) => one.resume(),
        },
      }),
    );
    if (listener === null) {
      kernel.sys.close(fd);
      loop.close();
      return;
    }
    this.#successor = { loop, listener };
    this.#retired = 'soon';
    if (this.#plan.bug === 'drops what waits when it retires') this.#acceptor.close();
    this.#acceptor.retire(() => {
      kernel.oracle.expect(this.#retired === 'soon', 'it retires twice');
      this.#retired = 'yes';
    });
  }

  #stop(): void {
    this.#stopped = true;
    this.#acceptor.close();
    for (const thread of this.#threads) thread.shutdown(this.#deadlineMs);
    const listener = this.#successor?.listener;
    listener?.shutdown({ deadlineMs: this.#deadlineMs }).catch(() => undefined);
  }

  /** The owner, a thread or the successor turns: who is next is up to the machine. */
  #turnOne(): void {
    const { kernel } = this;
    const { random } = kernel;
    const actors: (() => void)[] = this.#threads
      .filter(({ isOver }) => !isOver)
      .map((thread) => () => {
        thread.turn();
        thread.endIfShutDown();
      });
    if (!this.#stopped) actors.push(() => this.#turnOwner());
    const successor = this.#successor;
    if (successor !== null) actors.push(() => kernel.turn([successor.loop]));
    const act = actors[random.below(actors.length)] ?? ((): void => kernel.turn([]));
    act();
  }

  #turnOwner(): void {
    for (; this.#hungry > 0; this.#hungry -= 1) this.#acceptor.hungry();
    this.kernel.turn(this.#ownerLoop.closed ? [] : [this.#ownerLoop]);
  }

  /** It is served to the end, unless a thread took it along. */
  #judgeClient(client: ClientPeer): void {
    const { oracle, isDisturbed } = this.kernel;
    const { name, brokenBy, port, doneMs, patient } = client;
    if (!patient || isDisturbed || this.#excused.has(port) || doneMs >= this.#stopAtMs) return;
    oracle.expect(brokenBy === null, `${name} for no reason: ${brokenBy}`);
    oracle.expect(this.#served.has(port), `${name} was never served`);
  }

  get served(): number {
    return this.#served.size;
  }
}

/** Runs a seed. */
export function runThreads(
  target: TargetName,
  seed: number,
  options: ThreadOptions = {},
): ThreadRun {
  const game = new ThreadGame(target, seed, options);
  const run = game.kernel.outcome(() => game.play());
  const { served, handedBack, ends } = game;
  return { ...run, served, handedBack, ends };
}
