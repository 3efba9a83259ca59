import type { ServiceOptions } from './options.ts';
import type { SlotEnd } from './thread-slot.ts';

/** What a thread threw, or an error that says how it has ended. */
export function endError(
  what: string,
  { reason, error }: SlotEnd,
  { startTimeoutMs, stallMs }: ServiceOptions,
): unknown {
  if (error !== null) return error;
  if (reason === 'start') return new Error(`${what} was not ready within ${startTimeoutMs} ms`);
  if (reason === 'stalled') return new Error(`${what} made no turn for ${stallMs} ms`);
  return new Error(`${what} has ended by itself`);
}
