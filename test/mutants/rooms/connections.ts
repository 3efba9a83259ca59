import { conformance, type Room, suites } from './room.ts';

/** What programs use: connections, frames, sockets of other makes, threads. */
export const connectionRooms: readonly Room[] = [
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
    name: 'net',
    paths: ['dist/src/net/stream', 'dist/src/net/guards'],
    suites: [
      ...suites(
        'net/stream/leftovers.test.js',
        'net/guards/backlog.test.js',
        'net/stream/idle.test.js',
      ),
      conformance('sim epoll'),
      conformance('epoll'),
      ...suites(
        'net/guards/addresses.test.js',
        'net/guards/listener.test.js',
        'net/stream/listener.test.js',
        'net/stream/flow.test.js',
        'net/stream/connection.test.js',
        'net/stream/connector.test.js',
        'net/guards/behind-proxies.test.js',
        'net/stream/hand-over.test.js',
        'net/stream/outliving.test.js',
        'net/stream/duplex.test.js',
        'net/async/listener.test.js',
        'net/observing.test.js',
        'net/handler-errors.test.js',
      ),
    ],
  },
  {
    name: 'async',
    paths: ['dist/src/net/async', 'dist/src/net/lag-probe.js', 'dist/src/net/event-loop.js'],
    suites: [
      ...suites(
        'net/async/bounds.test.js',
        'net/async/leftovers.test.js',
        'net/async/connection.test.js',
        'net/async/listener.test.js',
        'net/async/abort.test.js',
        'net/async/descriptors.test.js',
        'net/observing.test.js',
      ),
      conformance('sim epoll'),
      conformance('epoll'),
    ],
  },
  {
    name: 'tls',
    paths: ['dist/src/net/tls'],
    suites: suites(
      'net/tls/leftovers.test.js',
      'net/tls/tls-connection.test.js',
      'net/tls/start-tls.test.js',
      'net/tls/bad-input.test.js',
      'net/tls/without-wrap.test.js',
      'adapters/web/tls.test.js',
    ),
  },
  {
    name: 'adapters',
    paths: ['dist/src/adapters/net', 'dist/src/adapters/thread-loop.js'],
    suites: suites(
      'adapters/net/leftovers.test.js',
      'adapters/net/options.test.js',
      'adapters/net/connect.test.js',
      'adapters/net/server.test.js',
      'adapters/net/flow.test.js',
      'adapters/net/orders.test.js',
      'adapters/net/context.test.js',
      'adapters/net/process.test.js',
      'adapters/net/http.test.js',
      'adapters/net/serve-on.test.js',
      'adapters/net/node-examples.test.js',
    ),
  },
  {
    name: 'dgram',
    paths: ['dist/src/adapters/dgram'],
    suites: suites(
      'adapters/dgram/leftovers.test.js',
      'adapters/dgram/sends.test.js',
      'adapters/dgram/edges.test.js',
      'adapters/dgram/own.test.js',
      'adapters/dgram/bind.test.js',
      'adapters/dgram/send.test.js',
    ),
  },
  {
    name: 'web',
    paths: ['dist/src/adapters/web'],
    suites: suites(
      'adapters/web/leftovers.test.js',
      'adapters/web/streams.test.js',
      'adapters/web/socket.test.js',
      'adapters/web/listener.test.js',
      'adapters/web/tls.test.js',
      'adapters/web/random.test.js',
    ),
  },
  {
    name: 'service',
    paths: ['dist/src/service'],
    suites: suites(
      'service/listen-fds.test.js',
      'service/notify.test.js',
      'service/successor.test.js',
      'tools/cli/serve/restart.test.js',
    ),
  },
  {
    name: 'workers',
    paths: ['dist/src/workers'],
    suites: suites(
      'workers/parts.test.js',
      'workers/thread-slot.test.js',
      'workers/leftovers.test.js',
      'workers/service.test.js',
      'workers/hand-over.test.js',
      'tools/cli/serve/loop-threads.test.js',
    ),
  },
];
