import type { Silence } from './thread-messages.ts';

/** Overlap of the longest silences of all threads; null if they do not overlap. */
export function silenceOf(silences: readonly Silence[]): Silence | null {
  if (silences.length === 0) return null;
  const startMs = Math.max(...silences.map((silence) => silence.startMs));
  const endMs = Math.min(...silences.map((silence) => silence.startMs + silence.durationMs));
  return endMs > startMs ? { startMs, durationMs: endMs - startMs } : null;
}
