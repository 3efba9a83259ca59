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
