/**
 * Whether the code checks itself: `SOCKLOOP_CHECKS=1`, as the suites and the simulations run. Read
 * once, so that a release pays a branch on a constant.
 */
export const checking = process.env['SOCKLOOP_CHECKS'] === '1';

/** Lists up to this length are checked as a whole, at each change. */
export const CHECKED_MAX = 128;

/** The state of the library is not what it must be: a bug of its own, never one of its caller. */
class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Throws an InvariantError unless `holds`. Called where {@link checking} only. */
export function invariant(holds: boolean, what: string): void {
  if (!holds) throw new InvariantError(`a bug in sockloop: ${what}`);
}
