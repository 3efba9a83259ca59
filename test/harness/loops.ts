/** The loops that a server can be asked for, and servers on them. */

import type { TestContext } from 'node:test';
import { type BackendEntry, backends } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import { type Listening, serve } from './programs.ts';

/** A way of waiting, and how it behaves. */
export interface LoopUnderTest {
  readonly name: 'blocking' | 'threads' | BackendEntry['name'];
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
  ...backends.map(({ name, available }) => {
    const answer = available(nativeSys());
    const skip = answer === true ? (false as const) : answer.reason;
    return { name, skip, oneByOne: false, shared: true };
  }),
];

/** `sockloop serve` on that loop, listening. */
export function serveOn(
  t: TestContext,
  { name }: LoopUnderTest,
  ...words: string[]
): Promise<Listening> {
  return serve(t, '--loop', name, ...words);
}
