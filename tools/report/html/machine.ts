import type { LoadMachine } from '../../load/document.ts';
import { type Cell, dataTable, words } from './data-table.ts';
import type { Markup } from './markup.ts';

// When and where it was measured.

/** `2026-01-31 12:00:05 UTC`. */
export function momentWords(iso: string): string {
  return `${iso.slice(0, 19).replace('T', ' ')} UTC`;
}

/** A column for each machine: a narrow page holds one, and would cut a row of seven. */
export function machineTable(caption: string, machines: readonly LoadMachine[]): Markup {
  const heads = ['host', 'processor', 'cores', 'kernel', 'Node', 'sockloop', 'loop'];
  const columns = machines.map(({ hostname, cpu, cores, kernel, node, sockloop, loop }): Cell[] => {
    return [hostname, cpu, String(cores), kernel, node, sockloop, loop];
  });
  return dataTable({
    caption,
    columns: ['', ...columns.map((_, index) => `machine ${index + 1}`)].map(words),
    rows: heads.map((head, at): Cell[] => [head, ...columns.map((column) => column[at] ?? '')]),
  });
}
