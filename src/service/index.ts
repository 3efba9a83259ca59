/**
 * A process as a service: sockets that it was started with ({@link listenFds}), what it tells its
 * supervisor ({@link notify}), and the process that takes its sockets over
 * ({@link startSuccessor}).
 *
 * @module sockloop/service
 */

export { type ActivatedSocket, type ListenFdsOptions, listenFds } from './listen-fds.ts';
export { type Notification, notify } from './notify.ts';
export {
  type PassedSocket,
  type Successor,
  type SuccessorOptions,
  startSuccessor,
} from './successor.ts';
export { startWatchdog, type Watchdog, type WatchdogOptions } from './watchdog.ts';
