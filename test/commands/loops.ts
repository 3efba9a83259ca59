/** The loops that a server can be asked for, and servers on them. */

import type { TestContext } from 'node:test';
import type { PollerName } from '#src/poller/poller.js';
import { pollers } from '#src/poller/pollers.js';
import { nativeSys } from '#src/sys/native.js';
import { type Listening, serve } from './programs.ts';

/** A way of waiting, and how it behaves. */
export interface LoopUnderTest {
  readonly name: 'blocking' | 'threads' | PollerName;
  /** Why it cannot be tested here, or false. */
  readonly skip: string | false;
  /** One client at a time: the others wait. */
  readonly oneByOne: boolean;
  /** One thread waits for all clients. */
  readonly shared: boolean;
}

/** All of them. */
export const loops: readonly LoopUnderTest[] = [
  { name: 'blocking', skip: false, oneByOne: true, shared: false },
  { name: 'threads', skip: false, oneByOne: false, shared: false },
  ...(['select', 'poll', 'epoll', 'kqueue'] as const).map((name) => {
    return { name, skip: reasonWithoutPoller(name), oneByOne: false, shared: true };
  }),
];

function reasonWithoutPoller(name: PollerName): string | false {
  const answer = pollers.find((poller) => poller.name === name)?.available(nativeSys());
  return answer === undefined || answer === true ? false : answer.reason;
}

/** `sockloop serve` on that loop, listening. */
export function serveOn(
  t: TestContext,
  { name }: LoopUnderTest,
  ...words: string[]
): Promise<Listening> {
  return serve(t, '--loop', name, ...words);
}
