import type { Connection, ConnectionHandlers, EventLoop } from 'sockloop';
import type { EchoMode } from '../session.ts';
import { MisbehavingConnection, type MisbehavingGroup } from './connection.ts';
import { ConnectionFate } from './fate.ts';
import { type MisbehaviourPlan, newMisbehaviourTotals } from './plan.ts';

/** Misbehaves between the connections of an event loop and the server that answers them. */
export class EventMisbehaviour<Data> {
  readonly totals = newMisbehaviourTotals();
  readonly #loop: EventLoop;
  readonly #plan: MisbehaviourPlan;
  readonly #mode: EchoMode;
  readonly #numberOf: (accepted: number) => number;
  readonly #connections = new Map<Connection<Data>, MisbehavingConnection<Data>>();
  #accepted = 0;

  /** `numberOf` numbers the connections of the process: its n-th one on this loop, from 1 on. */
  constructor(
    loop: EventLoop,
    plan: MisbehaviourPlan,
    mode: EchoMode,
    numberOf: (accepted: number) => number = (accepted) => accepted,
  ) {
    this.#loop = loop;
    this.#plan = plan;
    this.#mode = mode;
    this.#numberOf = numberOf;
  }

  /** The open connections, as the server knows them. */
  get connections(): Iterable<Connection<Data>> {
    return this.#connections.values();
  }

  /** The handlers to listen with: those of the server, which misbehaves from then on. */
  handlers(server: ConnectionHandlers<Data>): ConnectionHandlers<Data> {
    const group: MisbehavingGroup<Data> = {
      loop: this.#loop,
      plan: this.#plan,
      mode: this.#mode,
      totals: this.totals,
      handlers: server,
    };
    const connections = this.#connections;
    return {
      open: (raw) => this.#opened(group, raw),
      data: (raw, chunk) => connections.get(raw)?.received(chunk),
      drain: (raw) => connections.get(raw)?.drained(),
      end: (raw) => connections.get(raw)?.ended(),
      close: (raw, error) => {
        const connection = connections.get(raw);
        if (connection === undefined) return;
        connections.delete(raw);
        connection.forget();
        server.close?.(connection, error);
      },
    };
  }

  #opened(group: MisbehavingGroup<Data>, raw: Connection<Data>): void {
    this.#accepted += 1;
    const fate = new ConnectionFate(this.#plan, this.#numberOf(this.#accepted), this.totals);
    const connection = new MisbehavingConnection(group, raw, fate);
    this.#connections.set(raw, connection);
    group.handlers.open?.(connection);
    if (fate.isRefused) connection.refuse();
  }
}
