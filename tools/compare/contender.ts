import { counted, formatCount } from '#src/base/number-format.js';
import type { LoadLimits } from '../load/plan/check.ts';
import type { LoadPoint } from './document.ts';
import type { ComparedName } from './plan.ts';
import type { CompareServer } from './server.ts';
import { CompareTally } from './tally.ts';

/** A thread takes 10 to 15 MiB and a tenth of a second to start. */
export const THREADS_ASKED_MAX = 100;

/** What a process needs beside its connections: files of Node, the loop's own, some to spare. */
export const OWN_DESCRIPTORS = 64;

/** Connections that a server meets before it is measured at all. */
const WARMUP_CONNECTIONS = 50;

/** A loop that is compared: its server and its results. */
export class Contender {
  readonly name: ComparedName;
  readonly server: CompareServer;
  readonly port: number;
  readonly tally: CompareTally;
  /** How many descriptors its loop can hold for connections; Infinity where nothing bounds it. */
  readonly connectionsMax: number;
  /** Failures to report at the end. */
  readonly failures: string[] = [];
  /** Why it takes no further part; null while it does. */
  gone: string | null = null;

  constructor(name: ComparedName, server: CompareServer, port: number, connectionsMax: number) {
    this.name = name;
    this.server = server;
    this.port = port;
    this.connectionsMax = connectionsMax;
    this.tally = new CompareTally(name);
  }

  /** Connections for its first messages. With threads, each would cost a thread. */
  get warmUpConnections(): number {
    return this.name === 'threads' || this.name === 'blocking' ? 1 : WARMUP_CONNECTIONS;
  }

  /** Why it is not measured at a load point, or null. */
  reasonAgainst(loadPoint: LoadPoint, limits: LoadLimits): string | null {
    if (this.gone !== null) return this.gone;
    const total = totalOf(loadPoint);
    if (this.name === 'blocking' && total > 1) return 'it serves one connection at a time';
    if (this.name === 'threads' && total > THREADS_ASKED_MAX) {
      return `it takes a thread for each, and is not asked for more than ${THREADS_ASKED_MAX}`;
    }
    if (total > this.connectionsMax) {
      return `its loop holds ${counted(this.connectionsMax, 'connection')} at the most`;
    }
    return reasonOfLimits(total, limits);
  }
}

export function totalOf({ connections, idleConnections }: LoadPoint): number {
  return connections + idleConnections;
}

/** Why the machine does not allow so many connections, or null. */
function reasonOfLimits(total: number, { descriptors, portsPerSource }: LoadLimits): string | null {
  const needed = total + OWN_DESCRIPTORS;
  if (needed > descriptors) {
    const may = `a process may have ${formatCount(descriptors)} here`;
    return `it needs ${formatCount(needed)} descriptors, and ${may} (ulimit -n)`;
  }
  if (total <= portsPerSource) return null;
  return `one address has ${formatCount(portsPerSource)} ports to connect from`;
}
