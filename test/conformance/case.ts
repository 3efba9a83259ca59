import type { Subject, World } from './environment.ts';

/** One case of the conformance suite. */
export interface Case {
  readonly name: string;
  /** The laws of `src/loop/backend.ts` that it shows; none for what lies above them. */
  readonly laws: readonly number[];
  /** Why it does not run on a subject; null where it does. */
  skip?(subject: Subject): string | null;
  run(open: Subject['create']): void | Promise<void>;
}

/** A case that needs nothing but a world. */
export function inWorld(body: (world: World) => void): Case['run'] {
  return (open) => {
    const world = open();
    try {
      body(world);
    } finally {
      world.close();
    }
  };
}
