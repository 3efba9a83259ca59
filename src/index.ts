/**
 * Event loops with listeners, connections, timers and watches, by handlers or for `await`; framing;
 * and everything of `sockloop/socket`. Begin with {@link EventLoop}.
 *
 * @module sockloop
 */

export * from './net/index.ts';
export * from './socket/index.ts';
export { nativeSys, TracingSys } from './sys/index.ts';
