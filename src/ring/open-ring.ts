import type { IoUringAbi } from '../sys/abi/abi.ts';
import type { Sys } from '../sys/sys.ts';
import { SysError, sysError } from '../sys/sys-error.ts';
import { Buffers } from './buffers.ts';
import { RING_SIZES, type RingSize, SUBMIT_ATTEMPTS_MAX } from './limits.ts';
import { whoForbids } from './permission.ts';
import { REGION } from './region.ts';
import { Ring } from './ring.ts';

/** A ring with its receive buffers. The caller closes the ring. */
interface OpenRing {
  readonly ring: Ring;
  readonly buffers: Buffers;
}

/** Per kernel whose operations were checked: whether it limits receives. Neither changes. */
const asked = new WeakMap<Sys, boolean>();

/**
 * Opens a ring, with smaller queues if `RLIMIT_MEMLOCK` leaves no memory for the usual ones. A
 * failure leaves nothing open.
 *
 * @param sizes the sizes to try, in this order.
 * @throws SysError that names the call, or MissingOperation if the kernel lacks an operation.
 */
export function openRing(sys: Sys, sizes: readonly RingSize[] = RING_SIZES): OpenRing {
  for (const [index, size] of sizes.entries()) {
    try {
      return openOf(sys, size);
    } catch (error) {
      if (index === sizes.length - 1 || !isOutOfMemory(error)) throw error;
    }
  }
  throw new RangeError('there is no size of a ring');
}

function openOf(sys: Sys, size: RingSize): OpenRing {
  const ring = new Ring(sys, size);
  try {
    let limitsReceives = asked.get(sys);
    if (limitsReceives === undefined) {
      checkOperations(ring);
      limitsReceives = triesLimit(ring);
      asked.set(sys, limitsReceives);
    }
    ring.submission.limitsReceives = limitsReceives;
    return { ring, buffers: new Buffers(ring) };
  } catch (error) {
    ring.close();
    throw error;
  }
}

/** Whether a smaller ring may succeed. A failed mapping is short of address space instead. */
function isOutOfMemory(error: unknown): boolean {
  return error instanceof SysError && error.code === 'ENOMEM' && error.syscall !== 'mmap';
}

/** The error for a kernel or sandbox whose io_uring lacks a needed operation. */
class MissingOperation extends Error {}

/**
 * Explains an error of {@link openRing}: what failed, what forbids it, what to do. Null if the
 * error does not mean that rings are unavailable.
 */
export function whyNoRing(sys: Sys, error: unknown): string | null {
  if (error instanceof MissingOperation) return error.message;
  return error instanceof SysError ? error.message + whoForbids(sys, error) : null;
}

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
  // Room for 256 operations, in the memory of small sends, which is not in use yet.
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

/** Whether the kernel knows the limit of a multishot receive: an older one fails with EINVAL. */
function triesLimit(ring: Ring): boolean {
  const { sys, submission } = ring;
  submission.limitsReceives = true;
  submission.receive(-1, 0, 0, true);
  // The kernel may refuse to take it for now.
  for (let attempts = 0; attempts < SUBMIT_ATTEMPTS_MAX; attempts += 1) {
    ring.enter(0);
    const completions = ring.completions();
    completions.rewind();
    const { errno } = sys.abi;
    // One that knows it goes on to the descriptor, which is none: EBADF.
    const known = completions.next() ? completions.result === -errno.EBADF : null;
    completions.release();
    if (known !== null) return known;
  }
  throw sysError(sys, -sys.abi.errno.EAGAIN, 'io_uring_enter', 'ask what io_uring can do');
}
