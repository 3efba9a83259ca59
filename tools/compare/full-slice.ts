/** On a busy machine a client without a core for a whole slice sends nothing: that is repeated. */
const EMPTY_SLICES_MAX = 5;

/** What ended the slices of a loop at a load point. */
export class SliceFailure extends Error {
  override readonly name = 'SliceFailure';
}

/** Runs `slice` until something came back. It returns null where no `unit` did. */
export async function fullSlice<Result>(
  unit: 'message' | 'datagram',
  slice: () => Promise<Result | null>,
): Promise<Result> {
  for (let tries = 1; tries <= EMPTY_SLICES_MAX; tries += 1) {
    const result = await slice();
    if (result !== null) return result;
  }
  throw new SliceFailure(`no ${unit} came back`);
}
