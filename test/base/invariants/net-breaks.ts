import { Peer } from '#sim/peers.js';
import { SimSys } from '#sim/sim-sys.js';
import type { Acceptance, AcceptSink, Stream, StreamSink } from '#src/loop/backend.js';
import { SendQueue } from '#src/loop/datagram/send-queue.js';
import { ReadinessBackend } from '#src/loop/readiness/backend.js';
import type { Timer } from '#src/loop/timers.js';
import { EventLoop, loopOf } from '#src/net/event-loop.js';
import type { ConnectionSettings } from '#src/net/stream/connection.js';
import type { Listener } from '#src/net/stream/listener.js';
import { PollPoller } from '#src/poller/poll.js';
import { Interest } from '#src/poller/poller.js';

// States of pollers, loops, connections and queues, each broken in a way that is looked for.

const nothing = (): void => undefined;

/** A backend whose streams and listeners lie as they are told to. */
class LyingBackend extends ReadinessBackend {
  readonly poller: PollPoller;
  /** What is said to be queued, besides what is. */
  readonly queued: () => number;

  constructor(sys: SimSys, queued: () => number = () => 0) {
    const poller = new PollPoller(sys);
    super(sys, poller);
    this.poller = poller;
    this.queued = queued;
  }

  override accept(fd: number, sink: AcceptSink): Acceptance {
    return Object.assign(super.accept(fd, sink), { pause: nothing });
  }

  override open(fd: number, sink: StreamSink, tcp = false, inherited = false): Stream {
    const stream = super.open(fd, sink, tcp, inherited);
    const get = (): number => this.queued();
    return Object.defineProperty(stream, 'queuedBytesAtMost', { get });
  }
}

/** A world with a loop and two connected sockets, of which the loop adopts one. */
class World {
  readonly sys = new SimSys({ seed: 1 });
  readonly backend: LyingBackend;
  readonly loop: EventLoop;
  readonly fds: readonly number[];

  constructor(queued?: () => number) {
    const { sys } = this;
    this.backend = new LyingBackend(sys, queued);
    this.loop = new EventLoop({ sys, backend: this.backend });
    const { AF_UNIX, SOCK_STREAM } = sys.abi.constants;
    const pair = new Int32Array(2);
    sys.socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    this.fds = [...pair];
  }

  adopt(settings: Partial<ConnectionSettings> = {}) {
    return this.loop.adopt(this.fds[0] ?? -1, { handlers: {}, ...settings });
  }

  listen(maxConnections: number): Listener {
    return this.loop.listen({ host: '127.0.0.1', port: 7001, maxConnections, handlers: {} });
  }

  /** So many clients connect. */
  join(clients: number): void {
    for (let client = 1; client <= clients; client += 1) {
      const peer = new Peer(this.sys, `client ${client}`, nothing);
      peer.connect({ family: 'IPv4', address: '127.0.0.1', port: 7001 });
    }
    for (let turn = 0; turn < 5; turn += 1) this.loop.turn(10);
  }

  /** Timers are set by `set` from now on. */
  timersBy(set: (real: (ms: number, due: () => void) => Timer) => typeof this.loop.setTimer): void {
    const loop = loopOf(this.loop);
    Object.assign(loop, { setTimer: set(loop.setTimer.bind(loop)) });
  }
}

function filledQueue(): SendQueue {
  const queue = new SendQueue(new SimSys({ seed: 1 }), 1000, false);
  for (const length of [10, 20]) queue.push(new Uint8Array(length), 0, length, null, null, 0);
  return queue;
}

export const netBreaks: Readonly<Record<string, () => void>> = {
  'a descriptor is registered that no handle has': () => {
    const { backend, fds, loop } = new World();
    backend.poller.register(fds[0] ?? -1, Interest.read, 5);
    loop.turn(0);
  },
  'a poller forgets a descriptor': () => {
    const world = new World();
    world.adopt();
    world.loop.turn(0);
    world.backend.poller.deregister(world.fds[0] ?? -1);
    world.loop.turn(0);
  },
  'a poller watches for something else': () => {
    const { backend, fds, loop } = new World();
    const watch = loop.watch(fds[0] ?? -1, Interest.read, nothing);
    loop.turn(0);
    backend.poller.modify(watch.fd, Interest.none, 0);
    loop.turn(0);
  },
  'two descriptors are registered for one handle': () => {
    const { backend, fds, loop } = new World();
    loop.watch(fds[0] ?? -1, Interest.read, nothing);
    loop.turn(0);
    backend.poller.register(fds[1] ?? -1, Interest.read, 0);
    loop.turn(0);
  },
  'a timer is due and left': () => {
    const { loop, sys } = new World();
    loop.setTimer(1, () => {
      sys.monotonicMs = () => 0;
      loop.setTimer(1, nothing);
    });
    for (let turn = 0; turn < 2; turn += 1) loop.turn(5);
  },
  'a timer that is over is set': () => {
    const { loop } = new World();
    Object.assign(loop.setTimer(50, nothing), { over: true });
    loop.turn(0);
  },
  'a write goes beyond its limit': () => {
    let looks = 0;
    const world = new World(() => (looks++ === 0 ? 0 : 11));
    world.adopt({ queueBytesMax: 10 }).write(new Uint8Array(5));
  },
  'a connection has more to send than was written': () => {
    const world = new World(() => 1);
    world.adopt();
    world.loop.turn(0);
  },
  'a connection loses its deadline': () => {
    const world = new World();
    world.timersBy((real) => (delayMs, due) => {
      const timer = real(delayMs, due);
      timer.cancel();
      return timer;
    });
    world.adopt({ idleTimeoutMs: 50 });
    world.loop.turn(0);
  },
  'a connection has two deadlines': () => {
    const world = new World();
    world.timersBy((real) => (delayMs, due) => {
      real(delayMs, due);
      return real(delayMs + 1, due);
    });
    world.adopt({ idleTimeoutMs: 50 });
    world.loop.turn(100);
    world.loop.turn(100);
  },
  'a listener loses count of its connections': () => {
    const world = new World();
    world.listen(10).stats.closed += 1;
    world.join(1);
  },
  'a listener has more connections than it may': () => {
    const world = new World();
    world.listen(1);
    world.join(3);
  },
  'a queue of datagrams loses count of its bytes': () => {
    const queue = filledQueue();
    queue.bytes += 1;
    queue.shift();
  },
  'a queue of datagrams loses count of them': () => {
    const queue = filledQueue();
    queue.datagrams += 1;
    queue.shift();
  },
  'a queue of datagrams loses count of what is to be cut': () => {
    const queue = filledQueue();
    queue.runs += 1;
    queue.shift();
  },
  'a queue of datagrams is longer than its limit': () => {
    const queue = filledQueue();
    queue.messages.setBuffer(1, queue.messages.bufferOffset(1), 2000);
    queue.bytes += 1980;
    queue.shift();
  },
};
