import { availableParallelism } from 'node:os';

/** Programs started at the same time: more would only wait for each other. */
const AT_ONCE = Math.min(2, availableParallelism());

/** Does `work` for each item, few of them at a time. The outcomes are in the order of the items. */
export async function inTurns<Item, Result>(
  items: readonly Item[],
  work: (item: Item, at: number) => Promise<Result>,
): Promise<PromiseSettledResult<Result>[]> {
  const outcomes: PromiseSettledResult<Result>[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) {
      const [outcome] = await Promise.allSettled([work(items[at] as Item, at)]);
      outcomes[at] = outcome;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return outcomes;
}
