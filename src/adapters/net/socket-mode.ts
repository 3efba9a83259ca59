import { chmodSync, statSync } from 'node:fs';
import type { ListenOptions } from './options.ts';

const READABLE_BY_ALL = 0o444;
const WRITABLE_BY_ALL = 0o222;

/** Opens the file of a UNIX socket to all users, as far as `options` say. */
export function allowAll(path: string, { readableAll, writableAll }: ListenOptions): void {
  const readable = readableAll === true ? READABLE_BY_ALL : 0;
  const writable = writableAll === true ? WRITABLE_BY_ALL : 0;
  if ((readable | writable) === 0) return;
  chmodSync(path, (statSync(path).mode & 0o777) | readable | writable);
}
