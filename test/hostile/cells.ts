import type { Attack } from './attack.ts';
import { ATTACKS } from './attacks.ts';
import { type Conditions, LOOPS, type LoopName } from './conditions.ts';
import type { Cell } from './outcome.ts';

/** A server, and the attacks on it. */
export interface Round {
  readonly loop: LoopName;
  readonly conditions: Conditions;
  readonly cells: readonly (readonly [cell: Cell, peers: number])[];
}

/** A blocking server serves its silent peers one after the other until their deadlines. */
const BLOCKING_PEERS = 3;

function peersOf({ loop }: Cell, peers: number): number {
  return loop === 'blocking' ? Math.min(peers, BLOCKING_PEERS) : peers;
}

/** Every attack on every loop, each on a server of its own. */
export function fullRounds(): readonly Round[] {
  return LOOPS.flatMap((loop) =>
    ATTACKS.flatMap((attack) =>
      attack.on
        .filter(({ lacking }) => !(loop in lacking))
        .map((conditions) => {
          const cell = { attack, conditions, loop };
          return { loop, conditions, cells: [[cell, peersOf(cell, attack.peers)] as const] };
        }),
    ),
  );
}

/** The same with few peers: a server for all attacks that can share one. */
export function quickRounds(): readonly Round[] {
  const kinds = [...new Set(ATTACKS.map(({ quickOn }) => quickOn))];
  return kinds.flatMap((conditions) =>
    LOOPS.filter((loop) => !(loop in conditions.lacking)).map((loop) => {
      const attacks = ATTACKS.filter(({ quickOn }) => quickOn === conditions);
      const cells = attacks.map((attack: Attack) => {
        const cell = { attack, conditions, loop };
        return [cell, peersOf(cell, attack.quickPeers)] as const;
      });
      return { loop, conditions, cells };
    }),
  );
}
