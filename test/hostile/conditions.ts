/** The loops under attack: those of `serve`, and a program written on the library. */
export const LOOPS = [
  'epoll',
  'poll',
  'select',
  'io_uring',
  'program',
  'threads',
  'blocking',
] as const;
export type LoopName = (typeof LOOPS)[number];

/** What is sent to a server, and comes back. */
export type Speech = 'bytes' | 'lines' | 'proxied' | 'datagrams';

/** How a server is started for an attack. */
export interface Conditions {
  readonly name: string;
  readonly speech: Speech;
  /** Further words of `serve`. */
  readonly words: readonly string[];
  /** RLIMIT_NOFILE; that of this process if left out. */
  readonly files?: number;
  /** --max-old-space-size, in MiB; that of Node if left out. */
  readonly heapMb?: number;
  /** The longest line; null where lines mean nothing. */
  readonly lineBytesMax: number | null;
  /** The most connections at a time. */
  readonly connectionsMax: number;
  /** Loops that do not have it, and why. */
  readonly lacking: Partial<Readonly<Record<LoopName, string>>>;
}

const LINE_BYTES_MAX = 65_536;
const lines = ['--mode', 'line', '--max-line', `${LINE_BYTES_MAX}`];
const narrow = ['--max-connections', '16', '--backlog', '4', '--idle-timeout', '1500ms'];

const ANY = { speech: 'bytes', words: [], lineBytesMax: null, lacking: {} } as const;
const LINED = { ...ANY, speech: 'lines', lineBytesMax: LINE_BYTES_MAX } as const;

/** A server without a flag: nothing is closed unless a peer ends. */
export const PLAIN: Conditions = { ...ANY, name: 'no flags', connectionsMax: 20_000 };

export const LINES: Conditions = {
  ...LINED,
  name: '--mode line --max-line 64k',
  words: lines,
  connectionsMax: 20_000,
};

export const NARROW: Conditions = {
  ...ANY,
  name: narrow.join(' '),
  words: narrow,
  connectionsMax: 16,
};

export const FEW_FILES: readonly Conditions[] = [64, 256].map((files) => ({
  ...ANY,
  name: `RLIMIT_NOFILE ${files}`,
  files,
  connectionsMax: files,
}));

export const SMALL_HEAP: Conditions = {
  ...LINED,
  name: '--mode line --max-line 64k, --max-old-space-size=48',
  words: lines,
  heapMb: 48,
  connectionsMax: 20_000,
};

const noHeader = 'reads no PROXY header, and says so at its start';

export const PROXIED: Conditions = {
  ...ANY,
  name: '--proxy-protocol 127.0.0.1',
  speech: 'proxied',
  words: ['--proxy-protocol', '127.0.0.1'],
  connectionsMax: 20_000,
  lacking: { threads: noHeader, blocking: noHeader },
};

export const DATAGRAMS: Conditions = {
  ...ANY,
  name: '--udp',
  speech: 'datagrams',
  words: ['--udp'],
  connectionsMax: 0,
  lacking: { threads: 'a datagram needs no thread of its own: there is no such server' },
};

/** For the quick form: what can be one server is one. */
export const QUICK: Conditions = {
  ...LINED,
  name: 'the server of the quick form',
  words: [...lines, '--backlog', '64', '--idle-timeout', '1500ms'],
  files: 256,
  heapMb: 48,
  connectionsMax: 256,
};

/** Threads of `--loop threads`, each of which serves one client at a time. */
export const THREADS = 8;

/**
 * A blocking server serves one client at a time, so that only deadlines free it of one that is
 * silent or takes nothing.
 */
export const DEADLINE_MS = 300;
