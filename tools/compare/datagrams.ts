import { nativeSys } from 'sockloop/sys';
import { Random } from '#src/base/random.js';
import type { DatagramLoadDocument, DatagramLoadPlan } from '../load/datagrams/document.ts';
import { openDatagramLoad } from '../load/datagrams/run.ts';
import type { Cleanup } from '../measure/cleanup.ts';
import { findProcessClock, type ProcessClock } from '../measure/process-clock.ts';
import { type Quartiles, quartiles } from '../measure/quartiles.ts';
import { timedSlice } from '../measure/timed-slice.ts';
import { fullSlice, SliceFailure } from './full-slice.ts';
import type { ComparedName } from './plan.ts';
import { CompareServer } from './server.ts';
import { marginOf } from './winner.ts';

/** What is asked for. */
export interface DatagramRequest {
  readonly loops: readonly ComparedName[];
  /** Numbers of datagrams under way, each measured by itself. */
  readonly windows: readonly number[];
  readonly bytes: number;
  readonly durationMs: number;
  readonly rounds: number;
  readonly seed: number;
}

/** A loop at a number of datagrams under way. */
interface DatagramPoint {
  readonly loop: string;
  readonly window: number;
  /** CPU time of the server, in microseconds for each datagram that it has answered. */
  readonly cpuUs: Quartiles;
  /** The same, round by round. */
  readonly roundsCpuUs: readonly number[];
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly lost: number;
  readonly sent: number;
}

/** The result, as `--json` prints it. */
export interface DatagramComparison {
  readonly kind: 'sockloop datagram comparison';
  readonly version: 1;
  readonly request: DatagramRequest;
  readonly points: readonly DatagramPoint[];
  /** The loop that costs least at the last number, and by how much; null where nothing tells. */
  readonly winner: string | null;
  readonly words: string;
}

/** Before the slices of a loop: new code is compiled. */
const WARMUP_MS = 300;

/** What has not come back by then is lost: loopback takes microseconds. */
const TIMEOUT_MS = 500;

interface Server {
  readonly loop: ComparedName;
  readonly server: CompareServer;
  readonly port: number;
}

interface Slice {
  readonly cpuUs: number;
  readonly document: DatagramLoadDocument;
}

/** Starts a server of datagrams on each loop, and loads them in turns. */
export async function compareDatagrams(
  request: DatagramRequest,
  cleanup: Cleanup,
  progress: (words: string) => void,
): Promise<DatagramComparison> {
  const clock = findProcessClock();
  const servers: Server[] = [];
  try {
    for (const loop of request.loops) servers.push(await started(loop, cleanup));
    const points: DatagramPoint[] = [];
    for (const window of request.windows) {
      points.push(...(await measured(servers, window, request, clock, progress)));
    }
    const last = points.filter((point) => point.window === request.windows.at(-1));
    const decision = decided(last);
    const head = { kind: 'sockloop datagram comparison', version: 1, request } as const;
    return { ...head, points, ...decision };
  } finally {
    for (const { server } of servers) await server.stop();
  }
}

async function started(loop: ComparedName, cleanup: Cleanup): Promise<Server> {
  const server = new CompareServer(loop, ['--udp'], cleanup);
  return { loop, server, port: await server.port() };
}

async function measured(
  servers: readonly Server[],
  window: number,
  request: DatagramRequest,
  clock: ProcessClock,
  progress: (words: string) => void,
): Promise<DatagramPoint[]> {
  const random = new Random(request.seed);
  const slices = new Map<Server, Slice[]>(servers.map((server) => [server, []]));
  for (const server of servers) await load(server, window, request, WARMUP_MS);
  for (let round = 1; round <= request.rounds; round++) {
    for (const server of random.shuffled(servers)) {
      progress(`${window} under way, round ${round} of ${request.rounds}: ${server.loop}`);
      slices.get(server)?.push(await slice(server, window, request, clock));
    }
  }
  return servers.map((server) => pointOf(server.loop, window, slices.get(server) ?? []));
}

/** A slice in which datagrams came back. Throws an Error that says why none does. */
async function slice(
  server: Server,
  window: number,
  request: DatagramRequest,
  clock: ProcessClock,
): Promise<Slice> {
  const full = (): Promise<DatagramLoadDocument> =>
    fullSlice('datagram', async () => {
      const document = await load(server, window, request, request.durationMs);
      return document.counts.answered > 0 ? document : null;
    });
  try {
    const { result, times } = await timedSlice(clock, [server.server.pid], full);
    const cpuUs = (times[0]?.cpuUs ?? Number.NaN) / result.counts.answered;
    return { cpuUs, document: result };
  } catch (error) {
    const death = await server.server.deathWords();
    const what = `cannot measure ${server.loop} with ${window} under way`;
    if (death !== null) throw new Error(`${what}: its server ended in the middle: ${death}`);
    if (!(error instanceof SliceFailure)) throw error;
    throw new Error(`${what}: ${error.message}`);
  }
}

async function load(
  { port }: Server,
  window: number,
  { bytes, seed }: DatagramRequest,
  durationMs: number,
): Promise<DatagramLoadDocument> {
  const plan: DatagramLoadPlan = {
    target: { family: 'IPv4', address: '127.0.0.1', port },
    kind: 'udp',
    loop: 'auto',
    sockets: 1,
    model: { kind: 'closed', window },
    bytes,
    seed,
    warmupMs: 0,
    durationMs,
    timeoutMs: TIMEOUT_MS,
    gso: true,
    gro: false,
  };
  using run = openDatagramLoad(plan, 'auto', nativeSys());
  return await run.run();
}

function pointOf(loop: string, window: number, slices: readonly Slice[]): DatagramPoint {
  const median = (of: (slice: Slice) => number): number => quartiles(slices.map(of)).median;
  const sum = (of: (slice: Slice) => number): number =>
    slices.reduce((total, slice) => total + of(slice), 0);
  const percentile = ({ document }: Slice, wanted: number): number =>
    document.latency.percentiles.find(({ percentile: one }) => one === wanted)?.us ?? Number.NaN;
  const roundsCpuUs = slices.map(({ cpuUs }) => cpuUs);
  return {
    loop,
    window,
    cpuUs: quartiles(roundsCpuUs),
    roundsCpuUs,
    perSecond: median(({ document }) => document.rates.answered),
    p50Us: median((slice) => percentile(slice, 50)),
    p99Us: median((slice) => percentile(slice, 99)),
    lost: sum(({ document }) => document.counts.lost),
    sent: sum(({ document }) => document.counts.sent),
  };
}

/** Which loop costs the server least. */
function decided(points: readonly DatagramPoint[]): Pick<DatagramComparison, 'winner' | 'words'> {
  const [best, next] = points.toSorted((a, b) => a.cpuUs.median - b.cpuUs.median);
  if (best === undefined || next === undefined) return { winner: null, words: 'there is one loop' };
  const { ahead, margin, why } = marginOf(best.roundsCpuUs, next.roundsCpuUs);
  const where = `with ${best.window} under way`;
  if (ahead) {
    const words = `${best.loop}: ${margin} less CPU a datagram than ${next.loop} ${where} (${why})`;
    return { winner: best.loop, words };
  }
  const words = `${best.loop} and ${next.loop} do not differ in CPU a datagram ${where}: ${why}`;
  return { winner: null, words };
}
