import type { IoUringAbi } from '../sys/abi/abi.ts';
import type { Sys } from '../sys/sys.ts';
import { SysError, sysError } from '../sys/sys-error.ts';
import { Buffers } from './buffers.ts';
import { whoForbids } from './permission.ts';
import { REGION } from './region.ts';
import { Ring } from './ring.ts';

/** What was found out per Sys: the answer of a kernel does not change while a program runs. */
const answers = new WeakMap<Sys, true | { readonly reason: string }>();

/**
 * Whether this kernel lets us have a ring with all that is needed of it: true, or the call that
 * failed, with what, and who forbids it. Tried once: a ring is set up, asked which operations it
 * knows, given buffers, entered, and closed.
 */
export function ringAvailable(sys: Sys): true | { readonly reason: string } {
  const known = answers.get(sys);
  if (known !== undefined) return known;
  const answer = tryRing(sys);
  // Out of descriptors or memory is not for ever.
  if (answer === true) answers.set(sys, answer);
  return answer;
}

function tryRing(sys: Sys): true | { readonly reason: string } {
  if (sys.abi.ioUring === null) return { reason: 'only Linux has io_uring' };
  try {
    const ring = new Ring(sys);
    try {
      checkOperations(ring);
      new Buffers(ring);
      ring.enter(0);
    } finally {
      ring.close();
    }
    return true;
  } catch (error) {
    if (error instanceof MissingOperation) return { reason: error.message };
    if (!(error instanceof SysError)) throw error;
    return { reason: error.message + whoForbids(sys, error) };
  }
}

class MissingOperation extends Error {}

const NEEDED = [
  'IORING_OP_ACCEPT',
  'IORING_OP_RECV',
  'IORING_OP_SEND',
  'IORING_OP_CONNECT',
  'IORING_OP_POLL_ADD',
  'IORING_OP_ASYNC_CANCEL',
] as const satisfies readonly (keyof IoUringAbi['constants'])[];

/** IORING_REGISTER_PROBE: a sandbox may take single operations away. */
function checkOperations(ring: Ring): void {
  const { sys, abi, region } = ring;
  const { io_uring_probe: head, io_uring_probe_op: entry } = abi.structs;
  const { IORING_REGISTER_PROBE, IO_URING_OP_SUPPORTED } = abi.constants;
  // The largest answer: 256 operations. The memory of small sends is not in use yet.
  const length = head.size + OPERATIONS_MAX * entry.size;
  const bytes = region.bytes.fill(0, REGION.staging, REGION.staging + length);
  const at = region.address + REGION.staging;
  const result = sys.io_uring_register(ring.fd, IORING_REGISTER_PROBE, at, OPERATIONS_MAX);
  if (result < 0) throw sysError(sys, result, 'io_uring_register', 'ask what io_uring can do');
  const view = new DataView(bytes.buffer, REGION.staging, length);
  for (const name of NEEDED) {
    const flagsAt = head.size + abi.constants[name] * entry.size + entry.fields.flags.offset;
    if ((view.getUint16(flagsAt, true) & IO_URING_OP_SUPPORTED) !== 0) continue;
    throw new MissingOperation(`this kernel's io_uring has no ${name}`);
  }
}

const OPERATIONS_MAX = 256;
