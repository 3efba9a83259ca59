import { closeSync, openSync, writeSync } from 'node:fs';

const LATENCY_DEVICE = '/dev/cpu_dma_latency';

/** A hold on /dev/cpu_dma_latency. */
interface WakeLatency {
  /** Whether it does. */
  readonly held: boolean;
  /** In words, for the report. */
  readonly state: string;
  release(): void;
}

/**
 * Keeps the cores out of their sleep states while it is held. Without it a wake-up of an idle core
 * goes through the hypervisor, which costs more than the message that it is for.
 */
export function holdWakeLatency(): WakeLatency {
  try {
    const fd = openSync(LATENCY_DEVICE, 'w');
    writeSync(fd, new Uint8Array(4));
    return { held: true, state: `${LATENCY_DEVICE} held at 0`, release: () => closeSync(fd) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return {
      held: false,
      state: `${LATENCY_DEVICE} could not be held (${why}): wake-ups weigh more than they should`,
      release: () => undefined,
    };
  }
}
