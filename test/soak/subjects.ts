import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { LoopName } from 'sockloop';
import { type Command, eventually, type Scope, start } from '#test/harness/command.js';
import type { LoopUnderTest } from '#test/harness/loops.js';
import { root, sockloop } from '#test/harness/programs.js';
import { AskedChild } from './asked.ts';
import { type Account, newTally } from './ledger.ts';
import type { LoopChildOptions, Plant, Question } from './loop-child.ts';
import type { Sample } from './sample.ts';
import type { Subject } from './subject.ts';

/** How it starts. */
export interface SubjectPlan {
  readonly name: string;
  /** Whether `make test` has it as well. */
  readonly short: boolean;
  start(scope: Scope): Promise<Subject>;
}

const CLIENTS = 8;
const LOOPS = ['select', 'poll', 'epoll', 'io_uring'] as const;

/** One loop in a process, whose turns are made attached and by `run` in turns. */
export function loopSubject(backend: LoopName, plants: readonly Plant[] = []): SubjectPlan {
  const name = `${backend}, attached and run`;
  const begin = async (scope: Scope): Promise<Subject> => {
    const options: LoopChildOptions = { backend, plants };
    const child = new AskedChild(scope, new URL('./loop-child.js', import.meta.url), options);
    const ask = <Value>(question: Question): Promise<Value> => child.ask<Value>(question);
    const turns = (round: number): Promise<void> =>
      ask({ what: 'turns', how: round % 2 === 0 ? 'attached' : 'run' });
    const ports = await ask<Pick<Subject, 'port' | 'idlePort' | 'datagramPort'>>({ what: 'ports' });
    await turns(0);
    return {
      ...{ name, ...ports, rude: true, clients: CLIENTS, together: true, pid: child.pid },
      disturb: () => ask({ what: 'own clients' }),
      change: turns,
      sample: () => ask({ what: 'sample' }),
      account: () => ask({ what: 'account' }),
      end: async () => {
        const account = await ask<Account>({ what: 'account' });
        return { faults: await ask<string[]>({ what: 'close' }), account };
      },
    };
  };
  return { name, short: true, start: begin };
}

/** A service on two threads, one of which ends between two rounds. */
function serviceSubject(backend: LoopName): SubjectPlan {
  const name = `${backend}, a service on threads that end`;
  const begin = async (scope: Scope): Promise<Subject> => {
    const child = new AskedChild(scope, new URL('./service-child.js', import.meta.url), {
      backend,
    });
    const { port } = await child.ask<{ port: number }>({ what: 'ports' });
    return {
      ...{ name, port, idlePort: null, datagramPort: null, rude: false, clients: CLIENTS },
      ...{ pid: child.pid, together: true },
      disturb: async () => undefined,
      change: () => child.ask({ what: 'end a thread' }),
      sample: () => child.ask({ what: 'sample' }),
      account: () => child.ask({ what: 'account' }),
      end: async () => {
        const account = await child.ask<Account>({ what: 'account' });
        return { faults: await child.ask<string[]>({ what: 'close' }), account };
      },
    };
  };
  return { name, short: backend === 'epoll', start: begin };
}

/** `serve`, sampled by what NODE_OPTIONS preloads into it and into its successors. */
class ServeSubject implements Subject {
  readonly name: string;
  readonly idlePort = null;
  readonly rude = false;
  readonly clients: number;
  readonly together: boolean;
  readonly port: number;
  readonly datagramPort: number | null;
  pid: number;
  readonly #command: Command;
  readonly #samples: string;
  readonly #restarts: boolean;

  constructor(
    { name, clients, restarts }: ServePlan,
    port: number,
    command: Command,
    samples: string,
  ) {
    this.name = name;
    this.clients = clients;
    this.together = !name.includes('blocking');
    this.#restarts = restarts;
    this.port = port;
    this.datagramPort = clients === 0 ? port : null;
    this.#command = command;
    this.#samples = samples;
    this.pid = command.pid;
  }

  /** A successor takes over, and the process before it ends once it serves nobody. */
  async disturb(): Promise<void> {
    if (!this.#restarts) return;
    const before = this.pid;
    const said = this.#command.err.length;
    process.kill(before, 'SIGUSR2');
    await eventually(() => {
      const [, pid] = /process (\d+) serves/.exec(this.#command.err.slice(said)) ?? [];
      if (pid === undefined) throw new Error(`no successor: ${this.#command.err.slice(said)}`);
      this.pid = Number(pid);
    });
    await eventually(() => {
      if (isAlive(before)) throw new Error(`process ${before} is still there`);
    });
  }

  async change(): Promise<void> {
    // Only loops of ours can be changed while they are there.
  }

  async sample(): Promise<Sample> {
    const path = join(this.#samples, `${this.pid}.json`);
    rmSync(path, { force: true });
    process.kill(this.pid, 'SIGWINCH');
    let sample: Sample | null = null;
    await eventually(() => {
      sample = JSON.parse(readFileSync(path, 'utf8'));
    });
    if (sample === null) throw new Error('unreachable');
    return sample;
  }

  account(): Promise<null> {
    return Promise.resolve(null);
  }

  async end() {
    process.kill(this.pid, 'SIGTERM');
    const { out, err } = await this.#command.end();
    const said = err.split('\n').filter((line) => !EXPECTED.test(line));
    return { faults: said.map((line) => `it said: ${line}`), account: accountOf(out) };
  }
}

/** What is no news: a successor serves, and a client has reset its connection as it was to. */
const EXPECTED = /^$|^sockloop: (SIGUSR2: starting|process \d+ serves)|: (ECONNRESET|EPIPE) \(/;
const SERVED = /^served (\d+) connections?.*?: (\d+) bytes? in, (\d+) out/gm;
const ANSWERED = /^(\d+) datagrams in, \d+ bytes; (\d+) out/gm;

/** What processes have said at their ends. */
function accountOf(out: string): Account {
  const all = newTally();
  for (const [, connections, receivedBytes, sentBytes] of out.matchAll(SERVED)) {
    all.connections += Number(connections);
    all.receivedBytes += Number(receivedBytes);
    all.sentBytes += Number(sentBytes);
  }
  const [answered] = out.matchAll(ANSWERED);
  if (answered === undefined) return { all, kinds: null, datagrams: null };
  const datagrams = { received: Number(answered[1]), sent: Number(answered[2]) };
  return { all, kinds: null, datagrams };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

interface ServePlan {
  readonly name: string;
  readonly words: readonly string[];
  /** 0 for a server of datagrams. */
  readonly clients: number;
  readonly restarts: boolean;
}

function serveSubject(plan: ServePlan): SubjectPlan {
  const begin = async (scope: Scope): Promise<Subject> => {
    const samples = mkdtempSync(join(tmpdir(), 'sockloop-soak-'));
    scope.after(() => rmSync(samples, { recursive: true, force: true }));
    const probe = pathToFileURL(`${root}build/test/soak/probe.js`);
    const env = { ...process.env, NODE_OPTIONS: `--import ${probe}`, SOAK_SAMPLES: samples };
    const words = sockloop('serve', '--port', '0', ...plan.words);
    const command = start(scope, words, { env });
    const [, port] = await command.until('out', /^listening on .*:(\d+) \(/m);
    const subject = new ServeSubject(plan, Number(port), command, samples);
    scope.after(() => {
      if (isAlive(subject.pid)) process.kill(subject.pid, 'SIGKILL');
    });
    return subject;
  };
  const { name, restarts, words } = plan;
  const short = !restarts || !words.includes('--threads');
  return { name, short, start: begin };
}

function serve(clients: number, restarts: boolean, ...words: string[]): SubjectPlan {
  const name = ['serve', ...words, ...(restarts ? ['(SIGUSR2)'] : [])].join(' ');
  return serveSubject({ name, words, clients, restarts });
}

/** All subjects, with the loop that one needs. */
export const subjectPlans: readonly (SubjectPlan & {
  readonly loop: LoopUnderTest['name'] | null;
})[] = [
  ...LOOPS.map((loop) => ({ ...loopSubject(loop), loop })),
  ...(['epoll', 'io_uring'] as const).map((loop) => ({ ...serviceSubject(loop), loop })),
  { ...serve(3, false, '--loop', 'blocking'), loop: null },
  { ...serve(6, false, '--loop', 'threads', '--threads', '6'), loop: null },
  { ...serve(0, false, '--udp', '--loop', 'blocking'), loop: null },
  { ...serve(CLIENTS, true, '--loop', 'epoll', '--threads', '2'), loop: 'epoll' },
  { ...serve(CLIENTS, true, '--loop', 'io_uring'), loop: 'io_uring' },
];
