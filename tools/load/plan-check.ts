import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { nativeSys, type Sys } from 'sockloop/sys';
import { NEWLINE } from '#src/base/bytes.js';
import { zoneResolved } from '#src/socket/zone.js';
import { openFilesLimit, raiseOpenFilesLimit } from '#src/sys/rlimit.js';
import {
  CONNECTIONS_MAX,
  DURATION_MS_MAX,
  IN_FLIGHT_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  PIPELINE_MAX,
  RATE_MAX,
  THREADS_MAX,
  TIME_MS_MAX,
} from './limits.ts';
import type { LoadModel, LoadPlan } from './plan.ts';

/** What the machine lets a run have. */
export interface LoadLimits {
  /** Descriptors that the process may have. */
  readonly descriptors: number;
  /** Ports to connect from, for each address to connect from and one target. */
  readonly portsPerSource: number;
}

/** What everything but the connections needs: the program, its threads' loops, some to spare. */
const OWN_DESCRIPTORS = 32;
const DESCRIPTORS_PER_THREAD = 8;

/** The limits of this machine, once the limit on descriptors is lifted as far as it may be. */
export function loadLimits(sys: Sys): LoadLimits {
  const raised = raiseOpenFilesLimit(sys);
  return {
    descriptors: raised < 0 ? openFilesLimit(sys).soft : raised,
    portsPerSource: ephemeralPorts(),
  };
}

/** Ports that the kernel gives to whoever connects. */
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

/** Throws a RangeError that says, in a sentence, why there cannot be such a run. */
export function checkPlan(plan: LoadPlan, limits: LoadLimits): void {
  whole('the number of threads', plan.threads, 1, THREADS_MAX);
  whole('the number of connections', plan.connections, 1, CONNECTIONS_MAX);
  whole('the number of idle connections', plan.idleConnections, 0, CONNECTIONS_MAX);
  if (plan.threads > plan.connections) {
    const { threads, connections } = plan;
    throw new RangeError(
      `${threads} threads cannot share ${connections} connections: each needs one at least`,
    );
  }
  checkTimes(plan);
  checkModel(plan.model, plan.durationMs);
  const messageBytes = checkMessage(plan);
  checkInFlight(plan, messageBytes);
  if (plan.messagesPerConnection !== null) {
    whole('the number of messages per connection', plan.messagesPerConnection, 1, 2 ** 53);
  }
  if (!Number.isSafeInteger(plan.seed)) {
    throw new RangeError(`a seed is a whole number, not ${plan.seed}`);
  }
  checkSources(plan);
  checkLimits(plan, limits);
}

function whole(what: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${what} is ${least} to ${most}, not ${value}`);
}

function within(what: string, ms: number, most: number): void {
  if (ms > 0 && ms <= most) return;
  throw new RangeError(`${what} is above 0 and at most ${most} ms, not ${ms}`);
}

function checkTimes({ durationMs, warmupMs, rampMs, timeoutMs, startAtMs }: LoadPlan): void {
  within('the duration', durationMs, DURATION_MS_MAX);
  within('the timeout', timeoutMs, TIME_MS_MAX);
  if (!(warmupMs >= 0 && warmupMs <= DURATION_MS_MAX)) {
    throw new RangeError(`the warm-up is 0 to ${DURATION_MS_MAX} ms, not ${warmupMs}`);
  }
  if (!(rampMs >= 0 && rampMs <= warmupMs)) {
    throw new RangeError(`the ramp is part of the warm-up: 0 to ${warmupMs} ms, not ${rampMs}`);
  }
  if (startAtMs !== null && !Number.isFinite(startAtMs)) {
    throw new RangeError(`a start is a time in milliseconds, not ${startAtMs}`);
  }
}

function checkModel(model: LoadModel, durationMs: number): void {
  if (model.kind === 'closed') {
    whole('the number of messages in flight', model.pipeline, 1, PIPELINE_MAX);
    return;
  }
  let sumMs = 0;
  for (const stage of model.stages) {
    within('the duration of a stage', stage.durationMs, DURATION_MS_MAX);
    sumMs += stage.durationMs;
    if (stage.ratePerSecond > 0 && stage.ratePerSecond <= RATE_MAX) continue;
    throw new RangeError(
      `a rate is above 0 and at most ${RATE_MAX} messages per second, not ${stage.ratePerSecond}`,
    );
  }
  if (Math.abs(sumMs - durationMs) < 1e-6 * durationMs) return;
  throw new RangeError(
    `the stages last ${sumMs} ms together, and the run is to last ${durationMs} ms`,
  );
}

/** Returns how many bytes a message has. */
function checkMessage({ message, mode }: LoadPlan): number {
  if (message.kind === 'bytes') {
    whole('the size of a message in bytes', message.bytes, 1, MESSAGE_BYTES_MAX);
    return message.bytes;
  }
  const bytes = Buffer.from(message.base64, 'base64');
  whole(`the size of the message from ${message.source}`, bytes.length, 1, MESSAGE_BYTES_MAX);
  if (mode === 'echo') return bytes.length;
  if (bytes.at(-1) !== NEWLINE) {
    throw new RangeError(
      `the message from ${message.source} does not end with a newline: ` +
        `a server in mode ${mode} would wait for it`,
    );
  }
  if (mode === 'once' && bytes.indexOf(NEWLINE) < bytes.length - 1) {
    throw new RangeError(
      `the message from ${message.source} has several lines: ` +
        'a server in mode once answers the first and closes',
    );
  }
  return bytes.length;
}

function checkInFlight({ model }: LoadPlan, messageBytes: number): void {
  if (model.kind === 'open' || model.pipeline * messageBytes <= IN_FLIGHT_BYTES_MAX) return;
  if (model.pipeline === 1) return;
  throw new RangeError(
    `${model.pipeline} messages of ${messageBytes} bytes in flight on a connection are more than ` +
      `${IN_FLIGHT_BYTES_MAX} bytes`,
  );
}

function checkSources({ endpoint, sourceAddresses, sourcePorts, threads }: LoadPlan): void {
  if (sourceAddresses.length === 0 && sourcePorts === null) return;
  if ('path' in endpoint) {
    throw new RangeError('a UNIX socket has no source address and no source port');
  }
  for (const address of sourceAddresses) {
    const version = isIP(address);
    if (version === 0) throw new RangeError(`a source address is numeric, not "${address}"`);
    zoneResolved({ family: version === 4 ? 'IPv4' : 'IPv6', address, port: 0 }, nativeSys());
  }
  if (sourcePorts === null) return;
  const [first, last] = sourcePorts;
  whole('the first source port', first, 1, 65535);
  whole('the last source port', last, first, 65535);
  if (last - first + 1 < threads) {
    throw new RangeError(`${threads} threads need as many source ports, not ${last - first + 1}`);
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
