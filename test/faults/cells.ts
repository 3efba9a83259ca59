import {
  FAULTY_CALLS,
  type Program,
  SERVE_LOOPS,
  type ServeLoop,
  TIMES,
  type Times,
  type Variant,
} from './calls.ts';

/** One fault of one call on one loop: what is run at a time. */
export interface Cell {
  readonly program: Program;
  readonly loop: ServeLoop;
  readonly call: string;
  readonly gate: string | null;
  /** The mode of the server: that of the shutdown cells hangs up on its clients. */
  readonly mode: 'echo' | 'once';
  /** An errno, or `delay`. */
  readonly fault: string;
  readonly times: Times;
  /** Null for a program of streams on one thread. */
  readonly variant: Variant | null;
}

/** What a cell is called in the output, and by the flags of the run. */
export function nameOf({ program, loop, call, gate, fault, times, variant }: Cell): string {
  const words = variant === null ? program : `${program} ${variant}`;
  const isStart = program === 'serve' && gate !== null && variant !== '--udp';
  const stage = isStart ? `${words} at its start` : words;
  return `${stage} | ${call} | ${fault} | ${loop} | ${times}`;
}

/** Whether threads beside the first one make the call that fails. */
export function hasThreads({ program, loop, variant }: Cell): boolean {
  return variant === '--threads' || (program === 'serve' && loop === 'threads');
}

/** Every cell. Those of a server that serves come loop by loop: they share a process. */
export function allCells(): readonly Cell[] {
  const cells = FAULTY_CALLS.flatMap(
    ({ program, call, loops, gate, faults, times, mode = 'echo', variant = null }) =>
      loops.flatMap((loop) =>
        faults.flatMap((fault) =>
          (fault === 'delay' ? (['always'] as const) : times).map(
            (one): Cell => ({ program, loop, call, gate, mode, fault, times: one, variant }),
          ),
        ),
      ),
  );
  const shared = cells.filter(({ gate }) => gate === null);
  const alone = cells.filter(({ gate }) => gate !== null);
  const byLoop = SERVE_LOOPS.flatMap((loop) => shared.filter((cell) => cell.loop === loop));
  return [...byLoop, ...alone];
}

/**
 * The system call that a loop makes for a function: its machine code makes ppoll(2) for poll(2),
 * and glibc pselect6(2) for select(2). libuv makes epoll_pwait(2), which must not fail by itself.
 */
function syscallsOf({ call, loop }: Cell): string {
  if (call === 'epoll_wait') return loop === 'epoll' ? 'epoll_pwait' : 'epoll_wait';
  if (call === 'poll' && loop === 'poll') return 'ppoll';
  return call === 'select' ? 'select,pselect6' : call;
}

/** So long does each call of a `delay` wait before it is made, and again before it returns. */
const DELAY_US = 4000;

/** The flags of strace that inject the fault of a cell. */
export function straceFlags(cell: Cell): string[] {
  const { fault, times } = cell;
  const calls = syscallsOf(cell);
  const what =
    fault === 'delay'
      ? `delay_enter=${DELAY_US}:delay_exit=${DELAY_US}`
      : `error=${fault}:when=${TIMES[times]}`;
  return ['-e', `trace=${calls}`, '-e', `inject=${calls}:${what}`];
}
