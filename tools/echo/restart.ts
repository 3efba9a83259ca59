import {
  type Notification,
  notify,
  type PassedSocket,
  startSuccessor,
  startWatchdog,
  type Watchdog,
} from 'sockloop/service';
import { formatAddress } from 'sockloop/sys';
import type { OpenServer } from './servers.ts';

/** How a server is restarted. */
export interface RestartPlan {
  /** How long connections may go on once a successor serves. */
  readonly drainMs: number;
  /** How long a successor may take until it serves. */
  readonly readyTimeoutMs: number;
  /** Names of the listening sockets, by their order; those without one are `unknown`. */
  readonly names: readonly string[];
  /** What a successor is told in the environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What listens beside the server on a port that its successor needs, too: metrics. */
export interface BesideServer {
  /** Gives the port up. */
  leave(): void;
  /** Takes it again: there is no successor. */
  takeBack(): Promise<void>;
}

/** Hears of restarts. */
export interface RestartObserver {
  /** A successor is started. */
  starting(): void;
  /** The process `pid` serves. */
  handedOver(pid: number): void;
  /** There is no successor, and this process goes on. */
  failed(reason: Error): void;
  /** There is nothing to start, for `reason`. */
  refused(reason: string): void;
  /** The supervisor could not be told. */
  unheard(reason: Error): void;
}

/** Restarts a server at SIGUSR2: a successor takes its sockets over, and it serves to the end. */
export class Restarts implements Disposable {
  readonly #plan: RestartPlan;
  readonly #observer: RestartObserver;
  readonly #attempt = new AbortController();
  #server: OpenServer | null = null;
  #beside: BesideServer | null = null;
  #watchdog: Watchdog | null = null;
  #starting = false;
  #stopping = false;
  /** The successor; null while there is none. */
  #successor: number | null = null;
  readonly #asked = (): void => void this.#restart();

  /** From here on the signal does not end the process. */
  constructor(plan: RestartPlan, observer: RestartObserver) {
    this.#plan = plan;
    this.#observer = observer;
    process.on('SIGUSR2', this.#asked);
  }

  /** Whether another process has the listening sockets, and the file of a UNIX one. */
  get handedOver(): boolean {
    return this.#successor !== null;
  }

  /** `server` serves: its starter hears of that, and it may be restarted. */
  serves(server: OpenServer, beside: BesideServer | null = null): void {
    this.#server = server;
    this.#beside = beside;
    this.#tell({ ready: true, status: `serves on ${formatAddress(server.address)}` });
    const onError = (error: Error): void => this.#observer.unheard(error);
    const { timers: loop } = server;
    this.#watchdog = startWatchdog(loop === undefined ? { onError } : { loop, onError });
  }

  /** The server stops: a successor that is starting is ended. */
  stop(): void {
    this.#stopping = true;
    this.#attempt.abort(new Error('the server was stopped'));
    // The supervisor is concerned with the successor, if there is one.
    if (this.#successor === null) this.#tell({ stopping: true });
    this.#endWatchdog();
  }

  [Symbol.dispose](): void {
    process.off('SIGUSR2', this.#asked);
    this.#endWatchdog();
  }

  #endWatchdog(): void {
    this.#watchdog?.[Symbol.dispose]();
    this.#watchdog = null;
  }

  /** Tells the supervisor, if there is one. A service that cannot tell goes on. */
  #tell(notification: Notification): void {
    try {
      notify(notification);
    } catch (error) {
      this.#observer.unheard(error as Error);
    }
  }

  async #restart(): Promise<void> {
    const reason = this.#reasonAgainst();
    const server = this.#server;
    if (reason !== null || server === null) {
      this.#observer.refused(reason ?? 'it does not serve yet');
      return;
    }
    this.#starting = true;
    this.#observer.starting();
    this.#tell({ reloading: true, status: 'starts a successor' });
    const { names, environment, readyTimeoutMs } = this.#plan;
    const sockets = server.sockets.map((fd, index): PassedSocket => {
      const name = names[index];
      return name === undefined || name === '' ? { fd } : { fd, name };
    });
    const { signal } = this.#attempt;
    this.#beside?.leave();
    try {
      const { pid } = await startSuccessor({ sockets, environment, readyTimeoutMs, signal });
      this.#successor = pid;
      this.#tell({ ready: true, mainPid: pid, status: `process ${pid} serves` });
      server.handOver(this.#plan.drainMs);
      this.#endWatchdog();
      this.#observer.handedOver(pid);
    } catch (error) {
      if (this.#stopping) return;
      await this.#takeBack();
      this.#tell({ ready: true, status: 'the successor has failed' });
      this.#observer.failed(error as Error);
    } finally {
      this.#starting = false;
    }
  }

  async #takeBack(): Promise<void> {
    try {
      await this.#beside?.takeBack();
    } catch (error) {
      this.#observer.unheard(error as Error);
    }
  }

  #reasonAgainst(): string | null {
    if (this.#successor !== null) return `process ${this.#successor} serves, and this one ends`;
    if (this.#stopping) return 'the server stops';
    // The kernel kills a successor with the first process of its namespace.
    if (process.pid === 1) return 'it is process 1, and all of its container ends with it';
    return this.#starting ? 'a successor is starting already' : null;
  }
}
