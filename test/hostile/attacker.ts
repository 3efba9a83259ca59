// The process of the attackers.

import { ATTACKS } from './attacks.ts';
import { Field, type Target } from './field.ts';
import { answerCalls } from './remote.ts';

interface Fight {
  readonly field: Field;
  readonly done: Promise<void>;
}

const fights = new Map<number, Fight>();

const calls = {
  /** Begins an attack; answers once it stands. */
  begin: async ({ id, attack, target }: { id: number; attack: string; target: Target }) => {
    const found = ATTACKS.find(({ name }) => name === attack);
    if (found === undefined) throw new Error(`there is no attack ${attack}`);
    await new Promise<void>((resolve, reject) => {
      const field = new Field(target, resolve);
      const done = found.run(field).catch((error: unknown) => {
        field.findings.push(String(error));
        reject(error);
      });
      fights.set(id, { field, done });
    });
  },

  /** Ends an attack. Answers what its peers have seen that must not be. */
  end: async ({ id }: { id: number }): Promise<readonly string[]> => {
    const fight = fights.get(id);
    if (fight === undefined) throw new Error(`there is no attack on ${id}`);
    fights.delete(id);
    fight.field.isOver = true;
    await fight.done;
    await fight.field.clear();
    return fight.field.findings;
  },
};

/** What the process of the attackers answers. */
export type AttackerCalls = typeof calls;

answerCalls(calls);
