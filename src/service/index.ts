export { type ActivatedSocket, type ListenFdsOptions, listenFds } from './listen-fds.ts';
export { type Notification, notify } from './notify.ts';
export {
  type PassedSocket,
  type Successor,
  type SuccessorOptions,
  startSuccessor,
} from './successor.ts';
export { startWatchdog, type Watchdog, type WatchdogOptions } from './watchdog.ts';
