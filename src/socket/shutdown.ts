import { shown } from '../base/arguments.ts';
import type { Sys } from '../sys/sys.ts';

/** What shutdown(2) ends. */
type Directions = 'read' | 'write' | 'both';

/** The `SHUT_*` of `how`. Throws a RangeError for anything else. */
export function shutdownNumber(sys: Sys, how: Directions): number {
  const { SHUT_RD, SHUT_WR, SHUT_RDWR } = sys.abi.constants;
  switch (how) {
    case 'read':
      return SHUT_RD;
    case 'write':
      return SHUT_WR;
    case 'both':
      return SHUT_RDWR;
    default:
      throw new RangeError(`how is read, write or both, not ${shown(how)}`);
  }
}
