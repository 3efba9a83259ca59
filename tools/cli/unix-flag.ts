import { encodeSockaddr, nativeSys } from 'sockloop/sys';
import { SOCKADDR_BYTES_MAX } from '#src/sys/sockaddr.js';
import { UsageError } from '../terminal/exit.ts';

/** The value of `--unix`: a path, or `@name` for an abstract name. */
export function unixPath(text: string): string {
  if (text === '' || text === '@') throw new UsageError('--unix takes a path or @name');
  const path = text.startsWith('@') ? `\0${text.slice(1)}` : text;
  try {
    const room = new Uint8Array(SOCKADDR_BYTES_MAX);
    encodeSockaddr(nativeSys().abi, { family: 'UNIX', path }, room);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`--unix: ${error.message}`);
  }
  return path;
}
