/** Bugs that were planted by hand in one file, one at a time. */
export interface PlantedFile {
  /** What such bugs are about. */
  readonly kind: string;
  /** The compiled file. */
  readonly path: string;
  /** What stands there once, whatever the blanks, and what takes its place. */
  readonly changes: readonly (readonly [from: string, to: string])[];
}
