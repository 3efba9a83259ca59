import { Operation } from '#src/loop/ring/handle.js';
import type { EventLoop } from '#src/net/event-loop.js';
import type { Oracle } from './oracle.ts';
import type { MisreadSys } from './planted-bugs.ts';

/** As long as a fault lasts. */
const FAULT_MS = 50;
/** The turns in which a ring gets all of its buffers back. */
const RING_TURNS = 4;

/** Every buffer is back, and only the loop's own operations are in flight. */
export function judgeRings(sys: MisreadSys, loop: EventLoop, oracle: Oracle): void {
  if (sys.rings.length === 0) return;
  sys.kernel.heal();
  for (let turn = 0; turn < RING_TURNS; turn += 1) {
    sys.poll(new Uint8Array(sys.abi.structs.pollfd.size), 0, FAULT_MS);
    loop.turn(0);
  }
  for (const { inFlight, groups } of sys.rings) {
    const others = inFlight.filter(({ entry }) => entry.dataHigh < Operation.wake);
    oracle.expect(others.length === 0, `${others.length} operations are left`);
    for (const { lent } of groups.values()) {
      oracle.expect(lent === 0, `${lent} buffers are left`);
    }
  }
}
