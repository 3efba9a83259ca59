import type { SimSys } from '#sim/sim-sys.js';
import { Random } from '#src/base/random.js';
import type { EventLoop } from '#src/net/event-loop.js';
import type { Connection, ConnectionHandlers } from '#src/net/stream/connection.js';
import type { ConnectOptions, Connector } from '#src/net/stream/connector.js';
import { SysError } from '#src/sys/sys-error.js';
import type { Oracle } from './oracle.ts';

/** Where an outward connection goes. */
export interface Target {
  readonly port: number;
  /** `127.0.0.1` and other addresses of a name, or null for a numeric host. */
  readonly addresses: readonly string[] | null;
  /** Nothing listens there. */
  readonly deaf: boolean;
}

/** A pending look-up. Node's loop answers it between two turns. */
export type PendingLookup = () => void;

export interface OutwardOptions {
  readonly name: string;
  readonly target: Target;
  readonly bytesMax: number;
  /** True if it connects inside of the call, false if later. */
  readonly startsAtOnce: boolean;
  readonly lookups: PendingLookup[];
  /** Called once it is over. */
  readonly left: () => void;
  /** Called, inside of a handler, when it has cut its own connection. */
  readonly wasCut: () => void;
}

/** An outward connection of the loop: it sends, compares the echo, and ends. */
export class Outward {
  /** The failure, unless its own side asked for it. */
  failure: string | null = null;
  /** True if its own side cancelled, reset or paused it for good. */
  cutShort = false;
  readonly #sys: SimSys;
  readonly #loop: EventLoop;
  readonly #oracle: Oracle;
  readonly #random: Random;
  readonly #target: Target;
  readonly #timeoutMs: number | null;
  readonly #options: OutwardOptions;
  readonly #bytes: Uint8Array;
  readonly #heedsDrain: boolean;
  /** The probability to cut the connection itself at each chunk. */
  readonly #cutChance: number;
  #connector: Connector | null = null;
  #written = 0;
  #received = 0;
  #opened = false;
  #over = false;

  constructor(sys: SimSys, loop: EventLoop, oracle: Oracle, options: OutwardOptions) {
    this.#sys = sys;
    this.#loop = loop;
    this.#oracle = oracle;
    this.#options = options;
    this.#target = options.target;
    const { name, startsAtOnce } = options;
    const random = new Random(sys.kernel.seed, name);
    this.#random = random;
    const { sendBufferBytes, receiveBufferBytes } = sys.kernel.limits;
    const most = Math.min(options.bytesMax, 40 * Math.min(sendBufferBytes, receiveBufferBytes));
    this.#bytes = new Uint8Array(random.below(most));
    for (let at = 0; at < this.#bytes.length; at += 1) this.#bytes[at] = random.word() & 0xff;
    this.#heedsDrain = random.chance(0.7);
    this.#cutChance = random.chance(0.5) ? 0 : 0.2;
    this.#timeoutMs = random.chance(0.3) ? random.between(1, 400) : null;
    if (startsAtOnce) this.#start();
    else loop.setTimer(random.between(0, 80), () => this.#start());
  }

  /** True if its target has no listener. */
  get deaf(): boolean {
    return this.#target.deaf;
  }

  /** Abandons the connection: the environment ends. */
  abandon(): void {
    this.cutShort = true;
    this.#connector?.cancel();
    if (!this.#opened) this.#finish();
  }

  /** True once it has ended. */
  get over(): boolean {
    return this.#over;
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.left();
  }

  #start(): void {
    if (this.over) return;
    const { port, addresses } = this.#target;
    const startMs = this.#sys.monotonicMs();
    const options: ConnectOptions = {
      host: addresses === null ? '127.0.0.1' : 'echo.example',
      port,
      handlers: this.#handlers(),
      timeoutMs: this.#timeoutMs,
      lookup: (_host, answer) => {
        this.#options.lookups.push(() => answer(null, addresses ?? []));
      },
      onError: (error) => this.#failed(error, startMs),
    };
    const connector = this.#loop.connect(options);
    this.#connector = connector;
    if (!this.#random.chance(0.1)) return;
    this.#loop.setTimer(this.#random.between(0, 50), () => {
      if (!connector.connecting) return;
      connector.cancel();
      this.cutShort = true;
      this.#finish();
    });
  }

  #failed(error: Error, startMs: number): void {
    this.#oracle.expect(!this.over && !this.#opened, 'onError of a connect that is over');
    const timedOut = error instanceof SysError && error.code === 'ETIMEDOUT';
    const waitedMs = this.#sys.monotonicMs() - startMs;
    if (timedOut && this.#timeoutMs !== null) {
      this.#oracle.expect(waitedMs >= this.#timeoutMs, `timed out after ${waitedMs} ms`);
      this.cutShort = true;
    }
    this.#finish();
    this.failure = error.message;
  }

  #handlers(): ConnectionHandlers {
    return {
      open: (connection) => {
        this.#oracle.expect(!this.over && !this.#opened, 'open of a connect that is over');
        this.#oracle.expect(!this.#target.deaf, 'open where nobody listens');
        this.#opened = true;
        this.#write(connection);
      },
      data: (connection, chunk) => this.#compare(connection, chunk),
      drain: (connection) => this.#write(connection),
      // The other end ends behind the last byte; without a handler this side ends as well.
      close: (connection, error) => this.#closed(connection, error),
    };
  }

  #write(connection: Connection): void {
    while (this.#written < this.#bytes.length) {
      const count = Math.min(this.#bytes.length - this.#written, this.#random.between(1, 5000));
      const hasRoom = connection.write(this.#bytes, this.#written, count);
      if (!connection.isOpen) return;
      this.#written += count;
      if (!hasRoom && this.#heedsDrain) return;
    }
    connection.end();
  }

  #compare(connection: Connection, chunk: Uint8Array): void {
    const from = this.#received;
    this.#oracle.expect(from + chunk.length <= this.#written, 'an echo came before its write');
    for (let index = 0; index < chunk.length; index += 1) {
      if (chunk[index] === this.#bytes[from + index]) continue;
      this.#oracle.broken(`outward: byte ${from + index} is another one`);
      break;
    }
    this.#received += chunk.length;
    this.#oracle.expect(connection.bytesReceived === this.#received, 'miscounted bytes');
    if (this.#cutChance > 0 && this.#random.chance(this.#cutChance)) {
      this.cutShort = true;
      if (this.#random.chance(0.5)) connection.reset();
      else connection.close();
      this.#options.wasCut();
    } else if (this.#random.chance(0.1)) {
      connection.pause();
      this.#loop.setTimer(this.#random.between(0, 20), () => connection.resume());
    }
  }

  #closed(connection: Connection, error: SysError | null): void {
    this.#oracle.expect(connection.bytesSent <= this.#written, 'more was sent than written');
    const missing = this.#bytes.length - this.#received;
    if (error !== null) this.failure = error.message;
    else if (missing > 0) this.failure = `closed with ${missing} bytes of the echo missing`;
    this.#finish();
  }
}
