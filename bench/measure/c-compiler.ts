import { spawnSync } from 'node:child_process';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of this package, seen from build/bench/measure. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

export const COMPILER = process.env['CC'] ?? 'cc';
export const OPTIMIZE = '-O2';

/** Of what a tool says when it fails: compilers and npm say what matters first. */
const REASON_LINES_MAX = 4;

/** Compiles a program of bench/ into `folder`. Throws an Error with the compiler's words. */
export function compileC(folder: string, source: string, ...libraries: string[]): string {
  const program = join(folder, basename(source, '.c'));
  const words = [OPTIMIZE, '-o', program, join(ROOT, 'bench', source), ...libraries];
  const { status, stderr, error } = spawnSync(COMPILER, words, { encoding: 'utf8' });
  if (status === 0) return program;
  const why = error?.message ?? firstLines(stderr);
  const what = `cannot compile bench/${source} with "${COMPILER}": ${why}`;
  throw new Error(`${what}; a C compiler is needed (gcc or clang: CC names it)`);
}

/** The beginning of what a tool said. */
export function firstLines(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.slice(0, REASON_LINES_MAX).join('; ');
}
