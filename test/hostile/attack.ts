import type { Conditions } from './conditions.ts';
import type { Field } from './field.ts';

/** An idea of how to harm a server. */
export interface Attack {
  readonly name: string;
  /** What its peers do. */
  readonly idea: string;
  /** The servers of the long form. */
  readonly on: readonly Conditions[];
  /** The server of the quick form, which it shares with other attacks. */
  readonly quickOn: Conditions;
  /** How many peers, or how many connections at a time. */
  readonly quickPeers: number;
  readonly peers: number;
  /** True if its peers are stuck once they are there: the server has nothing to do for them. */
  readonly isStill: boolean;
  /** Why good clients may wait longer than else while it goes on; null if they may not. */
  readonly mayDelay: string | null;
  /** Attacks until the field is over; calls `stands` once all that it does is done or going on. */
  readonly run: (field: Field) => Promise<void>;
}
