import {
  createServer,
  type Endpoint,
  EventLoop,
  type LoopName,
  type MissingLoop,
  type Socket,
  type SocketAddress,
  type SysError,
} from 'sockloop';
import type { Sys } from 'sockloop/sys';
import { socketFileOf } from '#src/socket/create.js';
import { EventServer } from './event-server.ts';
import { IterativeServer, type ServerObserver, type ServerTotals } from './iterative-server.ts';
import type { EchoMode } from './session.ts';
import { ThreadedServer } from './threads/server.ts';

/** What a server is asked for, whatever its loop. */
export interface ServerPlan {
  readonly endpoint: Endpoint;
  readonly mode: EchoMode;
  readonly backlog: number | undefined;
  readonly idleTimeoutMs: number | null;
  readonly lineBytesMax: number;
  /** Threads that serve at the most. */
  readonly threads: number;
  /** Clients at a time; null for as many as the loop can hold. */
  readonly maxConnections: number | null;
}

/** What a server is made with beside its plan. */
interface ServerSurroundings {
  readonly sys: Sys;
  readonly observer: ServerObserver;
  /** Whether the observer wants to hear of every connection, or only of those that failed. */
  readonly watched: boolean;
  /** Where the system calls of other threads are printed, if they are. */
  readonly trace: ((line: string) => void) | undefined;
}

/** A server that listens. Disposing of it closes the listener. */
export interface OpenServer extends Disposable {
  /** The loop that it runs on: what `auto` came to. */
  readonly loop: string;
  /** The better loops that `auto` could not have. */
  readonly missing: readonly MissingLoop[];
  readonly address: SocketAddress;
  /** Serves until {@link stop}. */
  run(): Promise<ServerTotals>;
  stop(): void;
  /** Removes the file of a UNIX socket, if it is its own. Returns the error. Before disposing. */
  removeFile(): SysError | null;
}

type OpensServer = (plan: ServerPlan, surroundings: ServerSurroundings) => OpenServer;

/** How each `--loop` opens its server. Throws a SysError or ResolveError where it cannot listen. */
const servers = {
  auto: onLoop('auto'),
  io_uring: onLoop('io_uring'),
  epoll: onLoop('epoll'),
  kqueue: onLoop('kqueue'),
  poll: onLoop('poll'),
  select: onLoop('select'),
  threads: onListener('threads', (listener, plan, surroundings) => {
    // A thread serves one client: fewer threads are fewer clients at a time.
    const threads = Math.min(plan.threads, plan.maxConnections ?? plan.threads);
    return new ThreadedServer(listener, { ...plan, ...surroundings, threads });
  }),
  blocking: onListener('blocking', (listener, plan, { sys, observer }) => {
    return new IterativeServer(listener, { ...plan, sys, observer });
  }),
} as const satisfies Readonly<Record<string, OpensServer>>;

/** The name of a loop that has a server. */
export type ServerLoop = keyof typeof servers;

/** All names of loops, in the order of the usage text. */
export const SERVER_LOOPS = Object.keys(servers) as readonly ServerLoop[];

/** Opens the server of a loop. Throws a SysError or ResolveError where it cannot listen. */
export function openServer(
  loop: ServerLoop,
  plan: ServerPlan,
  surroundings: ServerSurroundings,
): OpenServer {
  return servers[loop](plan, surroundings);
}

/** A server on an event loop. */
function onLoop(name: LoopName): OpensServer {
  return (plan, { sys, observer, watched }) => {
    const loop = new EventLoop({ backend: name, sys });
    try {
      const { maxConnections, ...rest } = plan;
      const limit = maxConnections === null ? {} : { maxConnections };
      const server = new EventServer(loop, { ...rest, ...limit, observer, watched });
      return {
        loop: loop.backendName,
        missing: loop.missing,
        address: server.listener.address,
        run: () => server.run(),
        stop: () => server.stop(),
        removeFile: () => server.listener.removeFile(),
        [Symbol.dispose]: () => loop.close(),
      };
    } catch (error) {
      loop.close();
      throw error;
    }
  };
}

/** A server on a listener of the socket layer. */
function onListener(
  loop: string,
  serve: (
    listener: Socket,
    plan: ServerPlan,
    surroundings: ServerSurroundings,
  ) => Pick<OpenServer, 'run' | 'stop'>,
): OpensServer {
  return (plan, surroundings) => {
    const { sys } = surroundings;
    const { backlog } = plan;
    const listener = createServer(plan.endpoint, {
      sys,
      ...(backlog === undefined ? {} : { backlog }),
    });
    const server = serve(listener, plan, surroundings);
    return {
      loop,
      missing: [],
      address: listener.getSockName(),
      run: () => server.run(),
      stop: () => server.stop(),
      removeFile: () => socketFileOf(listener)?.remove() ?? null,
      [Symbol.dispose]: () => listener.close(),
    };
  };
}
