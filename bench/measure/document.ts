import { readFileSync } from 'node:fs';
import type { PeerMemory } from './idle-run.ts';
import type { Surroundings } from './report.ts';
import type { CaseResult, Missing } from './results.ts';

/** All that a run of the benchmark found, as it is written to disk. */

/** Goes up when a field changes its name, its place or its meaning. */
export const SCHEMA = 1;

export interface ServerFacts {
  readonly name: string;
  /** For people. */
  readonly title: string;
  readonly version: string;
}

export interface BenchmarkDocument extends Surroundings {
  readonly schema: typeof SCHEMA;
  readonly command: string;
  readonly seconds: number;
  readonly plan: { readonly rounds: number; readonly sliceMs: number; readonly seed: number };
  /** How system calls were counted, or why they were not. */
  readonly callCounter: { readonly words: string } | { readonly reason: string };
  /** The reference is the first one. */
  readonly servers: readonly ServerFacts[];
  /** Servers that could not be had at all. */
  readonly missing: readonly (Missing & { readonly title: string })[];
  /** What the numbers of a slice are. */
  readonly sliceColumns: readonly string[];
  readonly cases: readonly CaseResult[];
  readonly memory: readonly PeerMemory[];
}

/** A document of an earlier run. Throws if the file holds none of this schema. */
export function readDocument(path: string): BenchmarkDocument {
  const document = JSON.parse(readFileSync(path, 'utf8')) as Partial<BenchmarkDocument>;
  if (document.schema === SCHEMA) return document as BenchmarkDocument;
  throw new Error(`${path} is of schema ${document.schema}, and this reads ${SCHEMA}`);
}

/** JSON with a line for each slice instead of one for each of its numbers. */
export function jsonOf(document: BenchmarkDocument): string {
  const text = JSON.stringify(document, null, 1);
  const flat = text.replaceAll(/\[\s+(-?[\d.][^[\]{}"]*?)\s+\]/g, (_, numbers: string) => {
    return `[${numbers.replaceAll(/\s+/g, '')}]`;
  });
  return `${flat}\n`;
}
