/** What is mutated, and which tests are to notice. */

/** A test file, and what its process gets besides. */
export interface Suite {
  readonly file: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Files that the same tests are about. */
export interface Room {
  readonly name: string;
  /** Compiled files, or folders of them. */
  readonly paths: readonly string[];
  /** Cheap ones first: the first that fails ends the run of a mutant. */
  readonly suites: readonly Suite[];
}

/** The conformance cases on one loop. */
function conformance(loop: string): Suite {
  const environment = { CONFORMANCE_LOOP: loop };
  return { file: 'conformance/conformance.test.js', environment };
}

const suites = (...files: string[]): Suite[] => files.map((file) => ({ file }));

export const rooms: readonly Room[] = [
  {
    name: 'base',
    paths: ['dist/src/base'],
    suites: [
      ...suites(
        'base/arrival-list.test.js',
        'base/deque.test.js',
        'base/histogram.test.js',
        'base/ip-address.test.js',
        'base/number-format.test.js',
        'base/owned-chunks.test.js',
        'base/quantities.test.js',
      ),
      conformance('sim epoll'),
    ],
  },
  {
    name: 'framing',
    paths: ['dist/src/framing'],
    suites: suites(
      'framing/framing.test.js',
      'framing/line-buffer.test.js',
      'framing/proxy-protocol.test.js',
    ),
  },
  {
    name: 'poller',
    paths: ['dist/src/poller'],
    suites: [
      ...suites('poller/units.test.js', 'poller/simulated.test.js', 'poller/kernel.test.js'),
      conformance('epoll'),
      conformance('sim kqueue macOS'),
    ],
  },
  {
    name: 'readiness',
    paths: ['dist/src/loop/readiness'],
    suites: [
      ...suites('loop/readiness/queued-calls.test.js', 'loop/readiness/foreign-calls.test.js'),
      conformance('sim epoll'),
      conformance('epoll'),
      conformance('poll call by call'),
      ...suites('sim/loop/loop.test.js'),
    ],
  },
  {
    name: 'ring',
    paths: ['dist/src/ring', 'dist/src/loop/ring'],
    suites: [
      ...suites(
        'ring/memory.test.js',
        'ring/probe.test.js',
        'ring/receive-limit.test.js',
        'loop/ring/buffers.test.js',
        'loop/ring/queues.test.js',
        'loop/ring/flow.test.js',
        'loop/ring/lifecycle.test.js',
      ),
      conformance('sim io_uring'),
      conformance('io_uring'),
      ...suites('sim/loop/loop.test.js'),
    ],
  },
  {
    name: 'loop',
    paths: ['dist/src/loop'],
    suites: [
      conformance('sim epoll'),
      conformance('epoll'),
      conformance('io_uring'),
      ...suites('loop/runtime/pending.test.js', 'loop/worker-ends.test.js'),
    ],
  },
  {
    name: 'net',
    paths: ['dist/src/net/stream', 'dist/src/net/guards'],
    suites: [
      conformance('sim epoll'),
      conformance('epoll'),
      ...suites(
        'net/guards/addresses.test.js',
        'net/guards/listener.test.js',
        'net/stream/listener.test.js',
        'net/stream/flow.test.js',
        'net/stream/connection.test.js',
        'net/stream/connector.test.js',
      ),
    ],
  },
  {
    name: 'sys',
    paths: ['dist/src/sys'],
    suites: suites(
      'sys/arena.test.js',
      'sys/sockaddr.test.js',
      'sys/control-messages.test.js',
      'sys/native.test.js',
      'sys/error.test.js',
      'sys/descriptors.test.js',
      'sys/poll-calls.test.js',
      'sys/io-uring.test.js',
    ),
  },
];
