import type { Abi } from '../sys/abi/abi.ts';

/** Out of descriptors or memory: accept(2) succeeds again later. */
export function isShortage({ errno: known }: Abi, errno: number): boolean {
  return (
    errno === known.EMFILE ||
    errno === known.ENFILE ||
    errno === known.ENOBUFS ||
    errno === known.ENOMEM
  );
}

/** A connection that broke while it waited: accept(2) hands its error over and goes on. */
export function isGoneInQueue({ errno: known }: Abi, errno: number): boolean {
  return GONE_IN_QUEUE.some((name) => known[name] === errno);
}

const GONE_IN_QUEUE = [
  'ECONNABORTED',
  'EPROTO',
  'ENETDOWN',
  'ENOPROTOOPT',
  'EHOSTDOWN',
  'ENONET',
  'EHOSTUNREACH',
  'EOPNOTSUPP',
  'ENETUNREACH',
  'EPERM',
  'ETIMEDOUT',
] as const;
