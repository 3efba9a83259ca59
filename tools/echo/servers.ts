import {
  createServer,
  type Endpoint,
  EventLoop,
  type LoopName,
  type MissingLoop,
  Socket,
  type SocketAddress,
  type SysError,
} from 'sockloop';
import type { Sys } from 'sockloop/sys';
import { JoinedSockets } from '#src/net/stream/joined-sockets.js';
import { socketFileOf } from '#src/socket/create.js';
import { inheritedAddress, prepareInherited } from '#src/socket/inherited.js';
import { EventServer } from './event-server.ts';
import type { ServerFigures } from './figures.ts';
import type { GuardPlan } from './guards/plan.ts';
import { IterativeServer, type ServerObserver, type ServerTotals } from './iterative-server.ts';
import { EventMisbehaviour } from './misbehaviour/event-misbehaviour.ts';
import type { MisbehaviourPlan } from './misbehaviour/plan.ts';
import type { EchoMode } from './session.ts';
import { openLoopThreads } from './threads/loop-server.ts';
import { ThreadedServer } from './threads/server.ts';

/** Options of a server on any loop. */
export interface ServerPlan {
  /** Where to listen; `fds` are sockets that listen already. */
  readonly endpoint: Endpoint | { readonly fds: readonly number[] };
  readonly mode: EchoMode;
  readonly backlog: number | undefined;
  readonly idleTimeoutMs: number | null;
  readonly lineBytesMax: number;
  /** With `threads` the most threads, else how many: each has a loop. */
  readonly threads: number;
  /** The most clients at a time; null for as many as the loop holds. */
  readonly maxConnections: number | null;
  /** What it refuses and gives up; null or left out for nothing. */
  readonly guarding?: GuardPlan | null;
  /** How it misbehaves; null or left out for a server that behaves. */
  readonly misbehaviour?: MisbehaviourPlan | null;
}

/** The environment of a server. */
export interface ServerEnvironment {
  readonly sys: Sys;
  readonly observer: ServerObserver;
  /** True if the observer wants every connection, else only those that failed. */
  readonly watched: boolean;
  /** True to measure how late callbacks of event loops are. */
  readonly measured: boolean;
  /** Prints the system calls of other threads; undefined without --trace. */
  readonly trace: ((line: string) => void) | undefined;
}

/** A server that listens. Disposing of it closes the listener. */
export interface OpenServer extends Disposable {
  /** The loop in use, which `auto` has chosen. */
  readonly loop: string;
  /** The better loops that `auto` could not create. */
  readonly missing: readonly MissingLoop[];
  readonly address: SocketAddress;
  /** The threads, each with a loop; 1 for a server that runs in this one. */
  readonly threads: number;
  /** How many connections each of several event loops has accepted so far. */
  balance?(): readonly number[];
  /** What each thread of an event server has done, as of now; null for one that does not answer. */
  figures?(): Promise<readonly (ServerFigures | null)[]>;
  /** Serves until {@link stop}. */
  run(): Promise<ServerTotals>;
  stop(): void;
  /** The listening sockets, for a successor. */
  readonly sockets: readonly number[];
  /** Another process accepts: serves the connections on until they end, or for `drainMs`. */
  handOver(drainMs: number): void;
  /** The loop whose timers show that it turns; undefined where that of Node shows it. */
  readonly timers: EventLoop | undefined;
  /** Removes the file of its UNIX socket. Returns the error. Call before disposing. */
  removeFile(): SysError | null;
}

type OpensServer = (
  plan: ServerPlan,
  environment: ServerEnvironment,
) => OpenServer | Promise<OpenServer>;

/** The server of each `--loop`. Throws a SysError or ResolveError if it cannot listen. */
const servers = {
  auto: onLoop('auto'),
  io_uring: onLoop('io_uring'),
  epoll: onLoop('epoll'),
  kqueue: onLoop('kqueue'),
  poll: onLoop('poll'),
  select: onLoop('select'),
  threads: onListener('threads', (listener, plan, environment) => {
    // Each thread serves one client at a time.
    const threads = Math.min(plan.threads, plan.maxConnections ?? plan.threads);
    const shared = 'fds' in plan.endpoint;
    return new ThreadedServer(listener, { ...plan, ...environment, threads, shared });
  }),
  blocking: onListener('blocking', (listener, plan, { sys, observer }) => {
    return new IterativeServer(listener, { ...plan, sys, observer });
  }),
} as const satisfies Readonly<Record<string, OpensServer>>;

/** The name of a loop that has a server. */
export type ServerLoop = keyof typeof servers;

/** All names of loops, in the order of the usage text. */
export const SERVER_LOOPS = Object.keys(servers) as readonly ServerLoop[];

/** Opens the server of a loop. Throws or rejects with a SysError or ResolveError if that fails. */
export function openServer(
  loop: ServerLoop,
  plan: ServerPlan,
  environment: ServerEnvironment,
): OpenServer | Promise<OpenServer> {
  return servers[loop](plan, environment);
}

/** A server on an event loop. */
function onLoop(name: LoopName): OpensServer {
  return (plan, environment) => {
    if (plan.threads > 1) return openLoopThreads(name, plan, environment);
    const { sys, observer, watched, measured } = environment;
    const loop = new EventLoop({ backend: name, sys });
    try {
      if (measured) loop.measureLag();
      const { misbehaviour = null, mode } = plan;
      const where = placeOf(plan, sys);
      const server = new EventServer(loop, {
        ...plan,
        // A source is no part of the public options.
        listen: (settings) => loop.listen({ ...where, ...settings } as never),
        observer,
        watched,
        misbehaviour:
          misbehaviour === null ? null : new EventMisbehaviour(loop, misbehaviour, mode),
      });
      return {
        loop: loop.backendName,
        missing: loop.missing,
        threads: 1,
        address: server.listener.address,
        figures: () => Promise.resolve([server.figures()]),
        run: () => server.run(),
        stop: () => server.stop(),
        sockets: 'fds' in plan.endpoint ? plan.endpoint.fds : [server.listener.fd],
        handOver: (drainMs) => server.handOver(drainMs),
        timers: loop,
        removeFile: () => server.listener.removeFile(),
        [Symbol.dispose]: () => loop.close(),
      };
    } catch (error) {
      loop.close();
      throw error;
    }
  };
}

/** Where an event loop listens. */
function placeOf({ endpoint, backlog }: ServerPlan, sys: Sys): object {
  if (!('fds' in endpoint)) return backlog === undefined ? endpoint : { ...endpoint, backlog };
  const [first = -1, ...more] = endpoint.fds;
  if (more.length === 0) return { fd: first };
  const address = inheritedAddress(sys, first, 'listen on');
  return { source: new JoinedSockets(endpoint.fds, address) };
}

/** A server on a listener of the socket layer. */
function onListener(
  loop: string,
  serve: (
    listener: Socket,
    plan: ServerPlan,
    environment: ServerEnvironment,
  ) => Pick<OpenServer, 'run' | 'stop' | 'handOver' | 'figures'>,
): OpensServer {
  return (plan, environment) => {
    const { sys } = environment;
    const listener = listenerOf(loop, plan, sys);
    const server = serve(listener, plan, environment);
    const figures = server.figures?.bind(server);
    return {
      loop,
      missing: [],
      threads: 1,
      address: listener.getSockName(),
      run: () => server.run(),
      stop: () => server.stop(),
      sockets: [listener.fileno()],
      handOver: (drainMs) => server.handOver(drainMs),
      ...(figures === undefined ? {} : { figures }),
      timers: undefined,
      removeFile: () => socketFileOf(listener)?.remove() ?? null,
      [Symbol.dispose]: () => listener.close(),
    };
  };
}

/** A listener with blocking calls. */
function listenerOf(loop: string, { endpoint, backlog }: ServerPlan, sys: Sys): Socket {
  if (!('fds' in endpoint)) {
    return createServer(endpoint, { sys, ...(backlog === undefined ? {} : { backlog }) });
  }
  const [fd = -1, ...more] = endpoint.fds;
  if (more.length > 0) {
    throw new Error(`--loop ${loop} accepts on one socket, and there are ${more.length + 1}`);
  }
  const { family } = inheritedAddress(sys, fd, 'listen on');
  prepareInherited(sys, fd, 'listen on', family !== 'UNIX');
  const listener = new Socket(family, { sys, fd });
  listener.setBlocking(true);
  return listener;
}
