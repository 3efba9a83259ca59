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

/** The conformance cases on one loop: all, or those of the laws that begin with `law`. */
function conformance(loop: string, law = ''): Suite {
  const environment = { CONFORMANCE_LOOP: loop, CONFORMANCE_LAW: law };
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
        'base/random.test.js',
        'poller/units.test.js',
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
      ...suites(
        'poller/units.test.js',
        'poller/parts.test.js',
        'poller/simulated.test.js',
        'poller/kernel.test.js',
      ),
      conformance('epoll'),
      conformance('sim kqueue macOS'),
    ],
  },
  {
    name: 'datagram',
    paths: [
      'dist/src/loop/datagram',
      'dist/src/net/datagram',
      'dist/src/loop/readiness/datagrams.js',
      'dist/src/loop/ring/datagrams.js',
      'dist/src/sys/message-vector.js',
      'dist/tools/echo/datagrams',
    ],
    suites: [
      ...suites(
        'sys/message-vector.test.js',
        'loop/datagram/send-queue.test.js',
        'net/datagram/address-table.test.js',
        'tools/echo/datagrams/reply-guard.test.js',
        'loop/datagram/base-sends.test.js',
        'loop/datagram/base-receives.test.js',
        'loop/datagram/base-cuts.test.js',
        'loop/datagram/receiver.test.js',
        'loop/datagram/calls.test.js',
        'loop/readiness/budgets.test.js',
        'net/datagram/datagrams.test.js',
      ),
      conformance('sim epoll', 'D'),
      conformance('epoll', 'D'),
      conformance('io_uring', 'D'),
      ...suites('sim/loop/datagrams.test.js', 'tools/cli/serve/datagrams.test.js'),
    ],
  },
  {
    name: 'readiness',
    paths: ['dist/src/loop/readiness'],
    suites: [
      ...suites(
        'loop/readiness/scripted/receives.test.js',
        'loop/readiness/scripted/sends.test.js',
        'loop/readiness/scripted/ends.test.js',
        'loop/readiness/scripted/listener.test.js',
        'loop/readiness/scripted/operations.test.js',
        'loop/readiness/budgets.test.js',
        'loop/readiness/queued-calls.test.js',
        'loop/readiness/foreign-calls.test.js',
      ),
      conformance('sim epoll'),
      ...suites('loop/eagain.test.js'),
      conformance('epoll'),
      ...suites('sim/loop/loop.test.js'),
    ],
  },
  {
    name: 'ring',
    paths: ['dist/src/ring', 'dist/src/loop/ring'],
    suites: [
      ...suites(
        'loop/ring/scripted/receives.test.js',
        'loop/ring/scripted/sends.test.js',
        'loop/ring/scripted/ends.test.js',
        'loop/ring/scripted/listener.test.js',
        'loop/ring/scripted/listener-ends.test.js',
        'loop/ring/scripted/operations.test.js',
        'loop/ring/scripted/backend.test.js',
        'loop/outgoing.test.js',
        'loop/ring/scripted/echoes.test.js',
        'ring/memory.test.js',
        'ring/set-up.test.js',
        'ring/probe.test.js',
        'ring/receive-limit.test.js',
        'loop/ring/buffers.test.js',
        'loop/ring/submitted.test.js',
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
      ...suites(
        'loop/report-list.test.js',
        'loop/turns.test.js',
        'loop/readiness/scripted/sends.test.js',
        'loop/readiness/scripted/ends.test.js',
        'loop/readiness/scripted/receives.test.js',
        'loop/readiness/scripted/operations.test.js',
        'loop/ring/scripted/sends.test.js',
        'loop/ring/scripted/ends.test.js',
        'loop/ring/scripted/receives.test.js',
        'loop/outgoing.test.js',
        'loop/readiness/budgets.test.js',
        'loop/ring/scripted/echoes.test.js',
      ),
      conformance('sim epoll'),
      conformance('io_uring'),
      conformance('epoll'),
      ...suites('loop/runtime/pending.test.js', 'loop/worker-ends.test.js'),
    ],
  },
  {
    name: 'net',
    paths: ['dist/src/net/stream', 'dist/src/net/guards'],
    suites: [
      ...suites('net/stream/idle.test.js'),
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
    name: 'load',
    paths: [
      'dist/tools/load/plan',
      'dist/tools/load/record',
      'dist/tools/load/result',
      'dist/tools/load/traffic',
      'dist/tools/load/datagrams/arrivals.js',
    ],
    suites: suites(
      'tools/load/record/recorder.test.js',
      'tools/load/record/collection.test.js',
      'tools/load/result/merge-figures.test.js',
      'tools/load/record/latency-counts.test.js',
      'tools/load/datagrams/arrivals.test.js',
      'tools/load/result/thresholds.test.js',
      'tools/load/result/verdict.test.js',
      'tools/load/result/verdict-edges.test.js',
      'tools/load/result/run-document.test.js',
      'tools/load/result/parse-document.test.js',
      'tools/load/result/merge.test.js',
      'tools/load/traffic/message-pool.test.js',
      'tools/load/traffic/pacer.test.js',
      'tools/load/traffic/schedule.test.js',
      'tools/load/plan.test.js',
      'sim/loop/load.test.js',
      'tools/cli/merge/merge.test.js',
      'tools/cli/load/flags.test.js',
    ),
  },
  {
    name: 'engine',
    paths: ['dist/tools/load/engine', 'dist/tools/load/datagrams'],
    suites: suites(
      'tools/load/datagrams/arrivals.test.js',
      'tools/load/datagrams/conditions.test.js',
      'tools/load/engine/parts.test.js',
      'tools/load/engine/connection-slot.test.js',
      'tools/load/result/verdict.test.js',
      'sim/loop/load.test.js',
      'tools/load/engine/local-end.test.js',
      'tools/load/engine/losses.test.js',
      'tools/load/engine/verify.test.js',
      'tools/load/engine/open-loop.test.js',
      'tools/cli/load/datagrams.test.js',
    ),
  },
  {
    name: 'measure',
    paths: ['dist/tools/measure'],
    suites: suites('tools/measure/measure.test.js', 'tools/compare/parts.test.js'),
  },
  {
    name: 'socket',
    paths: ['dist/src/socket'],
    suites: suites(
      'socket/options/groups.test.js',
      'socket/options/table.test.js',
      'socket/options/kernel.test.js',
      'socket/messages.test.js',
      'socket/waits.test.js',
      'socket/datagrams.test.js',
      'socket/create.test.js',
      'socket/platforms.test.js',
      'socket/faults.test.js',
      'socket/descriptor-passing.test.js',
      'socket/families.test.js',
      'socket/connection-types.test.js',
      'socket/signals.test.js',
      'socket/file.test.js',
    ),
  },
  {
    name: 'sys',
    paths: ['dist/src/sys'],
    suites: suites(
      'sys/arena.test.js',
      'sys/sockaddr.test.js',
      'sys/control-messages.test.js',
      'sys/native.test.js',
      'sys/native-calls.test.js',
      'sys/socket-setup.test.js',
      'sys/error.test.js',
      'sys/descriptors.test.js',
      'sys/poll-calls.test.js',
      'sys/io-uring.test.js',
      'sys/message-vector.test.js',
      'sys/control/kinds.test.js',
      'sys/trace/literals.test.js',
      'sys/trace/poll.test.js',
      'sys/trace/ring-operations.test.js',
      'sys/trace/ring.test.js',
      'sys/trace/tracing-sys.test.js',
      'sys/batch/call-list.test.js',
    ),
  },
];
