import type { LoadPlan } from '../plan.ts';
import { PLAN_ROWS } from './table.ts';

/** A plan, the number of machines it is for, and the name of its document. */
interface NamedPlan {
  readonly plan: LoadPlan;
  readonly machines: number;
  readonly name: string;
}

/** Throws an Error that says, in a sentence, in what two plans differ that must be equal. */
export function refuseOtherPlan(first: NamedPlan, other: NamedPlan): void {
  for (const [field, { merge }] of PLAN_ROWS) {
    const [was, is] = [first.plan[field], other.plan[field]];
    for (const { what, words, of = words } of merge.equal) {
      if (of(was, first.machines) === of(is, other.machines)) continue;
      const [wasWords, isWords] = [words(was, first.machines), words(is, other.machines)];
      const not = isWords === wasWords ? 'another one of the same name' : `not ${wasWords}`;
      throw new Error(
        `${other.name} was not asked for the same as ${first.name}: its ${what} ${isWords}, ${not}`,
      );
    }
  }
}

/** The plans of machines that were asked for the same as one; `first` is the first of `plans`. */
export function addPlans(first: LoadPlan, plans: readonly LoadPlan[]): LoadPlan {
  const fields = PLAN_ROWS.map(([field, { merge }]) => [
    field,
    merge.together(
      first[field],
      plans.map((plan) => plan[field]),
    ),
  ]);
  return Object.fromEntries(fields) as LoadPlan;
}
