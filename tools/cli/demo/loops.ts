import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { nativeSys } from 'sockloop/sys';
import { inTurns } from '../../measure/in-turns.ts';
import { textTable, wrapped } from '../../report/text/table.ts';
import { printOut } from '../../terminal/output.ts';
import { BOLD, DIM, GREEN, paint, YELLOW } from '../../terminal/style.ts';
import { typed } from '../command-line.ts';
import { type LoopFacts, loopFacts } from '../loop-facts.ts';
import { DemoProcess, STALL_MS } from './process.ts';

// The second part of the demo: the same clients against each loop, with the calls counted.

/** The loops in the order of a course. */
const ORDER = ['blocking', 'threads', 'select', 'poll', 'epoll', 'kqueue', 'io_uring'] as const;

const SENDERS = 3;
const LINES_EACH = 2;
const LINES = SENDERS * LINES_EACH;

/** The width without a terminal, or of one that does not report it. */
const WIDTH_DEFAULT = 80;

/** Bounds of the width of the table. */
const WIDTH_MAX = 100;
const WIDTH_MIN = 40;

/** The outcome of one loop. */
interface LoopRun {
  readonly name: LoopFacts['name'];
  readonly answered: number;
  /** The number of calls by name. */
  readonly calls: ReadonlyMap<string, number>;
  /** The number of threads that made calls. */
  readonly threads: number;
  readonly status: number | null;
}

/** Runs each available loop and prints the table. Returns what went wrong, or null. */
export async function runLoops(): Promise<string | null> {
  const facts = loopFacts(nativeSys()).sort(
    (a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name),
  );
  const here = facts.filter(({ available }) => available);
  // A terminal that does not know its width reports 0.
  const columns = process.stdout.columns || WIDTH_DEFAULT;
  const width = Math.max(WIDTH_MIN, Math.min(columns, WIDTH_MAX));
  const intro =
    `Now the same clients against each way of waiting: one that connects and stays silent, and ` +
    `${SENDERS} that send ${LINES_EACH} lines each at once. The blocking server is spared the ` +
    'silent one: it serves one client at a time, and everybody else would wait for it.';
  for (const line of wrapped(intro, width)) printOut(line);
  printOut('');
  const words = here.map(({ name }) => {
    return ['serve', '--loop', name, '--mode', 'line', '--trace', '--port', '0'];
  });
  for (const line of words) printOut(paint(BOLD, typed(line)));
  const runs: LoopRun[] = [];
  const outcomes = await inTurns(here, (loop, at) => runLoop(loop.name, words[at] ?? []));
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') throw outcome.reason;
    const complaint = complaintOf(outcome.value);
    if (complaint !== null) return complaint;
    runs.push(outcome.value);
  }
  printOut('');
  printTable(runs, width);
  for (const { name, available, reason } of facts) {
    if (available) continue;
    const [first = '', ...rest] = wrapped(`not here: ${reason}`, width - FRONT.length);
    printOut(paint(YELLOW, `${name.padEnd(FRONT.length)}${first}`));
    for (const line of rest) printOut(paint(YELLOW, FRONT + line));
  }
  printOut('');
  for (const line of wrapped(MORAL, width)) printOut(line);
  return null;
}

/** Padding of the width of the first column. */
const FRONT = ' '.repeat('blocking  '.length);

const MORAL =
  'The answers take the same calls everywhere; the waiting differs. A blocking call waits for ' +
  'one socket, so many clients take many threads. select and poll wait for all of them in one ' +
  'thread, and hand the kernel the whole list each time. epoll and kqueue are told of a socket ' +
  'once, so that a wait costs the same with 10 clients and with 10,000. With io_uring the ' +
  'answers are no calls at all: they are put into a queue, and the call that waits makes them all.';

async function runLoop(name: LoopFacts['name'], words: readonly string[]): Promise<LoopRun> {
  using server = new DemoProcess(`server with --loop ${name}`, words);
  const port = Number(await server.port());
  const silent = name === 'blocking' ? null : await connected(port);
  try {
    const answers = await Promise.all(
      Array.from({ length: SENDERS }, (_, sender) => answered(port, sender + 1)),
    );
    await server.stop();
    const total = answers.reduce((sum, count) => sum + count, 0);
    return { name, answered: total, status: server.child.exitCode, ...counted(server.errors) };
  } finally {
    silent?.destroy();
  }
}

/** A client that fails after STALL_MS of silence. */
async function connected(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.setTimeout(STALL_MS, () => socket.destroy(new Error(`silent for ${STALL_MS} ms`)));
  await once(socket, 'connect');
  // The server may reset it at its end.
  return socket.on('error', () => undefined);
}

/** Sends lines, waits for the echo of each, and returns the number of right ones. */
async function answered(port: number, sender: number): Promise<number> {
  const socket = await connected(port);
  const lines = createInterface({ input: socket });
  // A broken connection has no end, the only event that readline handles.
  socket.once('close', () => lines.close());
  const replies = lines[Symbol.asyncIterator]();
  let count = 0;
  try {
    for (let line = 1; line <= LINES_EACH; line += 1) {
      const text = `line ${line} of ${sender}`;
      socket.write(`${text}\n`);
      const { value, done } = await replies.next();
      if (done === true) return count;
      if (value === text) count += 1;
    }
    return count;
  } finally {
    socket.destroy();
  }
}

/** Counts the calls of a trace: `recv(7, ...) = 6`, behind `[thread 1]` if there are several. */
function counted(trace: readonly string[]): Pick<LoopRun, 'calls' | 'threads'> {
  const calls = new Map<string, number>();
  const threads = new Set<string>();
  for (const line of trace) {
    const [, thread, call] = /^(?:\[thread (\d+)\] )?(\w+)\(/.exec(line) ?? [];
    if (call === undefined) continue;
    calls.set(call, (calls.get(call) ?? 0) + 1);
    if (thread !== undefined) threads.add(thread);
  }
  return { calls, threads: threads.size };
}

function complaintOf({ name, answered, status }: LoopRun): string | null {
  if (answered < LINES) return `with --loop ${name}, ${answered} of ${LINES} lines came back`;
  return status === 0 ? null : `the server with --loop ${name} ended with status ${status}`;
}

function printTable(runs: readonly LoopRun[], width: number): void {
  const columns = ['loop', 'answered', 'calls', 'accept', 'recv', 'send', 'waits with'];
  const rows = runs.map((run) => {
    const sum = [...run.calls.values()].reduce((total, count) => total + count, 0);
    const of = (...names: string[]): string =>
      `${names.reduce((total, name) => total + (run.calls.get(name) ?? 0), 0)}`;
    const own = [`${run.answered} of ${LINES}`, `${sum}`, of('accept', 'accept4')];
    return [run.name, ...own, of('recv'), of('send'), waitOf(run)];
  });
  const aligned = columns.map((title, index) => {
    const align = index === 0 || index === columns.length - 1 ? 'left' : 'right';
    return { title, align } as const;
  });
  const [head = '', ...lines] = textTable(aligned, rows, width);
  printOut(paint(BOLD, head));
  for (const line of lines) {
    const answer = `${LINES} of ${LINES}`;
    printOut(line.replace(answer, paint(GREEN, answer)).replace(/\(.*$/, (x) => paint(DIM, x)));
  }
}

/** The calls that a loop waits with, and their number. */
function waitOf({ name, calls, threads }: LoopRun): string {
  const of = (call: string): string => `${call} ${calls.get(call) ?? 0}`;
  switch (name) {
    case 'blocking':
      return 'accept, recv (one client)';
    case 'threads':
      return `accept, recv (${threads} threads)`;
    case 'epoll':
      return `${of('epoll_wait')}, ${of('epoll_ctl')}`;
    case 'kqueue':
      return of('kevent');
    case 'io_uring':
      return of('io_uring_enter');
    default:
      return of(name);
  }
}
