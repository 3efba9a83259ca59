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
import type { GuardPlan } from './guard-plan.ts';
import { IterativeServer, type ServerObserver, type ServerTotals } from './iterative-server.ts';
import type { EchoMode } from './session.ts';
import { openLoopThreads } from './threads/loop-server.ts';
import { ThreadedServer } from './threads/server.ts';

/** Options of a server on any loop. */
export interface ServerPlan {
  readonly endpoint: Endpoint;
  readonly mode: EchoMode;
  readonly backlog: number | undefined;
  readonly idleTimeoutMs: number | null;
  readonly lineBytesMax: number;
  /** With `threads` the most threads, else how many: each has a loop. */
  readonly threads: number;
  /** The most clients at a time; null for as many as the loop holds. */
  readonly maxConnections: number | null;
  /** What it refuses and gives up, on an event loop; null or left out for nothing. */
  readonly guarding?: GuardPlan | null;
}

/** The environment of a server. */
export interface ServerEnvironment {
  readonly sys: Sys;
  readonly observer: ServerObserver;
  /** True if the observer wants every connection, else only those that failed. */
  readonly watched: boolean;
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
  /** Serves until {@link stop}. */
  run(): Promise<ServerTotals>;
  stop(): void;
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
    return new ThreadedServer(listener, { ...plan, ...environment, threads });
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
    const { sys, observer, watched } = environment;
    const loop = new EventLoop({ backend: name, sys });
    try {
      const { endpoint, backlog } = plan;
      const where = backlog === undefined ? endpoint : { ...endpoint, backlog };
      const server = new EventServer(loop, {
        ...plan,
        listen: (settings) => loop.listen({ ...where, ...settings }),
        observer,
        watched,
      });
      return {
        loop: loop.backendName,
        missing: loop.missing,
        threads: 1,
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
    environment: ServerEnvironment,
  ) => Pick<OpenServer, 'run' | 'stop'>,
): OpensServer {
  return (plan, environment) => {
    const { sys } = environment;
    const { backlog } = plan;
    const listener = createServer(plan.endpoint, {
      sys,
      ...(backlog === undefined ? {} : { backlog }),
    });
    const server = serve(listener, plan, environment);
    return {
      loop,
      missing: [],
      threads: 1,
      address: listener.getSockName(),
      run: () => server.run(),
      stop: () => server.stop(),
      removeFile: () => socketFileOf(listener)?.remove() ?? null,
      [Symbol.dispose]: () => listener.close(),
    };
  };
}
