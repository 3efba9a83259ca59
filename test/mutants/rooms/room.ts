/** A test file, and what its process gets besides. */
export interface Suite {
  readonly file: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Files that the same tests are about. */
export interface Room {
  readonly name: string;
  /** Compiled files, or folders of them. */
  readonly paths: readonly string[];
  /** Cheap ones first: the first that fails ends the run of a mutant. */
  readonly suites: readonly Suite[];
}

/** The conformance cases on one loop: all, or those of the laws that begin with `law`. */
export function conformance(loop: string, law = ''): Suite {
  const environment = { CONFORMANCE_LOOP: loop, CONFORMANCE_LAW: law };
  return { file: 'conformance/conformance.test.js', environment };
}

/** Test files that get nothing besides. */
export function suites(...files: string[]): Suite[] {
  return files.map((file) => ({ file }));
}
