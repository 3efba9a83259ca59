import type { Random } from '#src/base/random.js';
import type { Timer } from '#src/loop/timers.js';
import type { Connection, ConnectionHandlers } from '#src/net/stream/connection.js';
import type { Listener, ListenSettings } from '#src/net/stream/listener.js';
import type { SysError } from '#src/sys/sys-error.js';
import { type Client, EventServer } from '#tools/echo/event-server.js';
import { DRAIN_MS } from '#tools/echo/limits.js';
import type { Answer } from './client-peer.ts';
import type { WatchedLoop } from './watched-loop.ts';

/** A bug of a server that stops, for the game to find. */
export type RestartBug =
  | 'closes instead of lingering'
  | 'hands nothing over'
  | 'ends later than its deadline'
  | 'leaves a timer';

/** What a server does in the same way in all of its life. */
export interface ServerPlan {
  readonly answer: Answer;
  readonly lineBytesMax: number;
  readonly maxConnections: number | null;
  readonly idleTimeoutMs: number | null;
  readonly queueBytesHigh: number;
  /** How long it sends on once a client has ended, with a server of the library's own. */
  readonly halfOpenMs: number | null;
  /** Whether it is the server of `serve`. */
  readonly isEventServer: boolean;
  readonly bug: RestartBug | null;
}

/** The plan of a seed. */
export function serverPlan(
  random: Random,
  answer: Answer,
  lineBytesMax: number,
  bug: RestartBug | null,
): ServerPlan {
  return {
    answer,
    lineBytesMax,
    maxConnections: random.chance(0.3) ? random.between(1, 3) : null,
    idleTimeoutMs: random.chance(0.2) ? random.between(30, 400) : null,
    // The server of `serve` closes behind its one answer when the queue has become empty.
    queueBytesHigh: answer === 'once' || random.chance(0.5) ? 0 : random.between(1, 300),
    halfOpenMs: random.chance(0.4) ? random.between(0, 40) : null,
    isEventServer: answer !== 'echo' || random.chance(0.5),
    bug,
  };
}

/** A connection, as its server saw it. */
export interface Served {
  readonly server: ServerRun;
  receivedBytes: number;
  sentBytes: number;
  /** When it was closed, and why it broke. */
  closedMs: number | null;
  error: SysError | null;
}

/** One run of a server: on its own loop, or beside the one before it. */
export class ServerRun {
  readonly loop: WatchedLoop;
  readonly listener: Listener<Client | number>;
  readonly #plan: ServerPlan;
  readonly #served: Map<number, Served>;
  readonly #event: EventServer | null = null;
  readonly #own: Served[] = [];
  #lastAccepted = false;
  #drainEnd: Timer | null = null;
  #isDraining = false;
  /** Whether it was told to stop or drain, and by when all of its connections are closed. */
  stopped = false;
  endMs = Number.POSITIVE_INFINITY;
  /** Whether it had to stop before it had delivered all that it has accepted. */
  wasCut = false;
  /** Of a shutdown of the library. */
  #counts: { readonly ended: number; readonly reset: number } | null = null;
  #openThen = 0;

  /** `served` gets its connections, by the port of the client. Throws a SysError. */
  constructor(
    loop: WatchedLoop,
    where: { readonly fd: number } | { readonly host: string; readonly port: number },
    plan: ServerPlan,
    served: Map<number, Served>,
  ) {
    this.loop = loop;
    this.#plan = plan;
    this.#served = served;
    const { maxConnections, idleTimeoutMs, queueBytesHigh, lineBytesMax, answer: mode } = plan;
    const listen = (settings: ListenSettings<Client | number>): Listener<Client | number> =>
      loop.listen<Client | number>({
        ...settings,
        queueBytesHigh,
        ...where,
        handlers: this.#noted(settings.handlers),
      });
    if (plan.isEventServer) {
      const options = { listen, mode, lineBytesMax, maxConnections, idleTimeoutMs };
      this.#event = new EventServer(loop, options);
      this.listener = this.#event.listener;
      return;
    }
    const { halfOpenMs } = plan;
    const end = (one: Connection<Client | number>): void => {
      if (halfOpenMs === 0) one.end();
      else loop.setTimer(halfOpenMs ?? 0, () => one.end());
    };
    this.listener = listen({
      handlers: {
        data: (one, chunk) => {
          if (!one.write(chunk)) one.pause();
        },
        drain: (one) => one.resume(),
        ...(halfOpenMs === null ? {} : { end }),
      },
      ...(maxConnections === null ? {} : { maxConnections }),
      ...(idleTimeoutMs === null ? {} : { idleTimeoutMs }),
    });
  }

  /** Notes what becomes of each connection. */
  #noted(handlers: ConnectionHandlers<Client | number>): ConnectionHandlers<Client | number> {
    const notes = new WeakMap<object, Served>();
    return {
      ...handlers,
      open: (one) => {
        const remote = one.remoteAddress;
        const served = {
          server: this,
          receivedBytes: 0,
          sentBytes: 0,
          closedMs: null,
          error: null,
        };
        this.#served.set(remote?.family === 'IPv4' ? remote.port : 0, served);
        this.#own.push(served);
        notes.set(one, served);
        handlers.open?.(one);
      },
      close: (one, error) => {
        const served = notes.get(one);
        if (served !== undefined) {
          served.receivedBytes = one.bytesReceived;
          served.sentBytes = one.bytesSent;
          served.closedMs = this.loop.nowMs;
          served.error = error;
        }
        handlers.close?.(one, error);
        if (this.#lastAccepted) this.#stopIfIdle();
      },
    };
  }

  /** Another server has the socket: this one serves what is open, for so long at most. */
  handOver(drainMs: number, deadlineMs: number): void {
    this.#isDraining = true;
    const { nowMs } = this.loop;
    const noted = (): void => {
      this.wasCut = this.loop.nowMs >= nowMs + drainMs;
    };
    if (this.#event !== null) {
      this.#event.handOver(drainMs);
      this.endMs = nowMs + drainMs + DRAIN_MS;
      void this.listener.handOver().then(noted);
      return;
    }
    this.endMs = nowMs + drainMs + deadlineMs;
    this.#drainEnd = this.loop.setTimer(drainMs, () => this.stop(deadlineMs));
    void this.listener.handOver().then(() => {
      noted();
      this.#lastAccepted = true;
      this.#stopIfIdle();
    });
  }

  #stopIfIdle(): void {
    if (this.listener.connections > 0) return;
    this.#drainEnd?.cancel();
    this.stop(0);
  }

  /** Stops: what is open is closed within so long, or within the 5 s of `serve`. */
  stop(deadlineMs: number): void {
    if (this.stopped) return;
    this.stopped = true;
    const { bug } = this.#plan;
    const { nowMs } = this.loop;
    if (bug === 'leaves a timer') this.loop.setTimer(20_000, () => undefined);
    if (bug === 'closes instead of lingering') for (const one of this.listener) one.close();
    if (this.#event !== null) {
      this.#event.stop();
      this.endMs = Math.min(this.endMs, nowMs + DRAIN_MS);
      return;
    }
    this.endMs = Math.min(this.endMs, nowMs + deadlineMs);
    this.#openThen = this.listener.connections;
    const late = bug === 'ends later than its deadline' ? 2000 : 0;
    const shutdown = this.listener.shutdown({ deadlineMs: deadlineMs + late });
    // It rejects where a failed seed closes its loops.
    shutdown.then(
      (counts) => {
        this.#counts = counts;
      },
      () => undefined,
    );
  }

  /** What does not add up, null if all does. Asked once all is closed. */
  get mistake(): string | null {
    const { accepted, closed, bytesReceived, bytesSent } = this.listener.stats;
    const { length } = this.#own;
    if (accepted !== closed) return `${accepted} accepted, and ${closed} closed`;
    if (accepted !== length) return `${accepted} accepted, and ${length} opened`;
    const sum = (of: (one: Served) => number): number =>
      this.#own.reduce((total, one) => total + of(one), 0);
    const received = sum((one) => one.receivedBytes);
    const sent = sum((one) => one.sentBytes);
    if (received !== bytesReceived) return `${bytesReceived} bytes received, and ${received}`;
    if (sent !== bytesSent) return `${bytesSent} bytes sent, and ${sent}`;
    const totals = this.#event?.totals;
    if (totals !== undefined && totals.connections !== accepted) return 'serve counts others';
    if (this.#event !== null || !this.stopped) return null;
    if (this.#counts === null) return 'a shutdown never ended';
    const { ended, reset } = this.#counts;
    if (ended + reset === this.#openThen) return null;
    return `of ${this.#openThen} connections ${ended} ended and ${reset} were reset`;
  }

  /** Whether it was handed over or stopped. */
  get isOver(): boolean {
    return this.stopped || this.#isDraining;
  }
}
