import { setTimeout as delay } from 'node:timers/promises';
import type { AttackerCalls } from './attacker.ts';
import { memoryMax } from './bounds.ts';
import type { GoodCalls } from './good-clients.ts';
import type { Measured } from './journal.ts';
import type { Cell, Outcome } from './outcome.ts';
import type { Remote } from './remote.ts';
import type { Victim } from './victim.ts';

/** The processes beside a server. */
export interface Sides {
  readonly attacker: Remote<AttackerCalls>;
  readonly good: Remote<GoodCalls>;
}

/** How long a cell looks at what, and storms rest. */
export interface Times {
  readonly restMs: number;
  /** The good clients alone; 0 to leave that out. */
  readonly quietMs: number;
  readonly besideMs: number;
  readonly stillMs: number;
}

/** So long may anything take that has to come: a longer wait is a hang. */
const HANG_MS = 30_000;
/** Descriptors are closed in the turn after an end; those of peers that vanished, by idleness. */
const CLOSE_MS = 10_000;
/** The most of a core that stuck peers may cost. */
const STILL_SHARE_MAX = 0.05;
/** A server that has just been attacked may have garbage to collect, or threads to start. */
const REST_MS = 10_000;
/** Until what good clients have sent is answered, and until they have sent again. */
const SETTLE_MS = 60;

/** The result of `promise`; null after {@link HANG_MS}. */
async function inTime<Value>(promise: Promise<Value>): Promise<Value | null> {
  const waiting = new AbortController();
  const late = delay(HANG_MS, null, { signal: waiting.signal }).catch(() => null);
  try {
    return await Promise.race([promise, late]);
  } finally {
    waiting.abort();
  }
}

/** One attack on a server that listens, and whose good clients are there already. */
export class CellRun {
  readonly #sides: Sides;
  readonly #victim: Victim;
  readonly #id: number;
  readonly #times: Times;
  readonly #findings: string[] = [];
  #most = 0;

  constructor(sides: Sides, victim: Victim, id: number, times: Times) {
    this.#sides = sides;
    this.#victim = victim;
    this.#id = id;
    this.#times = times;
  }

  async run(cell: Cell, peers: number): Promise<Outcome> {
    const victim = this.#victim;
    const takesTurns = cell.loop === 'blocking' && cell.conditions.speech !== 'datagrams';
    const { quietMs } = this.#times;
    const quiet = takesTurns || quietMs === 0 ? null : await this.#measure(quietMs, 'quiet');
    const before = victim.sockets;
    const restBytes = victim.residentBytes;
    victim.forgetPeak();
    const watch = setInterval(() => {
      if (victim.sockets > this.#most) this.#most = victim.sockets;
    }, 100);
    await this.#begin(cell, peers);
    const beside = takesTurns ? null : await this.#measure(this.#times.besideMs, 'beside it');
    if (takesTurns) await this.#visit('beside it');
    const cpuShare = cell.attack.isStill ? await this.#stillShare() : null;
    clearInterval(watch);
    await this.#end();
    const visitMs = await this.#visit('after it');
    const more = await victim.closesDownTo(before, CLOSE_MS);
    if (more > 0) this.#findings.push(`${more} sockets are left`);
    const memory = {
      peakBytes: victim.residentPeakBytes,
      maxBytes: memoryMax(cell.loop, cell.conditions, restBytes, Math.max(this.#most, before)),
    };
    if (memory.peakBytes > memory.maxBytes) {
      this.#findings.push(`${inMib(memory.peakBytes)} of memory, not ${inMib(memory.maxBytes)}`);
    }
    this.#findings.push(...(await this.#sides.good.call('findings', { id: this.#id })));
    const sockets = { before, most: Math.max(this.#most, before), after: before + more };
    return { cell, findings: this.#findings, quiet, beside, visitMs, memory, sockets, cpuShare };
  }

  async #begin({ attack }: Cell, peers: number): Promise<void> {
    const { port, pid } = this.#victim;
    const sourcePorts = 20_000 + this.#id * 16;
    const target = { port, pid, peers, sourcePorts, restMs: this.#times.restMs };
    const begun = this.#sides.attacker.call('begin', {
      id: this.#id,
      attack: attack.name,
      target,
    });
    if ((await inTime(begun.then(() => true))) === null) this.#findings.push('it does not stand');
  }

  async #end(): Promise<void> {
    const seen = await inTime(this.#sides.attacker.call('end', { id: this.#id }));
    this.#findings.push(...(seen ?? ['it does not end']));
  }

  async #measure(ms: number, when: string): Promise<Measured | null> {
    const measured = await inTime(this.#sides.good.call('measure', { id: this.#id, ms }));
    if (measured === null) this.#findings.push(`a good client has no echo, ${when}`);
    return measured;
  }

  async #visit(when: string): Promise<number> {
    const ms = await inTime(this.#sides.good.call('visit', { id: this.#id, boundMs: HANG_MS }));
    if (ms === null) this.#findings.push(`a new client is not served, ${when}`);
    return ms ?? HANG_MS;
  }

  async #stillShare(): Promise<number> {
    const { good } = this.#sides;
    const id = this.#id;
    const endMs = performance.now() + REST_MS;
    let share = 1;
    while (share >= STILL_SHARE_MAX && performance.now() < endMs) {
      await good.call('hold', { id, isHeld: true });
      await delay(SETTLE_MS);
      share = await this.#victim.cpuShare(this.#times.stillMs);
      await good.call('hold', { id, isHeld: false });
      await delay(SETTLE_MS);
    }
    if (share >= STILL_SHARE_MAX) {
      this.#findings.push(`stuck peers take ${(share * 100).toFixed(1)} % of a core`);
    }
    return share;
  }
}

/** A size in MiB, for people. */
export function inMib(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
