import type { Abi } from '../../sys/abi/abi.ts';

/** The errors of datagrams, by what is done about them. */
export interface DatagramErrors {
  readonly EAGAIN: number;
  readonly EINTR: number;
  /** The kernel is short of memory for a moment: law D5. */
  readonly shortage: readonly number[];
  /** The descriptor is none of a socket. */
  readonly final: readonly number[];
  /** The end of a connection of SOCK_SEQPACKET. */
  readonly disconnected: readonly number[];
  /** The kernel, a device or a path does not cut messages. */
  readonly unsegmented: readonly number[];
  /** What a call may return for a datagram that was sent earlier: law D6. */
  readonly pending: readonly number[];
}

const known = new WeakMap<Abi, DatagramErrors>();

/** The errors by their numbers on a platform. */
export function errorsOf(abi: Abi): DatagramErrors {
  const before = known.get(abi);
  if (before !== undefined) return before;
  const numbers = (...names: string[]): number[] =>
    names.flatMap((name) => {
      const number = abi.errno[name];
      return number === undefined ? [] : [number];
    });
  const errors = {
    EAGAIN: abi.errno.EAGAIN,
    EINTR: abi.errno.EINTR,
    shortage: numbers('ENOBUFS', 'ENOMEM'),
    final: numbers('EBADF', 'ENOTSOCK'),
    disconnected: numbers('EPIPE', 'ECONNRESET', 'ENOTCONN'),
    unsegmented: numbers('EINVAL', 'EIO', 'EMSGSIZE'),
    pending: numbers('ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'EPROTO'),
  };
  known.set(abi, errors);
  return errors;
}

/** Whether `errno` is one of `errors`. */
export function isAmong(errors: readonly number[], errno: number): boolean {
  return errors.includes(errno);
}

/** Counts datagrams that have met an error, by its name. */
export function countError(counts: Record<string, number>, code: string, datagrams: number): void {
  counts[code] = (counts[code] ?? 0) + datagrams;
}

/** Whether `errno` ends the socket: as `sequenced`, also the end of its connection. */
export function isFinal(errors: DatagramErrors, errno: number, sequenced: boolean): boolean {
  return isAmong(errors.final, errno) || (sequenced && isAmong(errors.disconnected, errno));
}
