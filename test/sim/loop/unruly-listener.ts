import type { SimSys } from '#sim/sim-sys.js';
import { Random } from '#src/base/random.js';
import type { EventLoop } from '#src/net/event-loop.js';
import type { Connection, ConnectionHandlers } from '#src/net/stream/connection.js';
import type { Listener } from '#src/net/stream/listener.js';

/** When it answers: inside of the handler, behind it, or by a timer. */
type Style = 'now' | 'deferred' | 'timed';

interface Guest {
  readonly style: Style;
}

type GuestConnection = Connection<Guest>;

const TIMER_MS = 3;

/**
 * An echo server whose handlers do everything that they may: they pause for a while, write from
 * timers and deferred tasks, ignore backpressure, and close themselves and each other.
 */
export class UnrulyListener {
  /** The number of connections that it ended early. */
  cuts = 0;
  readonly listener: Listener<Guest>;
  /** True if clients wait for the end of each other. */
  readonly limited: boolean;
  readonly #loop: EventLoop;
  readonly #random: Random;
  readonly #cutChance: number;
  #stopped = false;

  /** Throws if it gets no descriptor. */
  constructor(sys: SimSys, loop: EventLoop, port: number) {
    this.#loop = loop;
    this.#random = new Random(sys.kernel.seed, 'unruly listener');
    this.#cutChance = this.#random.chance(0.5) ? 0 : 0.1;
    const random = this.#random;
    const limited = random.chance(0.3);
    this.limited = limited;
    this.listener = loop.listen<Guest>({
      host: '127.0.0.1',
      port,
      handlers: this.#handlers(),
      onError: () => undefined,
      ...(limited ? { maxConnections: random.between(1, 3) } : {}),
      ...(random.chance(0.5) ? { backlog: random.between(1, 3) } : {}),
      ...(random.chance(0.5) ? { queueBytesHigh: random.below(2000) } : {}),
    });
  }

  /** Ends everything at once. */
  stop(): void {
    this.#stopped = true;
    this.listener.close();
    for (const connection of [...this.listener]) this.#end(connection);
  }

  #handlers(): ConnectionHandlers<Guest> {
    return {
      open: (connection) => {
        const style = (['now', 'deferred', 'timed'] as const)[this.#random.below(3)] ?? 'now';
        connection.data = { style };
        this.#rest();
      },
      data: (connection, chunk) => {
        const bytes = chunk.slice();
        this.#later(connection, () => {
          if (connection.isOpen) connection.write(bytes);
        });
        this.#misbehave(connection);
      },
      drain: (connection) => this.#misbehave(connection),
      end: (connection) => this.#later(connection, () => connection.end()),
      close: () => this.#rest(),
    };
  }

  #later(connection: GuestConnection, action: () => void): void {
    switch (connection.data.style) {
      case 'now':
        action();
        break;
      case 'deferred':
        this.#loop.defer(action);
        break;
      case 'timed':
        this.#loop.setTimer(TIMER_MS, action);
        break;
    }
  }

  /** Pauses accepting now and then. */
  #rest(): void {
    if (!this.#random.chance(0.1)) return;
    this.listener.pause();
    this.#loop.setTimer(this.#random.between(0, 30), () => this.listener.resume());
  }

  #misbehave(connection: GuestConnection): void {
    const random = this.#random;
    if (random.chance(0.1)) {
      connection.pause();
      this.#loop.setTimer(random.between(0, 30), () => connection.resume());
    }
    if (this.#cutChance === 0 || !random.chance(this.#cutChance)) return;
    const all = [...this.listener];
    const victim = random.chance(0.5) ? connection : all[random.below(all.length)];
    if (victim !== undefined) this.#end(victim);
  }

  #end(connection: GuestConnection): void {
    if (!connection.isOpen) return;
    this.cuts += 1;
    const way = this.#random.below(this.#stopped ? 2 : 3);
    if (way === 0) connection.close();
    else if (way === 1) connection.reset();
    else this.#endThenClose(connection);
  }

  /** Ends its own side early, and closes if the other one takes long. */
  #endThenClose(connection: GuestConnection): void {
    connection.pause();
    this.#loop.setTimer(this.#random.between(5, 50), () => connection.close());
  }
}
