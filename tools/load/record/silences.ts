import type { Silence } from './thread-messages.ts';

/** The time in which all threads were in their longest silence; null where there was none. */
export function silenceOf(silences: readonly Silence[]): Silence | null {
  if (silences.length === 0) return null;
  const startMs = Math.max(...silences.map((silence) => silence.startMs));
  const endMs = Math.min(...silences.map((silence) => silence.startMs + silence.durationMs));
  return endMs > startMs ? { startMs, durationMs: endMs - startMs } : null;
}
