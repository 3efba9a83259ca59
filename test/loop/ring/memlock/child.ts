// Run with little memory to lock: opens as many loops as it is told to, echoes on the first one and
// on the last, closes all of them, and prints what came of it as JSON.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { EventLoop, type LoopName } from 'sockloop';

/** More than the completion queue of a small ring holds. */
const CONNECTIONS = 300;

export interface MemlockResult {
  readonly loops: Readonly<Record<string, number>>;
  /** Why the last loop is not an io_uring. */
  readonly reasons: readonly string[];
  readonly echoed: number;
  readonly refusal: string | null;
  readonly descriptorsLeft: number;
  readonly mappingsLeft: number;
}

const [count = '1', name = 'auto'] = process.argv.slice(2);

const descriptors = (): number => readdirSync('/proc/self/fd').length;
const mappings = (): number =>
  readFileSync('/proc/self/maps', 'latin1').split('io_uring').length - 1;

async function echo(loop: EventLoop): Promise<number> {
  let echoed = 0;
  let closed = 0;
  const server = loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: { data: (connection, chunk) => void connection.write(chunk) },
  });
  assert.ok(server.address.family === 'IPv4');
  const { port } = server.address;
  for (let i = 0; i < CONNECTIONS; i++) {
    loop.connect({
      host: '127.0.0.1',
      port,
      handlers: {
        open: (connection) => connection.write(`${i}\n`),
        data: (connection, chunk) => {
          if (Buffer.from(chunk).toString() === `${i}\n`) echoed += 1;
          connection.end();
        },
        close: () => {
          closed += 1;
          if (closed === CONNECTIONS) server.close();
        },
      },
    });
  }
  await loop.run();
  return echoed;
}

const before = [descriptors(), mappings()] as const;
const loops: EventLoop[] = [];
const names: Record<string, number> = {};
let refusal: string | null = null;
let echoed = 0;
try {
  for (let i = 0; i < Number(count); i++) {
    const loop = new EventLoop({ backend: name as LoopName });
    loops.push(loop);
    names[loop.backendName] = (names[loop.backendName] ?? 0) + 1;
  }
} catch (error) {
  refusal = error instanceof Error ? error.message : String(error);
}
const last = loops.at(-1);
for (const loop of new Set([loops[0], last])) if (loop !== undefined) echoed += await echo(loop);
for (const loop of loops) loop.close();
const result: MemlockResult = {
  loops: names,
  reasons: last?.missing.map(({ reason }) => reason) ?? [],
  echoed,
  refusal,
  descriptorsLeft: descriptors() - before[0],
  mappingsLeft: mappings() - before[1],
};
process.stdout.write(JSON.stringify(result));
