import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Scope } from '#test/harness/command.js';
import type { Cell } from './cells.ts';
import { type Gated, startGated } from './gated.ts';
import { allowed, type CellOutcome, endAhead, endOf, forbidden } from './outcome.ts';
import type { Program } from './program.ts';
import { backendOf, environmentOf, portOf } from './server-process.ts';

/** How long every call fails. */
const FAULT_MS = 400;
/** An answer that takes longer does not come. */
const ANSWER_MS = 15_000;
/** So long does nothing come where the rest is lost. */
const QUIET_MS = 300;
const END_MS = 20_000;
const CALLS_PER_SECOND_MAX = 4000;
const ROUNDS = 6;
const ROUND_DATAGRAMS = 5;
const ROUND_MS = 20;
const LINE_BYTES = 100;

/** Asks a server of datagrams, and keeps account of its answers. */
class Asker {
  sent = 0;
  /** Answers to what was not asked, or that came twice. */
  wrong = 0;
  readonly #answers = new Set<string>();
  readonly #socket = createSocket('udp4');

  constructor(scope: Scope) {
    this.#socket.on('message', (message) => {
      const text = String(message);
      const number = Number.parseInt(text, 10);
      const isRight = number < this.sent && text === textOf(number) && !this.#answers.has(text);
      if (!isRight) this.wrong += 1;
      this.#answers.add(text);
    });
    scope.after(() => void this.#socket.close());
  }

  get answered(): number {
    return this.#answers.size;
  }

  async bind(): Promise<void> {
    this.#socket.bind(0, '127.0.0.1');
    await once(this.#socket, 'listening');
  }

  ask(port: number, count: number): void {
    for (let asked = 0; asked < count; asked += 1) {
      this.#socket.send(textOf(this.sent), port, '127.0.0.1');
      this.sent += 1;
    }
  }

  hasLast(): boolean {
    return this.#answers.has(textOf(this.sent - 1));
  }

  /** Waits until nothing comes any more. */
  async quiet(): Promise<void> {
    for (let before = -1; before !== this.answered && this.answered < this.sent; ) {
      before = this.answered;
      await delay(QUIET_MS);
    }
  }
}

function textOf(number: number): string {
  return `${number} `.padEnd(LINE_BYTES, 'd');
}

/** `serve --udp`: each datagram is answered, or counted by the last words of the server. */
export async function runDatagrams(scope: Scope, cell: Cell): Promise<CellOutcome> {
  const words = ['serve', '--udp', '--port', '0', '--loop', backendOf(cell.loop)];
  const asker = new Asker(scope);
  await asker.bind();
  let port: Promise<number | null> = Promise.resolve(null);
  const ask = (program: Program): void => {
    port = portOf(program);
    void port.then((found) => {
      if (found !== null) asker.ask(found, 1);
    });
  };
  const gated = await startGated(scope, cell, words, environmentOf(cell.loop), ask);
  const { program, injection } = gated;
  const found = await port;
  if (injection === null) {
    const end = await program.end(END_MS);
    return end === null ? forbidden('hang', program.err) : endAhead(end);
  }
  if (found === null) {
    const end = await program.end(END_MS);
    return end === null ? forbidden('hang', program.err) : endOf(end, cell.fault);
  }
  return await asked(gated, cell, asker, found);
}

async function asked(
  { program, injection }: Gated,
  { times, fault }: Cell,
  asker: Asker,
  port: number,
): Promise<CellOutcome> {
  const beganMs = performance.now();
  for (let round = 0; round < ROUNDS; round += 1) {
    asker.ask(port, ROUND_DATAGRAMS);
    await delay(ROUND_MS);
  }
  if (times === 'always') await delay(FAULT_MS);
  else await asker.quiet();
  const count = injection?.count ?? 0;
  const perSecond = (count * 1000) / (performance.now() - beganMs);
  await injection?.end();
  asker.ask(port, 1);
  const isAnswered = await program.until(() => asker.hasLast(), ANSWER_MS);
  await asker.quiet();
  if (program.isOver) {
    const end = await program.end(END_MS);
    return end === null ? forbidden('hang', program.err) : endOf(end, fault);
  }
  program.command.child.kill('SIGTERM');
  const end = await program.end(END_MS);
  if (end === null) return forbidden('hang', `it does not end: ${program.err}`);
  if (end.status !== 0) return endOf(end, fault);
  if (count === 0) return allowed('not met');
  if (asker.wrong > 0) return forbidden('wrong bytes', `${asker.wrong} answers`);
  if (!isAnswered) return forbidden('deaf', end.err);
  if (perSecond > CALLS_PER_SECOND_MAX) return forbidden('spin', `${perSecond} calls a second`);
  const lost = asker.sent - asker.answered;
  const counted = unansweredOf(`${end.out}\n${end.err}`);
  if (lost !== counted) return forbidden('lost', `${lost} lost, ${counted} counted: ${end.out}`);
  if (lost > 0) return allowed('counted', `${lost} of ${asker.sent}`);
  return allowed(times === 'always' ? 'waited' : 'served', end.err.trim());
}

/** The sum of the counts behind `not answered:`. */
function unansweredOf(text: string): number {
  const [, reasons = ''] = /^not answered: (.*)$/m.exec(text) ?? [];
  return [...reasons.matchAll(/(?:^|; )(\d+) /g)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}
