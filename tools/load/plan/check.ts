import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { nativeSys, type Sys } from 'sockloop/sys';
import * as v from 'valibot';
import { NEWLINE } from '#src/base/bytes.js';
import { zoneResolved } from '#src/socket/zone.js';
import { openFilesLimit, raiseOpenFilesLimit } from '#src/sys/rlimit.js';
import { IN_FLIGHT_BYTES_MAX } from '../limits.ts';
import type { LoadPlan } from '../plan.ts';
import { sum } from './field.ts';
import { PLAN_ROWS } from './table.ts';

/** Limits that the machine sets to a run. */
export interface LoadLimits {
  /** Descriptors that the process may have. */
  readonly descriptors: number;
  /** Ports to connect from, for each address to connect from and one target. */
  readonly portsPerSource: number;
}

/** Descriptors of everything but the connections: the program, its loops, some to spare. */
const OWN_DESCRIPTORS = 32;
const DESCRIPTORS_PER_THREAD = 8;

/**
 * Returns the limits of this machine, after raising the limit on descriptors as far as possible.
 */
export function loadLimits(sys: Sys): LoadLimits {
  const raised = raiseOpenFilesLimit(sys);
  return {
    descriptors: raised < 0 ? openFilesLimit(sys).soft : raised,
    portsPerSource: ephemeralPorts(),
  };
}

/** Size of the range of ephemeral ports. */
function ephemeralPorts(): number {
  try {
    const text = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
    const [first = 0, last = 0] = text.trim().split(/\s+/).map(Number);
    return last - first + 1;
  } catch {
    // Not Linux: the range of IANA, which the BSDs use as well.
    return 65535 - 49152 + 1;
  }
}

const ASKED = v.object(Object.fromEntries(PLAN_ROWS.map(([field, { asked }]) => [field, asked])));

/** Throws a RangeError that says, in a sentence, why there cannot be such a run. */
export function checkPlan(plan: LoadPlan, limits: LoadLimits): void {
  const { issues } = v.safeParse(ASKED, plan, { abortEarly: true });
  const refused = [issues?.[0].message, ...contradictions(plan)].find((why) => why !== undefined);
  if (refused !== undefined) throw new RangeError(refused);
  refuseUnknownZones(plan);
  checkLimits(plan, limits);
}

/** Why the fields of a plan do not fit together, in sentences. */
function* contradictions(plan: LoadPlan): Iterable<string> {
  const { threads, connections, warmupMs, rampMs } = plan;
  if (threads > connections) {
    yield `${threads} threads cannot share ${connections} connections: each needs one at least`;
  }
  if (rampMs > warmupMs) {
    yield `the ramp is part of the warm-up: 0 to ${warmupMs} ms, not ${rampMs}`;
  }
  yield* wrongStages(plan);
  yield* wrongMessage(plan);
  yield* wrongSources(plan);
}

function* wrongStages({ model, durationMs }: LoadPlan): Iterable<string> {
  if (model.kind === 'closed') return;
  const sumMs = sum(model.stages.map((stage) => stage.durationMs));
  if (Math.abs(sumMs - durationMs) < 1e-6 * durationMs) return;
  yield `the stages last ${sumMs} ms together, and the run is to last ${durationMs} ms`;
}

function* wrongMessage({ message, mode, model }: LoadPlan): Iterable<string> {
  const bytes = message.kind === 'given' ? Buffer.from(message.base64, 'base64') : null;
  if (message.kind === 'given' && bytes !== null && mode !== 'echo') {
    if (bytes.at(-1) !== NEWLINE) {
      yield `the message from ${message.source} does not end with a newline: ` +
        `a server in mode ${mode} would wait for it`;
    }
    if (mode === 'once' && bytes.indexOf(NEWLINE) < bytes.length - 1) {
      yield `the message from ${message.source} has several lines: ` +
        'a server in mode once answers the first and closes';
    }
  }
  const messageBytes = message.kind === 'bytes' ? message.bytes : (bytes?.length ?? 0);
  if (model.kind === 'open' || model.pipeline === 1) return;
  if (model.pipeline * messageBytes <= IN_FLIGHT_BYTES_MAX) return;
  yield `${model.pipeline} messages of ${messageBytes} bytes in flight on a connection are more ` +
    `than ${IN_FLIGHT_BYTES_MAX} bytes`;
}

function* wrongSources(plan: LoadPlan): Iterable<string> {
  const { endpoint, sourceAddresses, sourcePorts, threads } = plan;
  if (sourceAddresses.length === 0 && sourcePorts === null) return;
  if ('path' in endpoint) yield 'a UNIX socket has no source address and no source port';
  if (sourcePorts === null) return;
  const ports = sourcePorts[1] - sourcePorts[0] + 1;
  if (ports < threads) yield `${threads} threads need as many source ports, not ${ports}`;
}

/** Throws a RangeError where this machine has no such zone as an address names. */
function refuseUnknownZones({ sourceAddresses }: LoadPlan): void {
  for (const address of sourceAddresses) {
    const family = isIP(address) === 4 ? 'IPv4' : 'IPv6';
    zoneResolved({ family, address, port: 0 }, nativeSys());
  }
}

function checkLimits(plan: LoadPlan, { descriptors, portsPerSource }: LoadLimits): void {
  const connections = plan.connections + plan.idleConnections;
  const needed = connections + OWN_DESCRIPTORS + DESCRIPTORS_PER_THREAD * plan.threads;
  if (needed > descriptors) {
    throw new RangeError(
      `${connections} connections need ${needed} descriptors, and this process may have ` +
        `${descriptors}: raise the limit (ulimit -n), or take fewer connections`,
    );
  }
  if ('path' in plan.endpoint) return;
  const ports =
    plan.sourcePorts === null ? portsPerSource : plan.sourcePorts[1] - plan.sourcePorts[0] + 1;
  const sources = Math.max(1, plan.sourceAddresses.length);
  if (connections <= ports * sources) return;
  const more = Math.ceil(connections / ports);
  const from = sources === 1 ? 'one source address' : `${sources} source addresses`;
  throw new RangeError(
    `${connections} connections from ${from} need as many local ports, and there are ` +
      `${ports} for each: give ${more} addresses with --source-addresses` +
      (plan.sourcePorts === null ? '' : ', or more ports with --source-ports'),
  );
}
