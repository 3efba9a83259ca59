import { readFileSync } from 'node:fs';

// Files of /proc and /sys. Where they do not exist, the result is null.

/** The text of such a file; null where it does not exist or may not be read. */
export function readProcFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}

/** The whole numbers in such a file; null where it has none or holds anything else. */
export function readProcNumbers(path: string): number[] | null {
  const words = readProcFile(path)?.split(/\s+/) ?? [];
  const numbers = words.map(Number);
  return numbers.length > 0 && numbers.every(Number.isSafeInteger) ? numbers : null;
}

/** The number in such a file. */
export function readProcNumber(path: string): number | null {
  return readProcNumbers(path)?.[0] ?? null;
}
