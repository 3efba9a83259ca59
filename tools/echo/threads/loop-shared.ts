import type { MissingLoop } from 'sockloop';
import type { SocketAddress } from 'sockloop/sys';
import type { ServerFigures } from '../figures.ts';
import type { GuardPlan } from '../guards/plan.ts';
import type { ConnectionTotals, ServerTotals } from '../iterative-server.ts';
import type { MisbehaviourPlan } from '../misbehaviour/plan.ts';
import type { EchoMode } from '../session.ts';
import type { Failure } from './server-shared.ts';

/** What each thread of an echo server on event loops gets. */
export interface LoopThreadPlan {
  readonly mode: EchoMode;
  readonly idleTimeoutMs: number | null;
  readonly lineBytesMax: number;
  /** The most clients of this server at a time, which its threads share out; null for any. */
  readonly maxConnections: number | null;
  readonly watched: boolean;
  /** True to measure how late callbacks of the loop are. */
  readonly measured: boolean;
  readonly misbehaviour: MisbehaviourPlan | null;
  readonly guarding: GuardPlan | null;
}

/** What the owner asks of such a thread. */
export interface FiguresRequest {
  readonly kind: 'figures';
  readonly request: number;
}

/** What such a thread tells. */
export type LoopThreadMessage =
  /** Its loop, once it listens. */
  | { readonly kind: 'listens'; readonly loop: string; readonly missing: readonly MissingLoop[] }
  | {
      readonly kind: 'accepted';
      readonly address: SocketAddress | null;
      readonly connection: number;
    }
  | {
      readonly kind: 'closed';
      readonly address: SocketAddress | null;
      readonly totals: ConnectionTotals;
      readonly failure: Failure | null;
    }
  | { readonly kind: 'acceptFailed'; readonly failure: Failure }
  /** The answer to a {@link FiguresRequest}. */
  | { readonly kind: 'figures'; readonly request: number; readonly figures: ServerFigures }
  /** Its totals, when it has ended in order, or fails. */
  | { readonly kind: 'ended'; readonly totals: ServerTotals };
