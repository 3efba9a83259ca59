import type { GuardSettings, Guards, ListenerStats, ProxyProtocolSettings } from 'sockloop';
import type { ServerObserver } from '../iterative-server.ts';

/** The guards of an echo server: plain values, which any thread can be given. */
export interface GuardPlan {
  readonly guards: Omit<Guards, 'onRefused'>;
  /** The proxies in front whose headers are believed; null without any. */
  readonly proxyProtocol: ProxyProtocolSettings | null;
}

/** What `listen` gets. A watched server tells of each connection that it has refused at once. */
export function guardSettings(
  plan: GuardPlan | null,
  { acceptFailed }: Pick<ServerObserver, 'acceptFailed'>,
): GuardSettings {
  if (plan === null) return {};
  const { guards, proxyProtocol } = plan;
  return {
    guards: acceptFailed === undefined ? guards : { ...guards, onRefused: acceptFailed },
    ...(proxyProtocol === null ? {} : { proxyProtocol }),
  };
}

/** Connections that were refused or given up, by kind. */
export type RefusalTotals = ListenerStats['refused'];

/** The guards of one of several threads, which share an accept rate out. */
export function guardsOfThread(plan: GuardPlan | null, threads: number): GuardPlan | null {
  const rate = plan?.guards.acceptsPerSecondMax;
  if (plan === null || rate === undefined) return plan;
  return { ...plan, guards: { ...plan.guards, acceptsPerSecondMax: rate / threads } };
}

/** Adds the refusals of another thread. */
export function addRefusals(totals: RefusalTotals, more: RefusalTotals): void {
  for (const kind of Object.keys(totals) as (keyof RefusalTotals)[]) totals[kind] += more[kind];
}
