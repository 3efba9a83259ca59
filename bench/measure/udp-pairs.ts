import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Child } from '#tools/measure/child.js';
import { compileC, ROOT } from './c-compiler.ts';
import { bunProgram, denoProgram } from './installed.ts';
import { cleanup, pinnedChild } from './pinned-child.ts';

/** Senders and receivers of datagrams, by what they are written on. */

const START_MS = 20_000;
const RUN_MS_MAX = 120_000;

/** How datagrams are sent and received: `udp.c` says what each means. */
export type DatagramMode = 'one' | 'batch' | 'gso' | 'echo';

/** What a sender and a receiver are written on. */
export interface Way {
  readonly name: string;
  /** The modes that it knows; all if left out. */
  readonly modes?: readonly DatagramMode[];
  /** The words before `recv MODE SIZE`. Throws or rejects where it cannot be had here. */
  command(): readonly string[] | Promise<readonly string[]>;
}

/** What was done in a run. */
interface Done {
  readonly sent: number;
  readonly received: number;
}

/** A folder that goes when the bench ends. */
function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sockloop-bench-'));
  cleanup.add(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

let compiled: string | undefined;

function inC(): readonly string[] {
  compiled ??= compileC(scratch(), 'peers/udp.c');
  return [compiled];
}

const PROGRAM = fileURLToPath(new URL('../udp-program.js', import.meta.url));
const ours = (loop: string) => (): readonly string[] => [process.execPath, PROGRAM, loop];

const peer = (file: string): string => join(ROOT, 'bench/peers', file);

/** The reference comes first, then the same in other processes: what they differ by is noise. */
export const WAYS: readonly [Way, ...Way[]] = [
  { name: 'c', command: inC },
  { name: 'c-again', command: inC },
  { name: 'epoll', command: ours('epoll') },
  { name: 'io_uring', command: ours('io_uring') },
  {
    name: 'node-dgram',
    modes: ['one', 'echo'],
    command: () => [process.execPath, peer('node-udp.mjs')],
  },
  {
    name: 'bun',
    modes: ['one', 'batch', 'echo'],
    command: async () => [await bunProgram(), peer('bun-udp.js')],
  },
  {
    name: 'deno',
    modes: ['one', 'echo'],
    command: async () => [
      ...['env', `DENO_DIR=${scratch()}`, await denoProgram()],
      ...['run', '--allow-net', '--unstable-net', peer('deno-udp.js')],
    ],
  },
];

/** A sender and a receiver, which run until they are stopped. */
export class DatagramPair {
  readonly #sender: Child;
  readonly #receiver: Child;

  constructor(sender: Child, receiver: Child) {
    this.#sender = sender;
    this.#receiver = receiver;
  }

  /** The sender, then the receiver. */
  get pids(): readonly [number, number] {
    return [this.#sender.pid, this.#receiver.pid];
  }

  /** Has `datagrams` sent, and waits until they have come. */
  async run(datagrams: number): Promise<Done> {
    this.#sender.tell(String(Math.round(datagrams)));
    const line = await this.#sender.line(RUN_MS_MAX);
    const [, sent, received] = /^sent (\d+) received (\d+)$/.exec(line) ?? [];
    if (sent === undefined) throw new Error(`the sender said "${line}"`);
    return { sent: Number(sent), received: Number(received) };
  }

  async stop(): Promise<void> {
    await this.#sender.stop();
    await this.#receiver.stop();
  }
}

/** Starts a pair, or says why there is none. Throws with its own words if it does not start. */
export async function pairOf(
  way: Way,
  mode: DatagramMode,
  bytes: number,
): Promise<DatagramPair | { readonly reason: string }> {
  if (way.modes?.includes(mode) === false) return { reason: `it has no way to do "${mode}"` };
  let command: readonly string[];
  try {
    command = await way.command();
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
  const receiver = pinnedChild('server', [...command, 'recv', mode, `${bytes}`]);
  const line = await receiver.line(START_MS);
  const [, port, control] = /^listening (\d+) (\d+)$/.exec(line) ?? [];
  if (port === undefined || control === undefined) throw new Error(`${way.name} said "${line}"`);
  const sender = pinnedChild('client', [...command, 'send', mode, `${bytes}`, port, control]);
  return new DatagramPair(sender, receiver);
}
