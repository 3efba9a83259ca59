import type { ConnectionHandlers, EventLoop } from 'sockloop';
import { SysError } from 'sockloop/sys';
import { Deque } from '#src/base/deque.js';
import type { ErrorKind } from '../document.ts';
import { CONNECTS_AT_ONCE } from '../limits.ts';
import type { LoadPlan } from '../plan.ts';
import type { Target } from '../target.ts';
import type { ConnectionSlot } from './connection-slot.ts';

/** A server that resets right after accept may do so before or after connect(2) returns. */
const RESET = new Set(['ECONNRESET', 'ECONNABORTED', 'EPIPE']);
const REFUSED = new Set(['ECONNREFUSED', 'ENOENT']);
const RESOURCES = new Set('EMFILE ENFILE ENOBUFS ENOMEM EADDRNOTAVAIL EADDRINUSE'.split(' '));

/** Outcome of connects. */
interface ConnectOutcome {
  /** A connection was established; connect(2) was called at `beganMs`. */
  opened(slot: ConnectionSlot, beganMs: number): void;
  failed(slot: ConnectionSlot, kind: ErrorKind): void;
}

/** Handlers of all connections of a thread. */
const HANDLERS: ConnectionHandlers<ConnectionSlot> = {
  data: (connection, chunk) => connection.data.received(chunk),
  end: (connection) => connection.data.ended(connection),
  close: (connection, error) => connection.data.closed(connection, error),
};

/** Where the connections of one thread go to, and where they come from. */
interface ConnectOptions
  extends Pick<LoadPlan, 'timeoutMs' | 'sourceAddresses' | 'sourcePorts' | 'threads'> {
  readonly target: Target;
  /** The number of this thread among `threads`, which share the source ports. */
  readonly thread: number;
}

/** Connects of a thread: a bounded number at a time, each from the next address and port. */
export class SlotConnects {
  readonly #loop: EventLoop;
  readonly #options: ConnectOptions;
  readonly #outcome: ConnectOutcome;
  readonly #waiting = new Deque<ConnectionSlot>();
  #underWay = 0;
  #made = 0;

  constructor(loop: EventLoop, options: ConnectOptions, outcome: ConnectOutcome) {
    this.#loop = loop;
    this.#options = options;
    this.#outcome = outcome;
  }

  /** Connects the slot after `pauseMs`, or as soon as a connect is free. */
  connect(slot: ConnectionSlot, pauseMs: number): void {
    if (pauseMs > 0) {
      this.#loop.setTimer(pauseMs, () => this.connect(slot, 0));
    } else if (this.#underWay < CONNECTS_AT_ONCE) {
      this.#begin(slot);
    } else {
      this.#waiting.push(slot);
    }
  }

  #begin(slot: ConnectionSlot): void {
    this.#underWay += 1;
    const beganMs = this.#loop.sys.monotonicMs();
    this.#loop.connect<ConnectionSlot>({
      ...this.#options.target,
      ...this.#nextLocal(),
      timeoutMs: this.#options.timeoutMs,
      chunks: 'borrowed',
      handlers: {
        ...HANDLERS,
        open: (connection) => {
          connection.data = slot;
          this.#ended();
          this.#outcome.opened(slot, beganMs);
          slot.opened(connection);
        },
      },
      onError: (error) => {
        this.#ended();
        this.#outcome.failed(slot, kindOf(error));
      },
    });
  }

  #ended(): void {
    this.#underWay -= 1;
    const next = this.#waiting.shift();
    if (next !== undefined) this.#loop.defer(() => this.connect(next, 0));
  }

  /** Next local address and port: addresses first; each thread has ports of its own. */
  #nextLocal(): { readonly localAddress?: string; readonly localPort?: number } {
    const { sourceAddresses, sourcePorts, thread, threads } = this.#options;
    const made = this.#made++;
    const addresses = Math.max(1, sourceAddresses.length);
    const localAddress = sourceAddresses[(made + thread) % addresses];
    const address = localAddress === undefined ? {} : { localAddress };
    if (sourcePorts === null) return address;
    const [first, last] = sourcePorts;
    const own = Math.ceil((last - first + 1 - thread) / threads);
    const localPort = first + thread + (Math.floor(made / addresses) % own) * threads;
    return { ...address, localPort };
  }
}

/** Classifies a failure to connect. */
function kindOf(error: Error): ErrorKind {
  // A descriptor beyond what the loop can hold is not a system error.
  if (!(error instanceof SysError)) return 'resources';
  if (RESET.has(error.code)) return 'reset';
  if (REFUSED.has(error.code)) return 'refused';
  if (error.code === 'ETIMEDOUT') return 'connectTimeout';
  return RESOURCES.has(error.code) ? 'resources' : 'unreachable';
}
