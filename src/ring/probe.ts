import type { Sys } from '../sys/sys.ts';
import { RING_SIZES } from './limits.ts';
import { openRing, whyNoRing } from './open-ring.ts';

/** What was found out per Sys: what a kernel can do does not change while a program runs. */
const answers = new WeakMap<Sys, true | { readonly reason: string }>();

/**
 * Whether this kernel lets us have a ring with all that is needed of it: true, or the call that
 * failed, with what, and who forbids it. Tried once: a ring is set up, asked which operations it
 * knows, given buffers, entered, and closed.
 *
 * That there was memory for one ring says nothing about the next: whoever wants one opens it.
 */
export function ringAvailable(sys: Sys): true | { readonly reason: string } {
  const known = answers.get(sys);
  if (known !== undefined) return known;
  const answer = tryRing(sys);
  // Out of descriptors or memory is not for ever.
  if (answer === true) answers.set(sys, answer);
  return answer;
}

function tryRing(sys: Sys): true | { readonly reason: string } {
  if (sys.abi.ioUring === null) return { reason: 'only Linux has io_uring' };
  try {
    // The smallest: the kernel takes its time to give the memory back, which the next ring needs.
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
