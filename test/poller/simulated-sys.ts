import { SimSys } from '#sim/sim-sys.js';
import type { Abi } from '#src/sys/abi/abi.js';
import type { Sys } from '#src/sys/sys.js';

/** A simulated kernel with some calls replaced. */
export function sysWith(abi: Abi, calls: Partial<Sys>): SimSys {
  return Object.assign(new SimSys({ seed: 1, abi }), calls);
}
