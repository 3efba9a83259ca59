import type { Abi } from './abi/abi.ts';

/**
 * Names that give way where another name has the same number. What remains is what strace and the
 * man pages of the socket calls print: EAGAIN, EDEADLK and EOPNOTSUPP. Node itself prints ENOTSUP
 * for the last. On macOS ENOTSUP has a number of its own and keeps its name.
 */
const yieldingNames: ReadonlySet<string> = new Set(['EWOULDBLOCK', 'EDEADLOCK', 'ENOTSUP']);

const errnoNames = new WeakMap<Abi, ReadonlyMap<number, string>>();
const gaiNames = new WeakMap<Abi, ReadonlyMap<number, string>>();

/**
 * The name of an errno, such as `EADDRINUSE`; `UNKNOWN_<n>` for a number that the platform does not
 * have. A negative errno, as the calls of `Sys` return it, is taken as well.
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
 * The name of an answer of getaddrinfo(3) or getnameinfo(3), such as `EAI_NONAME`; `UNKNOWN_<n>`
 * for a code that the platform does not have. The sign counts: Linux has negative codes, the BSDs
 * positive ones.
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
