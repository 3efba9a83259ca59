import type { Sys } from '../../sys/sys.ts';
import type { Backend } from '../backend.ts';
import { NodeRuntime } from './node-runtime.ts';
import { inNode, OtherRuntime } from './other-runtime.ts';
import { ThreadDriver } from './thread-driver.ts';

// Each thread has its own copy of this module.
let beside: ThreadDriver | undefined;
let blind: ThreadDriver | undefined;

/** The driver of this thread's loops; of its own for those whose kernel is simulated. */
export function driverFor(sys: Sys, backend: Backend): ThreadDriver {
  const uv = backend.name === 'simulated' ? null : sys.uvLoop();
  if (uv === null) {
    blind ??= new ThreadDriver(new OtherRuntime(!inNode));
    return blind;
  }
  beside ??= new ThreadDriver(new NodeRuntime(sys, uv));
  return beside;
}
