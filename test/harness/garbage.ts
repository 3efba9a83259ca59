import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options?: { readonly type: 'minor' }) => void;

let collect: Collect | null = null;

function collector(): Collect {
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as Collect;
  }
  return collect;
}

/** Collects all garbage; no flag of the command line is needed. */
export function collectGarbage(): void {
  // What a finalizer lets go of is collected by the second.
  collector()();
  collector()();
}

/** Moves what is young: the bytes of small typed arrays among it. */
export function moveYoung(): void {
  collector()({ type: 'minor' });
}
