import type { Random } from '#src/base/random.js';
import type { ProcessClock, ProcessTimes } from '#tools/measure/process-clock.js';
import { NO_TIME, timedSlice } from '#tools/measure/timed-slice.js';
import type { Latencies } from './latencies.ts';
import type { LoadClient } from './load-client.ts';
import type { Server } from './servers.ts';

/** A server with a client that is connected to it. */
export interface ConnectedServer {
  readonly server: Pick<Server, 'name' | 'pid'>;
  readonly client: Pick<LoadClient, 'pid' | 'run' | 'lastWords' | 'stop'>;
}

export interface Slice {
  readonly name: string;
  readonly messages: number;
  readonly seconds: number;
  /** CPU time of the server. */
  readonly times: ProcessTimes;
  /** Where the client waits much for its core, rates and times are its own in part. */
  readonly clientWaitedUs: number;
  readonly latencies: Latencies;
  /** CPU per message against the mean of the reference's slices before and after. */
  readonly ratio: number;
}

export interface SlicePlan {
  readonly rounds: number;
  readonly sliceMs: number;
  readonly random: Random;
  readonly clock: ProcessClock;
  /** Called for a contender that failed; the others go on without it. */
  failed(contender: ConnectedServer, error: unknown): void;
}

/** Takes all slices, the reference's included (their ratio is 1). Throws where that one fails. */
export async function measure(
  reference: ConnectedServer,
  contenders: readonly ConnectedServer[],
  plan: SlicePlan,
): Promise<Slice[]> {
  const slices: Slice[] = [];
  const running = new Set(contenders);
  let before = await takeSlice(reference, plan);
  slices.push(before);
  for (let round = 0; round < plan.rounds; round++) {
    for (const contender of plan.random.shuffled([...running])) {
      const slice = await takeSlice(contender, plan).catch((error: unknown) => {
        plan.failed(contender, error);
        running.delete(contender);
      });
      if (slice === undefined) continue;
      const after = await takeSlice(reference, plan);
      const beside = (cpuUsPerMessage(before) + cpuUsPerMessage(after)) / 2;
      slices.push({ ...slice, ratio: cpuUsPerMessage(slice) / beside }, after);
      before = after;
    }
  }
  return slices;
}

export function cpuUsPerMessage({ times, messages }: Slice): number {
  return times.cpuUs / messages;
}

async function takeSlice(
  { server, client }: ConnectedServer,
  { sliceMs, clock }: SlicePlan,
): Promise<Slice> {
  const { result, times } = await timedSlice(clock, [server.pid, client.pid], () =>
    client.run(sliceMs),
  );
  const { errors, ...figures } = result;
  if (errors > 0 || figures.messages === 0) {
    const why = errors > 0 ? `${errors} errors (${client.lastWords()})` : 'no message';
    throw new Error(`${server.name}: ${why} in a slice`);
  }
  const [own = NO_TIME, { waitedUs } = NO_TIME] = times;
  return { name: server.name, ...figures, times: own, clientWaitedUs: waitedUs, ratio: 1 };
}
