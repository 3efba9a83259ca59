import type { ConnectionHandlers, EventLoop } from 'sockloop';
import { SysError } from 'sockloop/sys';
import { Deque } from '#src/base/deque.js';
import type { ErrorKind } from '../document.ts';
import { CONNECTS_AT_ONCE } from '../limits.ts';
import type { LoadPlan } from '../plan.ts';
import type { Target } from '../target.ts';
import type { ConnectionSlot } from './connection-slot.ts';

/** Who accepts and resets at once does so before or after connect(2) has ended: by chance. */
const RESET = new Set(['ECONNRESET', 'ECONNABORTED', 'EPIPE']);
const REFUSED = new Set(['ECONNREFUSED', 'ENOENT']);
const RESOURCES = new Set('EMFILE ENFILE ENOBUFS ENOMEM EADDRNOTAVAIL EADDRINUSE'.split(' '));

/** What becomes of connects. */
interface ConnectOutcome {
  /** A connection stands, whose connect(2) was at `beganMs`. */
  opened(slot: ConnectionSlot, beganMs: number): void;
  failed(slot: ConnectionSlot, kind: ErrorKind): void;
}

/** What all connections of a thread hear. */
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

/** The connects of a thread: not too many at a time, each from the next address and port. */
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

  /** Connects the slot after `pauseMs`, or as soon as it is its turn. */
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

  /** The addresses take turns; then the ports, of which each thread has its own. */
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

/** What a failure to connect counts as. */
function kindOf(error: Error): ErrorKind {
  // A descriptor that the loop cannot hold is no error of the system.
  if (!(error instanceof SysError)) return 'resources';
  if (RESET.has(error.code)) return 'reset';
  if (REFUSED.has(error.code)) return 'refused';
  if (error.code === 'ETIMEDOUT') return 'connectTimeout';
  return RESOURCES.has(error.code) ? 'resources' : 'unreachable';
}
