import type { Environment, LoopTarget } from './environment.ts';

/** One case of the conformance suite. */
export interface Case {
  readonly name: string;
  /** The laws of `src/loop/backend.ts` that it shows; none for a case above the backends. */
  readonly laws: readonly number[];
  /** Why it does not run on a target; null where it does. */
  skip?(target: LoopTarget): string | null;
  run(open: LoopTarget['create']): void | Promise<void>;
}

/** Why a heavy case leaves out a target whose code runs over simulated kernels too; else null. */
export function heavyCallByCall({ callByCall }: LoopTarget, instead: string): string | null {
  return callByCall ? `heavy, and the simulated kernels answer call by call; ${instead}` : null;
}

/** A case that needs nothing but an environment. */
export function inEnvironment(body: (environment: Environment) => void): Case['run'] {
  return (open) => {
    const environment = open();
    try {
      body(environment);
    } finally {
      environment.close();
    }
  };
}
