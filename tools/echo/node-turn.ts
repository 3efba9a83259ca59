import { setImmediate as immediate, setTimeout as timeout } from 'node:timers/promises';

/**
 * One turn of Node's own loop, in which signal handlers, messages and timers run. Deno runs signal
 * handlers only while it waits, which setImmediate does not make it do.
 */
export const turnOfNode: () => Promise<unknown> =
  'Deno' in globalThis ? () => timeout(0) : () => immediate();
