import { parentPort, workerData } from 'node:worker_threads';
import { Socket } from 'sockloop/socket';
import { nativeSys, type SocketAddress, type Sys, SysError, type TracingSys } from 'sockloop/sys';
import { restIfHurried } from '#src/socket/wait.js';
import { Farewell } from '../farewell.ts';
import { idleFailure } from '../figures.ts';
import { isPassing } from '../iterative-server.ts';
import { ACCEPT_PAUSE_MS, WAIT_MS } from '../limits.ts';
import { type MisbehaviourTotals, newMisbehaviourTotals } from '../misbehaviour/plan.ts';
import { EchoSession } from '../session.ts';
import { failureOf, SharedState, type ThreadMessage, type ThreadPlan } from './server-shared.ts';

// One thread of a ThreadedServer: accept(2), serve that client to its end, accept the next. All
// calls block, and no loop turns here. No wait exceeds WAIT_MS, after which the thread notices a
// stop.

/** accept(2) without a client: it timed out, or another thread was faster. */
const NOTHING: ReadonlySet<string> = new Set(['ETIMEDOUT', 'EAGAIN']);

/** The worker of this thread. */
class EchoThread {
  readonly #plan: ThreadPlan;
  readonly #shared: SharedState;
  readonly #sys: Sys;
  readonly #waitMs: number;
  /** True if the last accept(2) failed: a row of failures is reported once. */
  #failing = false;

  /** `Tracing` prints the calls; null without --trace. */
  constructor(plan: ThreadPlan, Tracing: typeof TracingSys | null) {
    this.#plan = plan;
    this.#shared = new SharedState(plan.memory);
    const native = nativeSys();
    this.#sys =
      Tracing === null
        ? native
        : new Tracing(native, (line) => this.#send({ kind: 'traced', line }));
    this.#waitMs = Math.min(WAIT_MS, plan.idleTimeoutMs ?? WAIT_MS);
  }

  run(): void {
    const { listener: fd, family } = this.#plan;
    const listener = new Socket(family, { sys: this.#sys, fd });
    this.#shared.beginWaiting();
    try {
      while (!this.#boundWaits(listener)) this.#shared.pause(ACCEPT_PAUSE_MS);
      this.#send({ kind: 'ready' });
      while (!this.#shared.stopping && !this.#shared.retired) {
        const client = this.#accept(listener);
        if (client === null) continue;
        if (this.#shared.endWaiting()) this.#send({ kind: 'busy' });
        this.#serve(...client);
        this.#shared.beginWaiting();
      }
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      this.#send({ kind: 'broken', failure: failureOf(error) });
    } finally {
      // The main thread owns the descriptor.
      listener.detach();
    }
  }

  /** Sets the timeouts, without which accept(2) would outlive the server. */
  #boundWaits(listener: Socket): boolean {
    if (this.#shared.stopping) return true;
    try {
      listener.setTimeout(this.#waitMs);
      return true;
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      this.#send({ kind: 'acceptFailed', failure: failureOf(error) });
      return false;
    }
  }

  #accept(listener: Socket): [Socket, SocketAddress] | null {
    try {
      if (this.#plan.polls) listener.poll(listener.constants.POLLIN);
      const client = listener.accept();
      this.#failing = false;
      return client;
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      // A stop shuts the listener down: EINVAL on Linux, other errors on the BSDs.
      if (NOTHING.has(error.code) || this.#shared.stopping) {
        restIfHurried(this.#sys);
        return null;
      }
      const passing = isPassing(error);
      this.#shared.countAcceptFailure();
      if (!this.#failing) this.#send({ kind: 'acceptFailed', failure: failureOf(error) });
      // The connection may stay queued: without a pause this loop would spin.
      if (!passing || this.#failing) this.#shared.pause(ACCEPT_PAUSE_MS);
      this.#failing = true;
      return null;
    }
  }

  #serve(socket: Socket, address: SocketAddress): void {
    const connection = this.#shared.countConnection();
    const { watched, misbehaviour } = this.#plan;
    const misbehaved = newMisbehaviourTotals();
    const session = this.#session(socket, connection, misbehaved);
    let failure: Error | null = null;
    let unacknowledgedBytes = 0;
    try {
      using _ = socket;
      if (watched) this.#send({ kind: 'accepted', address, connection });
      let clean = false;
      try {
        failure = this.#converse(session);
        clean = failure === null && !session.lingering;
      } finally {
        // Read before close. After an orderly end, unacknowledged bytes are in flight.
        if (!clean) unacknowledgedBytes = session.unacknowledgedBytes;
      }
    } catch (error) {
      if (!(error instanceof SysError || error instanceof RangeError)) throw error;
      failure = error;
    }
    const { received: receivedBytes, sent: sentBytes, lines } = session;
    const totals = { connection, receivedBytes, sentBytes, lines, unacknowledgedBytes };
    this.#shared.countClosed(totals, failure !== null);
    if (misbehaviour !== null) this.#shared.countMisbehaved(misbehaved);
    if (!watched && failure === null) return;
    this.#send({
      kind: 'closed',
      address,
      totals,
      failure: failure === null ? null : failureOf(failure),
    });
  }

  #session(socket: Socket, connection: number, totals: MisbehaviourTotals): EchoSession {
    const { mode, lineBytesMax, misbehaviour: plan } = this.#plan;
    if (Misbehaving === null || plan === null) {
      return new EchoSession(this.#sys, socket, mode, lineBytesMax);
    }
    const misbehaviour = { plan, connection, totals };
    return new Misbehaving(this.#sys, socket, mode, lineBytesMax, misbehaviour);
  }

  /** Serves to the end. Returns the failure of the client, or null. */
  #converse(session: EchoSession): Error | null {
    const { idleTimeoutMs } = this.#plan;
    const farewell = new Farewell(session);
    let movedMs = this.#sys.monotonicMs();
    let movedBefore = 0;
    for (;;) {
      // One call at a time: each may take a second, and the server may stop after any of them.
      const progress = session.run(1);
      if (progress === 'ended') return session.failure;
      const stopping = this.#shared.stopping;
      if (progress === 'more' && !stopping && !session.lingering) continue;
      const nowMs = this.#sys.monotonicMs();
      const moved = session.received + session.sent;
      if (moved > movedBefore) {
        // The clock is not read for each message; a timeout tells how long ago the last one was.
        movedMs = progress === 'waited' ? nowMs - this.#waitMs : nowMs;
        movedBefore = moved;
      }
      if (idleTimeoutMs !== null && nowMs - movedMs >= idleTimeoutMs) {
        session.resetAtClose();
        return idleFailure(idleTimeoutMs);
      }
      const late = farewell.isOver(progress, stopping, nowMs);
      if (late !== false) return session.failure ?? late;
    }
  }

  #send(message: ThreadMessage): void {
    this.#shared.beginMessage();
    parentPort?.postMessage(message);
  }
}

const plan = workerData as ThreadPlan;
// Loading modules is the cost of a thread, and clients wait while a pool grows.
const Tracing = plan.trace ? (await import('#src/sys/trace/tracing-sys.js')).TracingSys : null;
const Misbehaving =
  plan.misbehaviour === null
    ? null
    : (await import('../misbehaviour/session.ts')).MisbehavingSession;
new EchoThread(plan, Tracing).run();
