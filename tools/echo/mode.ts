import { UsageError } from '../terminal/exit.ts';
import { ECHO_MODES, type EchoMode } from './session.ts';

/** The value of `--mode`. */
export function parseMode(text: string): EchoMode {
  const mode = ECHO_MODES.find((name) => name === text);
  if (mode !== undefined) return mode;
  throw new UsageError(`--mode takes ${ECHO_MODES.join(', ')}, not "${text}"`);
}
