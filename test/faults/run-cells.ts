import type { Scope } from '#test/harness/command.js';
import type { Cell } from './cells.ts';
import { runLoad, runSend } from './clients.ts';
import { runDatagrams } from './datagrams.ts';
import { type CellOutcome, forbidden } from './outcome.ts';
import type { Result } from './page.ts';
import { ServedCells } from './served.ts';
import { runStart } from './starts.ts';

/** Runs cells one after the other; `tell` hears of each. */
export async function runCells(
  scope: Scope,
  cells: readonly Cell[],
  tell: (result: Result) => void,
): Promise<void> {
  let served: { readonly cells: ServedCells; last: Cell } | null = null;
  const endServed = async (): Promise<void> => {
    if (served === null) return;
    const outcome = await served.cells.end();
    if (outcome.forbidden) tell({ cell: served.last, outcome });
    served = null;
  };
  for (const cell of cells) {
    try {
      if (served === null || !sharesServer(served.last, cell)) await endServed();
      if (cell.gate === null) {
        served ??= { cells: new ServedCells(scope), last: cell };
        served.last = cell;
        const { cells: server } = served;
        tell({ cell, outcome: await untampered(cell, () => server.run(cell)) });
      } else {
        tell({ cell, outcome: await untampered(cell, () => runAlone(scope, cell)) });
      }
    } catch (error) {
      tell({ cell, outcome: forbidden('no outcome', String(error).slice(0, 400)) });
    }
  }
  await endServed();
}

/** How often a cell is run again whose end strace has disturbed. */
const RUNS_MAX = 3;

/**
 * strace lets a call fail by giving it a number that no call has. Where it detaches in the middle,
 * the kernel's answer to that is left: ENOSYS.
 */
async function untampered(cell: Cell, run: () => Promise<CellOutcome>): Promise<CellOutcome> {
  for (let runs = 1; ; runs += 1) {
    const outcome = await run();
    const tampered = outcome.detail.includes('ENOSYS') && cell.fault !== 'ENOSYS';
    if (!tampered || runs === RUNS_MAX) return outcome;
  }
}

/** Whether a server that serves is the one of the next cell as well. */
function sharesServer(last: Cell, { gate, loop, mode, variant }: Cell): boolean {
  return gate === null && loop === last.loop && mode === last.mode && variant === last.variant;
}

function runAlone(scope: Scope, cell: Cell) {
  switch (cell.program) {
    case 'serve':
      return cell.variant === '--udp' ? runDatagrams(scope, cell) : runStart(scope, cell);
    case 'send':
      return runSend(scope, cell);
    case 'load':
      return runLoad(scope, cell);
  }
}
