/**
 * Threads that own an event loop each and share the connections of a service: begin with
 * {@link serveOnThreads}; {@link ServiceThread} is what the module of a service gets.
 *
 * @module sockloop/workers
 */

export type {
  Balance,
  InheritedSockets,
  ServiceEndpoint,
  ServiceSocketOptions,
} from './listening-sockets.ts';
export type { ServeOnThreadsOptions, ThreadEnd } from './options.ts';
export type { RestartLimit } from './restart-policy.ts';
export { serveOnThreads, type ThreadInfo, ThreadService } from './service.ts';
export type {
  AsyncThreadListenSettings,
  Counter,
  ServiceThread,
  ThreadListenSettings,
} from './service-thread.ts';
export type { ThreadEndReason, ThreadPhase } from './thread-slot.ts';
