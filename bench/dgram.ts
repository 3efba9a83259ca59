import { type ChildProcess, fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as own from 'sockloop/dgram';
import { quartiles } from '#tools/measure/quartiles.js';
import { count } from './measure/option-values.ts';
import { benchTable, spreadText } from './measure/text-table.ts';

// What sockloop/dgram costs beside node:dgram: CPU time of the process per datagram of 64 bytes.
// The ways of a case take turns. See bench/README.md.
//
//   node build/bench/dgram.js [--rounds 10] [--slice 500]

const PROGRAM = fileURLToPath(new URL('dgram-program.js', import.meta.url));
const host = '127.0.0.1';
const BYTES = Buffer.alloc(64, 'x');
/** More than a receiver takes meanwhile: it never waits. */
const BURST = 512;
const WARM_UP_MS = 1000;
const ROLES = ['echo', 'receive', 'send'] as const;
const WAYS = [
  { name: 'node:dgram', way: 'node', backend: 'auto' },
  { name: 'node:dgram again', way: 'node', backend: 'auto' },
  { name: 'epoll', way: 'own', backend: 'epoll' },
  { name: 'io_uring', way: 'own', backend: 'io_uring' },
] as const;

type Role = (typeof ROLES)[number];

interface Counters {
  readonly datagrams: number;
  readonly cpuUs: number;
}

/** The program under test; stopped unless it is its slice. */
class Subject {
  readonly name: string;
  readonly role: Role;
  readonly #child: ChildProcess;
  readonly #sink = own.createSocket('udp4');
  #port = 0;
  readonly cpuUs: number[] = [];

  constructor(role: Role, { name, way, backend }: (typeof WAYS)[number], sinkPort: number) {
    this.name = name;
    this.role = role;
    const env = { ...process.env, SOCKLOOP_BACKEND: backend };
    this.#child = fork(PROGRAM, [role, way, String(sinkPort)], { env });
  }

  async begin(): Promise<void> {
    const [{ port }] = (await once(this.#child, 'message')) as [{ port: number }];
    this.#port = port;
    this.#sink.bind(0, host);
    await once(this.#sink, 'listening');
    await this.slice(WARM_UP_MS);
  }

  async #counters(): Promise<Counters> {
    const answer = once(this.#child, 'message');
    this.#child.send('counters');
    const [counters] = (await answer) as [Counters];
    return counters;
  }

  /** CPU time in microseconds per datagram. */
  async slice(ms: number): Promise<number> {
    this.#child.kill('SIGCONT');
    const before = await this.#counters();
    if (this.role === 'send') await delay(ms);
    else await this.#load(ms);
    const after = await this.#counters();
    this.#child.kill('SIGSTOP');
    return (after.cpuUs - before.cpuUs) / (after.datagrams - before.datagrams);
  }

  async #load(ms: number): Promise<void> {
    const endMs = performance.now() + ms;
    const sink = this.#sink;
    const port = this.#port;
    await new Promise<void>((resolve) => {
      const next = (): void => {
        if (performance.now() > endMs) {
          sink.removeAllListeners('message');
          resolve();
        } else if (this.role === 'echo') {
          sink.send(BYTES, port, host);
        } else {
          for (let at = 0; at < BURST - 1; at++) sink.send(BYTES, port, host);
          sink.send(BYTES, port, host, () => setImmediate(next));
        }
      };
      sink.on('message', next);
      next();
    });
  }

  stop(): void {
    this.#sink.close();
    this.#child.kill('SIGKILL');
  }
}

async function measured(role: Role, rounds: number, sliceMs: number): Promise<readonly string[][]> {
  const drain = createSocket({ type: 'udp4' }).bind(0, host);
  await once(drain, 'listening');
  const subjects = WAYS.map((way) => new Subject(role, way, drain.address().port));
  try {
    for (const subject of subjects) await subject.begin();
    for (let round = 0; round < rounds; round++) {
      for (const subject of subjects) subject.cpuUs.push(await subject.slice(sliceMs));
    }
  } finally {
    for (const subject of subjects) subject.stop();
    drain.close();
  }
  const [reference] = subjects;
  return subjects.map(({ name, cpuUs }) => {
    const ratios = cpuUs.map((us, round) => us / (reference?.cpuUs[round] ?? Number.NaN));
    const { median } = quartiles(cpuUs);
    return [role, name, median.toFixed(2), spreadText(quartiles(ratios), 2)];
  });
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    slice: { type: 'string', default: '500' },
  },
});
const rows: string[][] = [];
for (const role of ROLES) {
  rows.push(
    ...(await measured(role, count('--rounds', values.rounds), count('--slice', values.slice))),
  );
}
console.log(benchTable(['case', 'way', 'us per datagram', 'to node:dgram'], rows));
