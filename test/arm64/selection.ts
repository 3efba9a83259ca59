/** The tests that run on arm64 under qemu-user. A new file in one of the rooms runs by itself. */

import { readdirSync } from 'node:fs';
import { root } from '#test/harness/programs.js';

/** A test file, from test/, and what of it does not run. */
export interface Selected {
  readonly file: string;
  /**
   * Beginnings of the names of tests that are left out, and of the suite that holds them: Node.js
   * runs all of a suite whose own name is not left out.
   */
  readonly without?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * What every `make test` runs: the calls, and the conformance suite on epoll, whose structure is
 * the one that differs from that of x64. Emulated code takes some ten times as long; these take
 * half a minute of CPU time, and nothing in them starts another program.
 */
export const everyTime: readonly Selected[] = [
  { file: 'sys/native.test.ts' },
  // The machine code of arm64 itself.
  {
    file: 'sys/batch/call-list.test.ts',
    without: [
      'calls together: a storm',
      'calls together: in two',
      'calls together: each wait',
      'calls one by one',
    ],
  },
  {
    file: 'conformance/conformance.test.ts',
    env: { CONFORMANCE_LOOP: 'epoll' },
    without: [
      'conformance: ',
      // Thousands of rounds: these take as long as all others together.
      'epoll: 2,000 short connections',
      'epoll: 600 connections',
      'epoll: 200 short connections',
      'epoll: 60 connections',
      'epoll: a slow reader: 64 MiB',
      'epoll: the queue has a bound',
      'epoll: more ready at once',
      'epoll: a wake from another thread',
      // They compare times of a few milliseconds, beside other tests and in slow motion.
      'epoll: timers run in the order',
      'epoll: a timer runs in time',
      // qemu-user 7.2 lacks SO_RXQ_OVFL and SO_TIMESTAMPNS.
      'epoll: what the kernel drops',
      'epoll: descriptors that a peer passes',
      // Hundreds of connections and datagrams, to count what a turn makes of them.
      'epoll: a turn accepts',
      'epoll: a turn receives',
      'epoll: a turn runs',
      'epoll: a listener that its connections pause',
      'epoll: a listener that is closed while',
      'epoll: retire() of a paused',
      // What lies above the calls is the same on every machine.
      'epoll: async: ',
      'epoll: guards: ',
      'epoll: proxy: ',
      'epoll: an error of',
      'epoll: an error that nobody',
      'epoll: onHandlerError',
      'epoll: rejections of',
      'epoll: close(',
      'epoll: bytesSent',
      'epoll: a promise',
      'epoll: pause()',
      'epoll: reset()',
      'epoll: resume()',
      'epoll: shutdown',
      'epoll: a borrowed',
      'epoll: a chunk',
      'epoll: an error thrown',
      'epoll: options that',
      'epoll: a connect that',
      'epoll: write() of',
      'epoll: a refused send',
      'epoll: drain',
      'epoll: a listener that',
      'epoll: abort',
      // Short, and long when emulated.
      'epoll: a signal that',
      'epoll: a descriptor that is reused',
      'epoll: more clients at once',
      'epoll: pieces of',
      'epoll: records wait',
    ],
  },
];

/** What `make test-arm64` runs: everything below these but for {@link leftOut}. */
const ROOMS = ['base', 'framing', 'sys', 'socket', 'poller', 'ring', 'loop', 'net', 'conformance'];

/** A file or a folder, or the tests of a file, that cannot run there. */
interface LeftOut {
  readonly path: string;
  readonly reason: string;
  /** As in {@link Selected}; the whole file without it. */
  readonly without?: readonly string[];
}

/** A command begins after 5 s of CPU time: on a busy machine, later than the tests wait for. */
const COMMANDS = 'they start commands, which take too long to load their modules';

export const leftOut: readonly LeftOut[] = [
  { path: 'loop/ring/', reason: 'qemu-user answers io_uring_setup(2) with ENOSYS' },
  { path: 'ring/receive-limit.test.ts', reason: 'the same: nothing of it would run' },
  { path: 'sys/abi/probe.test.ts', reason: 'on x64 it runs the probe of arm64 as well' },
  { path: 'sys/trace/strace.test.ts', reason: 'strace sees the calls of qemu-user itself' },
  { path: 'loop/runtime/process.test.ts', reason: COMMANDS },
  {
    path: 'loop/runtime/other-runtime.test.ts',
    reason: COMMANDS,
    without: ['other runtime: unreferenced'],
  },
  {
    path: 'loop/runtime/pending.test.ts',
    reason: 'a thread takes longer to start than a wait of the loop',
    without: ['pending: a worker'],
  },
  {
    path: 'socket/options/kernel.test.ts',
    reason: 'qemu-user 7.2 passes options it does not know as numbers of 32 bits',
    without: ['socket: options', 'TCP_INFO counts the bytes', 'strings, domains, cookies'],
  },
  {
    path: 'conformance/conformance.test.ts',
    reason: 'qemu-user 7.2 lacks SO_RXQ_OVFL and SO_TIMESTAMPNS',
    without: ['what the kernel drops at a handler', 'descriptors that a peer passes'],
  },
  {
    path: 'socket/multicast.test.ts',
    reason: 'qemu-user 7.2 does not know most options of multicast',
  },
  {
    path: 'socket/messages.test.ts',
    reason: 'qemu-user 7.2 lacks SO_TIMESTAMPNS and SO_RXQ_OVFL, and cuts messages off its own way',
    without: [
      'socket: what comes with a datagram',
      'the time of its arrival',
      'what the kernel drops',
      'control messages that do not fit',
    ],
  },
  {
    path: 'socket/datagrams.test.ts',
    reason: 'qemu-user 7.2 answers unknown options before it looks at the descriptor',
    without: [
      'socket: datagrams that cannot be',
      'a closed socket',
      'socket: who gets datagrams',
      'SO_BINDTODEVICE',
    ],
  },
  {
    path: 'sys/batch/call-list.test.ts',
    reason: COMMANDS,
    without: ['calls together: a storm', 'calls one by one: a storm'],
  },
  {
    path: 'sys/batch/executable-page.test.ts',
    reason: COMMANDS,
    without: ['executable page: one of a process'],
  },
  {
    path: 'socket/file.test.ts',
    reason: COMMANDS,
    without: ['serve --loop', 'of servers that start at once'],
  },
  {
    path: 'socket/self-connection.test.ts',
    reason: COMMANDS,
    without: ['self-connection: load and send'],
  },
  { path: 'net/datagram/flood.test.ts', reason: 'qemu-user 7.2 lacks SO_RXQ_OVFL' },
  {
    path: 'net/datagram/hostile.test.ts',
    reason: 'qemu-user 7.2 does not know all options, and cuts messages off its own way',
  },
  {
    path: 'net/zones.test.ts',
    reason: COMMANDS,
    without: ['zones: fe80::1%lo listens', 'zones: load names'],
  },
];

function testFilesOf(room: string): string[] {
  return readdirSync(`${root}test/${room}`, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `${room}/${name}`)
    .sort();
}

/** Every file that can run there. */
export function everything(): Selected[] {
  const whole = leftOut.filter(({ without }) => without === undefined);
  return ROOMS.flatMap(testFilesOf)
    .filter((file) => !whole.some(({ path }) => file.startsWith(path)))
    .map((file) => ({ ...leftOut.find(({ path }) => path === file), file }));
}
