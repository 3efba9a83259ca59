import { Operation } from '#src/loop/ring/handle.js';
import type { Oracle } from './oracle.ts';
import type { MisreadSys } from './planted-bugs.ts';

/** As long as a fault lasts. */
const FAULT_MS = 50;
/** The turns in which a ring gets all of its buffers back. */
const RING_TURNS = 4;

/** A loop: all that have a ring are turned. */
export interface Turning {
  turn(waitMsMax: number): void;
}

/** Every buffer is back, and only the loop's own operations are in flight. */
export function judgeRings(sys: MisreadSys, loops: readonly Turning[], oracle: Oracle): void {
  if (sys.rings.length === 0) return;
  sys.kernel.heal();
  for (let turn = 0; turn < RING_TURNS; turn += 1) {
    sys.poll(new Uint8Array(sys.abi.structs.pollfd.size), 0, FAULT_MS);
    for (const loop of loops) loop.turn(0);
  }
  for (const { inFlight, groups } of sys.rings) {
    const others = inFlight.filter(({ entry }) => entry.dataHigh < Operation.wake);
    oracle.expect(others.length === 0, `${others.length} operations are left`);
    for (const { lent } of groups.values()) {
      oracle.expect(lent === 0, `${lent} buffers are left`);
    }
  }
}
