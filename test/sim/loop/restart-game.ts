import type { Answer, ClientPeer } from './client-peer.ts';
import {
  type RestartBug,
  type Served,
  type ServerPlan,
  ServerRun,
  serverPlan,
} from './restart-servers.ts';
import type { LoopRun, PlayOptions } from './run-options.ts';
import { type ClientWords, SharedKernel } from './shared-kernel.ts';
import type { TargetName } from './targets.ts';
import type { WatchedLoop } from './watched-loop.ts';

// A server that is stopped while clients are under way, and others that take its place: they get
// its socket, or listen anew, on the same loop or as another process would.

const PORT = 7001;
const CLIENTS_MAX = 8;
/** All clients come within this time, and all restarts. */
const COMING_MS = 250;
const RESTARTS_MAX = 3;
/** What is to end by a deadline ends so much later at most: loops turn one after the other. */
const LATE_MS_MAX = 500;

export interface RestartOptions extends PlayOptions {
  readonly bug?: RestartBug;
}

/** What a seed has seen. */
export interface RestartRun extends LoopRun {
  /** Runs of a server, and those that got the socket of the one before. */
  readonly servers: number;
  readonly handedOver: number;
}

/** A restart that is to come. */
interface Restart {
  readonly atMs: number;
  readonly handsOver: boolean;
  /** Whether the next one has a loop of its own. */
  readonly apart: boolean;
  readonly drainMs: number;
  readonly deadlineMs: number;
  /** How long nobody listens, if nothing is handed over. */
  readonly pauseMs: number;
}

class RestartGame {
  readonly kernel: SharedKernel;
  readonly runs: ServerRun[] = [];
  handedOver = 0;
  readonly #plan: ServerPlan;
  readonly #loops: WatchedLoop[] = [];
  readonly #served = new Map<number, Served>();
  readonly #restarts: Restart[] = [];
  /** Clients, counted from when somebody listens. */
  readonly #comers: { readonly words: ClientWords; readonly delayMs: number }[] = [];
  /** When the last server is stopped although clients are under way. */
  readonly #stopAtMs: number;
  readonly #stopDeadlineMs: number;
  /** The loop of a server that is to listen once its port is free. */
  #anew: { readonly loop: WatchedLoop; readonly atMs: number } | null = null;
  /** When a listening socket was first closed while clients could come. */
  #deafMs = Number.POSITIVE_INFINITY;

  constructor(target: TargetName, seed: number, { bug, ...options }: RestartOptions) {
    this.kernel = new SharedKernel('restart game', target, seed, options);
    const { random } = this.kernel;
    const answer: Answer = random.chance(0.6) ? 'echo' : random.chance(0.7) ? 'line' : 'once';
    const lineBytesMax = random.between(1, random.chance(0.5) ? 50 : 3000);
    this.#plan = serverPlan(random, answer, lineBytesMax, bug ?? null);
    const mayLinger = this.#plan.maxConnections === null;
    for (let index = random.between(1, CLIENTS_MAX); index > 0; index -= 1) {
      const words = { name: `client ${index}`, answer, lineBytesMax, mayLinger };
      this.#comers.push({ words, delayMs: random.below(COMING_MS) });
    }
    for (let index = random.between(1, RESTARTS_MAX); index > 0; index -= 1) {
      const restart = {
        atMs: this.kernel.startMs + random.between(1, COMING_MS),
        handsOver: random.chance(0.65),
        apart: random.chance(0.6),
        drainMs: random.chance(0.4) ? random.below(100) : random.below(3000),
        deadlineMs: this.#deadlineMs(),
        pauseMs: random.below(40),
      };
      if (this.kernel.has(`restart ${index}`)) this.#restarts.push(restart);
    }
    this.#restarts.sort((one, other) => one.atMs - other.atMs);
    const { startMs } = this.kernel;
    const stopsEarly = random.chance(0.3) && this.kernel.has('early stop');
    this.#stopAtMs = stopsEarly ? startMs + random.between(1, 300) : Number.POSITIVE_INFINITY;
    this.#stopDeadlineMs = this.#deadlineMs();
  }

  #deadlineMs(): number {
    const { random } = this.kernel;
    return random.chance(0.2) ? 0 : random.below(random.chance(0.5) ? 50 : 2000);
  }

  #openLoop(): WatchedLoop {
    const loop = this.kernel.openLoop();
    this.#loops.push(loop);
    return loop;
  }

  #listen(loop: WatchedLoop, where: ConstructorParameters<typeof ServerRun>[1]): boolean {
    const make = (): ServerRun => new ServerRun(loop, where, this.#plan, this.#served);
    const run = this.kernel.attempt(make);
    if (run !== null) this.runs.push(run);
    return run !== null;
  }

  get #last(): ServerRun {
    const run = this.runs.at(-1);
    if (run === undefined) throw new Error('there is no server');
    return run;
  }

  play(): void {
    const { oracle } = this.kernel;
    const first = this.#openLoop();
    while (!this.#listen(first, { host: '127.0.0.1', port: PORT }));
    for (const { words, delayMs } of this.#comers) this.kernel.addClient(words, PORT, delayMs);
    while (oracle.violation === null) {
      this.#restartIfDue();
      if (this.#anew === null && !this.#last.isOver && this.#isToStop()) {
        this.#last.stop(this.#stopDeadlineMs);
      }
      const alive = this.#loops.filter((loop) => loop.alive);
      if (alive.length === 0 && this.#last.isOver && this.#anew === null) break;
      this.#watchEnds(alive.length > 0);
      this.kernel.turn(alive);
    }
    this.kernel.settle();
    this.#judge();
  }

  #isToStop(): boolean {
    const { nowMs, clientsDone } = this.kernel;
    return nowMs >= this.#stopAtMs || (clientsDone && this.#restarts.length === 0);
  }

  #restartIfDue(): void {
    const { nowMs, sys } = this.kernel;
    if (this.#anew !== null) {
      const { loop, atMs } = this.#anew;
      if (nowMs < atMs) return;
      if (this.#listen(loop, { host: '127.0.0.1', port: PORT })) this.#anew = null;
      return;
    }
    const next = this.#restarts[0];
    if (next === undefined || next.atMs > nowMs || this.#last.isOver) return;
    const { apart, drainMs, deadlineMs, pauseMs } = next;
    const isDropped = this.#plan.bug === 'hands nothing over' && next.handsOver;
    const handsOver = next.handsOver && !isDropped;
    const before = this.#last;
    const loop = apart ? this.#openLoop() : before.loop;
    if (!handsOver) {
      this.#restarts.shift();
      if (!isDropped) this.#deafMs = Math.min(this.#deafMs, nowMs);
      before.stop(deadlineMs);
      this.#anew = { loop, atMs: nowMs + pauseMs };
      return;
    }
    // What a successor inherits. Without one the server goes on.
    const fd = sys.dup(before.listener.fd);
    if (fd < 0) return;
    if (!this.#listen(loop, { fd })) {
      sys.close(fd);
      return;
    }
    this.#restarts.shift();
    this.handedOver += 1;
    before.handOver(drainMs, deadlineMs);
  }

  /** Everything of a server ends by its deadline. */
  #watchEnds(isAlive: boolean): void {
    const { nowMs, oracle } = this.kernel;
    for (const { endMs, listener } of this.runs) {
      const isLate = nowMs > endMs + LATE_MS_MAX && listener.connections > 0;
      oracle.expect(!isLate, `${listener.connections} connections outlive their deadline`);
    }
    const isOver = this.#anew === null && this.runs.every((run) => run.isOver);
    const endMs = Math.max(...this.runs.map((run) => run.endMs));
    const isLeft = isOver && isAlive && nowMs > endMs + 2 * LATE_MS_MAX;
    oracle.expect(!isLeft, 'a loop is alive although all of its servers have ended');
  }

  #judge(): void {
    const { kernel, runs } = this;
    const { oracle } = kernel;
    if (oracle.violation !== null) return;
    for (const run of runs) {
      const { mistake } = run;
      oracle.expect(mistake === null, `what does not add up: ${mistake}`);
    }
    for (const client of kernel.clients) this.#judgeClient(client);
    kernel.judge();
  }

  /** It gets all of its bytes, or there is a reason. */
  #judgeClient(client: ClientPeer): void {
    const { oracle, isDisturbed } = this.kernel;
    const served = this.#served.get(client.port);
    const { name, brokenBy, receivedBytes } = client;
    if (served === undefined) {
      const isRefusable = client.doneMs >= Math.min(this.#deafMs, this.#stopAtMs);
      const wasCut = this.runs.some((run) => run.wasCut);
      if (isRefusable || wasCut || isDisturbed || !client.patient) return;
      oracle.broken(`${name} was never accepted, though somebody always listened: ${brokenBy}`);
      return;
    }
    const { sentBytes, receivedBytes: heardBytes, error, server, closedMs } = served;
    oracle.expect(receivedBytes <= sentBytes, `${name} has got more than was sent`);
    oracle.expect(heardBytes <= client.sentBytes, `${name} was heard more than it has said`);
    // Who fails to send has not read what came before.
    const gaveUp = brokenBy?.startsWith('send gave') ?? false;
    const isOverdue = (closedMs ?? 0) >= server.endMs;
    if (isDisturbed || !client.patient || gaveUp || isOverdue || error !== null) return;
    const answered = this.#plan.answer === 'echo' ? heardBytes : sentBytes;
    const words = `${receivedBytes} bytes of ${answered}, without a reason: ${brokenBy}`;
    oracle.expect(receivedBytes === answered, `${name} has got ${words}`);
    if (!server.isOver) oracle.expect(brokenBy === null, `${name} for no reason: ${brokenBy}`);
  }
}

/** Runs a seed. */
export function runRestarts(
  target: TargetName,
  seed: number,
  options: RestartOptions = {},
): RestartRun {
  const game = new RestartGame(target, seed, options);
  const run = game.kernel.outcome(() => game.play());
  return { ...run, servers: game.runs.length, handedOver: game.handedOver };
}
