/**
 * select, poll, epoll and kqueue behind one contract, which tells what is ready and does nothing
 * else: begin with {@link createPoller}.
 *
 * @module sockloop/poller
 */

export type { Poller, PollerName, ReadySink, WakeHandle } from './poller.ts';
export { Interest } from './poller.ts';
export type { PollerEntry, PollerOptions } from './pollers.ts';
export { createPoller, pollers } from './pollers.ts';
export type { WakerKind } from './wakers.ts';
export { wake } from './wakers.ts';
