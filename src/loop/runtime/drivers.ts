import type { Sys } from '../../sys/sys.ts';
import type { Backend } from '../backend.ts';
import { NodeRuntime } from './node-runtime.ts';
import { OtherRuntime } from './other-runtime.ts';
import type { Runtime } from './runtime.ts';
import { ThreadDriver } from './thread-driver.ts';

// Each thread has its own copy of this module.
let beside: ThreadDriver | undefined;
let simulated: ThreadDriver | undefined;

/** The driver of this thread's loops; of its own for those whose kernel is simulated. */
export function driverFor(sys: Sys, backend: Backend): ThreadDriver {
  if (backend.name === 'simulated') {
    simulated ??= new ThreadDriver(new OtherRuntime(false));
    return simulated;
  }
  beside ??= new ThreadDriver(runtimeOf(sys));
  return beside;
}

function runtimeOf(sys: Sys): Runtime {
  const uv = sys.uvLoop();
  return uv === null ? new OtherRuntime(true) : new NodeRuntime(sys, uv);
}
