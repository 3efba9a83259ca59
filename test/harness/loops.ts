/** The loops of `sockloop serve`, and servers on them. */

import type { TestContext } from 'node:test';
import { type BackendEntry, backends } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import { type Listening, serve } from './programs.ts';

/** A loop and its properties. */
export interface LoopUnderTest {
  readonly name: 'blocking' | 'threads' | BackendEntry['name'];
  /** The reason to skip it here, or false. */
  readonly skip: string | false;
  /** True if it serves one client at a time. */
  readonly oneByOne: boolean;
  /** True if one thread waits for all clients. */
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

/** The loop that `auto` takes here. */
export const autoLoop = backends.find(({ available }) => available(nativeSys()) === true)?.name;

/** The reason to skip what needs the loop `name`, or false. */
export function reasonWithoutLoop(name: LoopUnderTest['name']): string | false {
  return loops.find((loop) => loop.name === name)?.skip ?? `no ${name} on this platform`;
}

const readiness = loops.find(({ name, skip, shared }) => {
  return shared && skip === false && name !== 'io_uring';
});

/** Those of one thread, one of each kind: for what does not depend on the call that waits. */
export const sharedKinds: readonly LoopUnderTest[] = loops.filter((loop) => {
  return loop === readiness || loop.name === 'io_uring';
});

/** One loop of each kind of server. */
export const kinds: readonly LoopUnderTest[] = loops.filter((loop) => {
  return !loop.shared || sharedKinds.includes(loop);
});

/** Starts `sockloop serve` on that loop. */
export function serveOn(
  t: TestContext,
  { name }: LoopUnderTest,
  ...words: string[]
): Promise<Listening> {
  return serve(t, '--loop', name, ...words);
}
