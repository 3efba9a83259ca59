import { fileURLToPath } from 'node:url';
import type { Scope } from '#test/harness/command.js';
import type { AttackerCalls } from './attacker.ts';
import type { Conditions, LoopName } from './conditions.ts';
import type { GoodCalls } from './good-clients.ts';
import type { Cell, Outcome } from './outcome.ts';
import { Remote } from './remote.ts';
import { CellRun, type Sides, type Times } from './run-cell.ts';
import { Victim } from './victim.ts';

const GOOD_CLIENTS = 4;
const STEP_MS = 30_000;

/** The processes of the attackers and of the good clients, and the servers between them. */
export class Stage {
  readonly #scope: Scope;
  readonly #sides: Sides;
  #victims = 0;

  constructor(scope: Scope, prefix: readonly string[] = []) {
    const words = (name: string): string[] => [
      process.execPath,
      fileURLToPath(new URL(name, import.meta.url)),
    ];
    this.#scope = scope;
    this.#sides = {
      attacker: new Remote<AttackerCalls>(scope, [...prefix, ...words('attacker.js')]),
      good: new Remote<GoodCalls>(scope, words('good-clients.js')),
    };
  }

  /** Starts a server, makes the attacks of `cells` on it one after the other, and ends it. */
  async run(
    [loop, conditions]: readonly [LoopName, Conditions],
    cells: readonly (readonly [cell: Cell, peers: number])[],
    times: Times,
    tell: (outcome: Outcome) => void,
  ): Promise<void> {
    const id = ++this.#victims;
    const { good } = this.#sides;
    const victim = await Victim.start(this.#scope, loop, conditions);
    await good.call('know', { id, port: victim.port, speech: conditions.speech });
    const takesTurns = loop === 'blocking' && conditions.speech !== 'datagrams';
    if (takesTurns) await good.call('visit', { id, boundMs: STEP_MS });
    else await good.call('join', { id, count: loop === 'threads' ? 2 : GOOD_CLIENTS });
    for (const [index, [cell, peers]] of cells.entries()) {
      const outcome = await new CellRun(this.#sides, victim, id, times).run(cell, peers);
      const isLast = index === cells.length - 1;
      const end = isLast ? await this.#end(id, victim) : [];
      tell({ ...outcome, findings: [...outcome.findings, ...end] });
    }
  }

  async #end(id: number, victim: Victim): Promise<string[]> {
    const { good } = this.#sides;
    await good.call('leave', { id });
    const findings = [...(await good.call('findings', { id }))];
    const wrong = await victim.stop();
    await good.call('abandon', { id });
    return wrong === null ? findings : [...findings, wrong];
  }
}
