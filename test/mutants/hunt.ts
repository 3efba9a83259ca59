import { root } from '#test/harness/programs.js';
import { printOut } from '#tools/terminal/output.js';
import type { Mutant } from './operators.ts';
import type { Room, Suite } from './rooms.ts';
import { runSuite } from './trial.ts';
import type { Workspace } from './workspace.ts';

/** A mutant may make a suite slower, and one that hangs is found as well. */
const SLOWER = 4;
const LATE_MS = 10_000;
const FIRST_MS_MAX = 300_000;

/** How often a suite is tried as it is: some are about times, and the machine may be busy. */
const FIRST_TRIES = 3;

/** A mutant of a compiled file, and the tests that are to notice it. */
export interface Prey {
  readonly room: Room;
  readonly path: string;
  readonly mutant: Mutant;
}

/** Finds the suites that notice mutants; several workers share what is known of the suites. */
export class Hunt {
  /** How long each suite may take, measured once it is needed. */
  readonly #bounds = new Map<string, Promise<number | null>>();
  /** How many mutants of a file a suite has found: such suites come first. */
  readonly #finds = new Map<string, number>();

  /** The words for who has found it; null if it survives. The workspace is as it was afterwards. */
  async foundBy(workspace: Workspace, { room, path, mutant }: Prey): Promise<string | null> {
    const source = workspace.read(path);
    workspace.put(path, source.slice(0, mutant.start) + mutant.text + source.slice(mutant.end));
    try {
      for (const suite of this.#inOrder(path, room.suites)) {
        const boundMs = await this.#boundOf(suite);
        if (boundMs === null) continue;
        const { passed, late, failed } = await runSuite(workspace.folder, suite, boundMs);
        if (passed) continue;
        const key = `${path} ${nameOf(suite)}`;
        this.#finds.set(key, (this.#finds.get(key) ?? 0) + 1);
        return late ? `${suite.file}, by its time` : `${suite.file}: ${failed}`;
      }
      return null;
    } finally {
      workspace.put(path, null);
    }
  }

  #inOrder(path: string, suites: readonly Suite[]): Suite[] {
    const finds = (suite: Suite): number => this.#finds.get(`${path} ${nameOf(suite)}`) ?? 0;
    return suites.toSorted((one, other) => finds(other) - finds(one));
  }

  /** How long a suite may take; null for one that fails as it is, which finds nothing then. */
  #boundOf(suite: Suite): Promise<number | null> {
    const name = nameOf(suite);
    const known = this.#bounds.get(name);
    if (known !== undefined) return known;
    const bound = boundOf(name, suite);
    this.#bounds.set(name, bound);
    return bound;
  }
}

async function boundOf(name: string, suite: Suite): Promise<number | null> {
  let words = '';
  for (let tries = 0; tries < FIRST_TRIES; tries += 1) {
    const { passed, failed, ms } = await runSuite(root, suite, FIRST_MS_MAX);
    if (passed) return ms * SLOWER + LATE_MS;
    words = `LEFT OUT: ${name} fails without a mutant: ${failed}`;
  }
  printOut(words);
  return null;
}

function nameOf({ file, environment = {} }: Suite): string {
  return [file, ...Object.values(environment)].join(' ');
}
