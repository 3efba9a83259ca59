/** The environment of the poller suite: a kernel, real or simulated, and its other threads. */

import type { TestContext } from 'node:test';
import type { PollerName, WakeHandle } from '#src/poller/poller.js';
import type { WakerKind } from '#src/poller/wakers.js';
import type { Sys } from '#src/sys/sys.js';

/** Wakes by another thread, each after the acknowledgement of the one before. */
export interface RepeatedWakes {
  /** The number of wakes so far. */
  done(): number;
  /** Lets the next one come. */
  acknowledge(): void;
}

/** A kernel, and what other threads do while one waits. */
export interface Environment {
  readonly sys: Sys;
  /** Wakes a poller `count` times in a row, after `delayMs`, from another thread. */
  wakeLater(delayMs: number, handle: WakeHandle, count: number): void;
  /** Wakes a poller `count` times from another thread, in lockstep with this one. */
  wakeRepeatedly(handle: WakeHandle, count: number): RepeatedWakes;
  /** Writes a byte to `fd` after `delayMs`. */
  writeLater(delayMs: number, fd: number): void;
  /** Sends this process a signal after `delayMs`; returns why it cannot. */
  interruptLater(delayMs: number): { readonly skip: string } | undefined;
  /** A plain file to open, or why there is none. */
  readonly plainFile: { readonly path: string } | { readonly skip: string };
  /** Ends it. Throws where something is left open or under way. */
  close(): void;
}

/** One poller with one waker in one kind of environment. */
export interface PollerTarget {
  /** `epoll, woken by pipe`. */
  readonly name: string;
  readonly poller: PollerName;
  readonly waker: WakerKind;
  /** Whether this machine has it, and if not, why. */
  readonly available: true | { readonly reason: string };
  /** True if only the cases of waking run: another target covers the poller. */
  readonly wakingOnly: boolean;
  /** Why a case whose name begins with this cannot hold. */
  readonly skips: ReadonlyMap<string, string>;
  /** An environment for one test. */
  open(t: TestContext): Environment;
}

/**
 * The cases that no poller can pass on this kernel. libkqueue 2.7 keeps the file of a closed
 * descriptor while a duplicate has it open, and no call removes it.
 */
export function skipsOf(poller: PollerName, sys: Sys): ReadonlyMap<string, string> {
  const isLibkqueue = poller === 'kqueue' && sys.abi.platform.startsWith('linux-');
  const reason = 'libkqueue cannot let go of a file that was closed and has a duplicate';
  return new Map(isLibkqueue ? [['a duplicate that', reason]] : []);
}
