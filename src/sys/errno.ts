import type { Abi } from './abi/abi.ts';

/**
 * Aliases: names that yield to another one with the same number, so that strace's names remain:
 * EAGAIN, EDEADLK, EOPNOTSUPP. On macOS ENOTSUP has a number of its own.
 */
const yieldingNames: ReadonlySet<string> = new Set(['EWOULDBLOCK', 'EDEADLOCK', 'ENOTSUP']);

const errnoNames = new WeakMap<Abi, ReadonlyMap<number, string>>();
const gaiNames = new WeakMap<Abi, ReadonlyMap<number, string>>();

/**
 * The name of an errno.
 *
 * @param abi the table of the platform.
 * @param errno the number, or its negative as the calls of `Sys` return it.
 * @returns the name (`EADDRINUSE`), `UNKNOWN_<n>` for a number that the platform does not have.
 */
export function errnoName(abi: Abi, errno: number): string {
  let names = errnoNames.get(abi);
  if (names === undefined) {
    names = reversed(Object.entries(abi.errno));
    errnoNames.set(abi, names);
  }
  const number = Math.abs(errno);
  return names.get(number) ?? `UNKNOWN_${number}`;
}

/**
 * The name of a result of getaddrinfo(3) or getnameinfo(3).
 *
 * @param abi the table of the platform.
 * @param code the result, negative on Linux, positive on the BSDs.
 * @returns the name (`EAI_NONAME`), `UNKNOWN_<n>` for a code that the platform does not have.
 */
export function gaiName(abi: Abi, code: number): string {
  let names = gaiNames.get(abi);
  if (names === undefined) {
    names = reversed(Object.entries(abi.constants).filter(([name]) => name.startsWith('EAI_')));
    gaiNames.set(abi, names);
  }
  return names.get(code) ?? `UNKNOWN_${code}`;
}

function reversed(entries: readonly (readonly [string, number])[]): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const [name, number] of entries) {
    if (!names.has(number) || !yieldingNames.has(name)) names.set(number, name);
  }
  return names;
}
