import type { Sys } from '../sys/sys.ts';
import { RING_SIZES } from './limits.ts';
import { openRing, whyNoRing } from './open-ring.ts';

/** Results per Sys: the abilities of a kernel do not change while a program runs. */
const answers = new WeakMap<Sys, true | { readonly reason: string }>();

/**
 * Whether this kernel provides a usable ring: true, or the call that failed and what denies it.
 * Tries once: sets a ring up, checks its operations, registers buffers, enters it, and closes it.
 *
 * The next ring may still fail for lack of memory: only opening it tells.
 */
export function ringAvailable(sys: Sys): true | { readonly reason: string } {
  const known = answers.get(sys);
  if (known !== undefined) return known;
  const answer = tryRing(sys);
  // A lack of descriptors or memory may pass.
  if (answer === true) answers.set(sys, answer);
  return answer;
}

function tryRing(sys: Sys): true | { readonly reason: string } {
  if (sys.abi.ioUring === null) return { reason: 'only Linux has io_uring' };
  try {
    // The smallest size: the kernel is slow to release the memory, which the next ring needs.
    const { ring } = openRing(sys, RING_SIZES.slice(-1));
    try {
      ring.enter(0);
    } finally {
      ring.close();
    }
    return true;
  } catch (error) {
    const reason = whyNoRing(sys, error);
    if (reason === null) throw error;
    return { reason };
  }
}
