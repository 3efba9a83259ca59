/**
 * Mutants that no test can find, each with the reason why the program does the same: they are not
 * drawn.
 */
export const EQUIVALENT: ReadonlyMap<string, string> = new Map([]);
