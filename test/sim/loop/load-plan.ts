import type { Random } from '#src/base/random.js';
import type { LoadModel, LoadPlan, Stage } from '#tools/load/plan.js';
import type { WorldSize } from './world-size.ts';

// What a run is asked for, drawn from a seed.

/** The most of everything. */
interface PlanLimits {
  readonly connectionsMax: number;
  readonly messagesMax: number;
  readonly messageBytesMax: number;
  readonly openMsMax: number;
  /** The server sets the pace of a closed loop, so its messages are bounded by its length. */
  readonly closedMsMax: number;
  readonly warmupMsMax: number;
}

const limits: Readonly<Record<WorldSize, PlanLimits>> = {
  small: {
    connectionsMax: 3,
    messagesMax: 60,
    messageBytesMax: 80,
    openMsMax: 1200,
    closedMsMax: 60,
    warmupMsMax: 100,
  },
  large: {
    connectionsMax: 6,
    messagesMax: 400,
    messageBytesMax: 2000,
    openMsMax: 4000,
    closedMsMax: 300,
    warmupMsMax: 1000,
  },
};

const THREADS_MAX = 3;
const PIPELINE_MAX = 6;
const STAGES_MAX = 3;
/** A run that ends with a second: replies behind its end belong to that second. */
const SECOND_MS = 1000;

/** The parts of a plan that a story may leave out. */
type Has = (part: string) => boolean;

/** Where the server is. */
export const SERVER = { host: '127.0.0.1', port: 7010 } as const;
export const SERVER_PATH = '/run/load';

/** Draws a plan, and the number of the thread that runs its share of it. */
export function drawPlan(
  random: Random,
  size: WorldSize,
  has: Has,
): { readonly plan: LoadPlan; readonly thread: number } {
  const most = limits[size];
  const threads = random.chance(0.7) ? 1 : random.between(2, THREADS_MAX);
  const each = random.between(1, most.connectionsMax);
  const model = drawModel(random, most, has);
  const durationMs = model.stages.reduce((sum, stage) => sum + stage.durationMs, 0);
  const warms = random.chance(0.6);
  const warmup = random.between(1, most.warmupMsMax);
  const warmupMs = warms && has('warm-up') ? warmup : 0;
  const ramp = random.fraction();
  const rampMs = random.chance(0.3) && has('ramp') ? warmupMs * ramp : 0;
  const churns = random.chance(0.2);
  const churn = random.between(1, 5);
  const byPath = random.chance(0.2);
  const idles = random.chance(0.2);
  const ports = random.chance(0.05) && !byPath;
  const mode = (['echo', 'echo', 'line', 'once'] as const)[random.below(4)] ?? 'echo';
  const plan: LoadPlan = {
    endpoint: byPath ? { path: SERVER_PATH } : SERVER,
    loop: 'auto',
    threads,
    connections: has('connections') ? threads * each : threads,
    idleConnections: idles && has('idle connections') ? threads : 0,
    model: model.model,
    message: drawMessage(random, most, mode !== 'echo'),
    mode,
    messagesPerConnection: churns && has('churn') ? churn : null,
    warmupMs,
    durationMs,
    rampMs,
    timeoutMs: random.chance(0.5) ? 2000 : random.between(40, 400),
    sourceAddresses: random.chance(0.1) && !byPath ? ['127.0.0.1', '127.0.0.2'] : [],
    sourcePorts: ports ? [40_000, 40_000 + random.between(threads, 3 * threads)] : null,
    startAtMs: null,
    seed: random.word(),
  };
  return { plan, thread: random.below(threads) };
}

function drawModel(
  random: Random,
  most: PlanLimits,
  has: Has,
): { readonly model: LoadModel; readonly stages: readonly Stage[] } {
  if (random.chance(0.35)) {
    const pipeline = random.chance(0.5) ? 1 : random.between(2, PIPELINE_MAX);
    const durationMs = random.between(1, most.closedMsMax);
    return { model: { kind: 'closed', pipeline }, stages: [{ durationMs, ratePerSecond: 1 }] };
  }
  const count = random.chance(0.7) ? 1 : random.between(2, STAGES_MAX);
  const endsWhole = count === 1 && random.chance(0.3);
  const stages = Array.from({ length: count }, (): Stage => {
    const drawnMs = random.between(5, Math.ceil(most.openMsMax / count));
    const durationMs = endsWhole ? SECOND_MS : drawnMs;
    const messages = random.between(1, Math.ceil(most.messagesMax / count));
    return { durationMs, ratePerSecond: (messages * 1000) / durationMs };
  });
  const arrivals = random.chance(0.5) ? 'poisson' : 'uniform';
  const kept = has('stages') ? stages : stages.slice(0, 1);
  return { model: { kind: 'open', arrivals, stages: kept }, stages: kept };
}

function drawMessage(random: Random, most: PlanLimits, isLine: boolean): LoadPlan['message'] {
  const bytes = random.between(1, random.chance(0.5) ? 20 : most.messageBytesMax);
  if (random.chance(0.2)) return { kind: 'bytes', bytes };
  const given = Array.from({ length: bytes }, () => 32 + random.below(90));
  if (isLine) given[bytes - 1] = 10;
  return { kind: 'given', base64: Buffer.from(given).toString('base64'), source: 'the seed' };
}
