import type { Environment, LoopTarget } from './environment.ts';

/** A law of `src/loop/datagram/contract.ts`. */
type DatagramLaw = 'D1' | 'D2' | 'D3' | 'D4' | 'D5' | 'D6' | 'D7';

/** One case of the conformance suite. */
export interface Case {
  readonly name: string;
  /** The laws that it shows: of `src/loop/backend.ts`, of datagrams; none above the backends. */
  readonly laws: readonly (number | DatagramLaw)[];
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
