// Goal: the calls of io_uring pass every argument to the kernel.
// Method: a ring driven by hand through its mapped memory, without src/ring.

import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { SimSys } from '#sim/sim-sys.js';
import type { IoUringAbi } from '#src/sys/abi/abi.js';
import { abiFor } from '#src/sys/abi/index.js';
import { Arena } from '#src/sys/arena.js';
import type { CLibrary } from '#src/sys/c-library.js';
import { errnoName } from '#src/sys/errno.js';
import { nativeSys } from '#src/sys/native.js';
import { NativeSys } from '#src/sys/native-sys.js';
import type { Sys } from '#src/sys/sys.js';
import { leakCheck } from '#test/harness/leaks.js';

const sys = nativeSys();
const { constants, errno } = sys.abi;
const ENTRIES = 4;
/** A number that is no descriptor; newer kernels register some things with -1. */
const NOT_OPEN = 2 ** 30;

/** The offsets of the rings, and the views of them. */
interface Ring {
  readonly fd: number;
  readonly rings: DataView;
  readonly entries: DataView;
  readonly params: DataView;
  close(): void;
}

/** Why there is no ring on this machine (missing or forbidden), or false. */
function refusal(): string | false {
  if (sys.abi.ioUring === null) return `${process.platform} has no io_uring`;
  const fd = sys.io_uring_setup(ENTRIES, new Uint8Array(paramsBytes(sys.abi.ioUring)));
  if (fd >= 0) sys.close(fd);
  const { ENOSYS, EPERM } = errno;
  return fd === -ENOSYS || fd === -EPERM
    ? `the kernel refuses io_uring_setup: ${errnoName(sys.abi, fd)}`
    : false;
}

function paramsBytes(ioUring: IoUringAbi): number {
  return ioUring.structs.io_uring_params.size;
}

function openRing(ioUring: IoUringAbi): Ring {
  const { io_uring_params, io_sqring_offsets, io_cqring_offsets, io_uring_cqe, io_uring_sqe } =
    ioUring.structs;
  const { IORING_FEAT_SINGLE_MMAP, IORING_OFF_SQ_RING, IORING_OFF_SQES } = ioUring.constants;
  const params = new DataView(new ArrayBuffer(io_uring_params.size));
  const fd = sys.io_uring_setup(ENTRIES, new Uint8Array(params.buffer));
  assert.ok(fd >= 0, errnoName(sys.abi, fd));
  const { sq_entries, cq_entries, features, sq_off, cq_off } = io_uring_params.fields;
  assert.equal(params.getUint32(sq_entries.offset, true), ENTRIES);
  assert.equal(params.getUint32(cq_entries.offset, true), 2 * ENTRIES);
  assert.ok(params.getUint32(features.offset, true) & IORING_FEAT_SINGLE_MMAP);
  const array = params.getUint32(sq_off.offset + io_sqring_offsets.fields.array.offset, true);
  const cqes = params.getUint32(cq_off.offset + io_cqring_offsets.fields.cqes.offset, true);
  const ringBytes = Math.max(array + 4 * ENTRIES, cqes + 2 * ENTRIES * io_uring_cqe.size);
  const rings = mapRing(ioUring, fd, ringBytes, IORING_OFF_SQ_RING);
  const entries = mapRing(ioUring, fd, ENTRIES * io_uring_sqe.size, IORING_OFF_SQES);
  const close = () => {
    assert.equal(sys.munmap(rings.address, ringBytes), 0);
    assert.equal(sys.munmap(entries.address, ENTRIES * io_uring_sqe.size), 0);
    assert.equal(sys.close(fd), 0);
  };
  return { fd, rings: rings.view, entries: entries.view, params, close };
}

function mapRing(ioUring: IoUringAbi, fd: number, bytes: number, offset: number) {
  const { PROT_READ, PROT_WRITE } = constants;
  const flags = ioUring.constants.MAP_SHARED | ioUring.constants.MAP_POPULATE;
  const address = sys.mmap(bytes, PROT_READ | PROT_WRITE, flags, fd, offset);
  assert.ok(address > 0, errnoName(sys.abi, address));
  const memory = sys.view(address, bytes);
  return { address, view: new DataView(memory.buffer, memory.byteOffset, bytes) };
}

/** Writes a NOP into the first entry of the submission queue. */
function queueNop({ rings, entries, params }: Ring, ioUring: IoUringAbi, userData: bigint): void {
  const { io_uring_params, io_sqring_offsets, io_uring_sqe } = ioUring.structs;
  const { opcode, user_data } = io_uring_sqe.fields;
  entries.setUint8(opcode.offset, ioUring.constants.IORING_OP_NOP);
  entries.setBigUint64(user_data.offset, userData, true);
  const base = io_uring_params.fields.sq_off.offset;
  const { array, tail, ring_mask } = io_sqring_offsets.fields;
  const at = (offset: number) => params.getUint32(base + offset, true);
  assert.equal(rings.getUint32(at(ring_mask.offset), true), ENTRIES - 1);
  rings.setUint32(at(array.offset), 0, true);
  rings.setUint32(at(tail.offset), rings.getUint32(at(tail.offset), true) + 1, true);
}

/** Takes the entries out of the completion queue. */
function reap({ rings, params }: Ring, ioUring: IoUringAbi) {
  const { io_uring_params, io_cqring_offsets, io_uring_cqe } = ioUring.structs;
  const base = io_uring_params.fields.cq_off.offset;
  const { head, tail, cqes } = io_cqring_offsets.fields;
  const at = (offset: number) => params.getUint32(base + offset, true);
  const completions: { userData: bigint; result: number }[] = [];
  const end = rings.getUint32(at(tail.offset), true);
  for (let index = rings.getUint32(at(head.offset), true); index !== end; index++) {
    const offset = at(cqes.offset) + (index % (2 * ENTRIES)) * io_uring_cqe.size;
    completions.push({
      userData: rings.getBigUint64(offset + io_uring_cqe.fields.user_data.offset, true),
      result: rings.getInt32(offset + io_uring_cqe.fields.res.offset, true),
    });
  }
  rings.setUint32(at(head.offset), end, true);
  return completions;
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('sys-io-uring: a ring of the kernel', { skip: refusal() }, () => {
  const ioUring = sys.abi.ioUring ?? assert.fail('not on Linux');
  const { IORING_ENTER_GETEVENTS, IORING_ENTER_EXT_ARG } = ioUring.constants;

  it('completes a NOP', (t) => {
    leakCheck(t);
    const ring = openRing(ioUring);
    t.after(() => ring.close());
    for (const userData of [7n, 2n ** 64n - 1n]) {
      queueNop(ring, ioUring, userData);
      assert.equal(sys.io_uring_enter(ring.fd, 1, 1, IORING_ENTER_GETEVENTS, 0, 0), 1);
      assert.deepEqual(reap(ring, ioUring), [{ userData, result: 0 }]);
    }
    assert.equal(sys.io_uring_enter(ring.fd, 1, 0, 0, 0, 0), 0, 'nothing is left to submit');
  });

  it('waits no longer than the timeout at an address', (t) => {
    leakCheck(t);
    const ring = openRing(ioUring);
    t.after(() => ring.close());
    const { io_uring_getevents_arg, __kernel_timespec } = ioUring.structs;
    const { tv_nsec } = __kernel_timespec.fields;
    // One page: the argument, then the timespec that it points to.
    using arena = new Arena(sys, 4096);
    const view = new DataView(arena.bytes.buffer, arena.bytes.byteOffset, arena.length);
    const time = io_uring_getevents_arg.size;
    view.setBigInt64(time + tv_nsec.offset, 20_000_000n, true);
    const timeAddress = BigInt(sys.address(arena.bytes.subarray(time)));
    view.setBigUint64(io_uring_getevents_arg.fields.ts.offset, timeAddress, true);
    const flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
    const wait = (argBytes: number) =>
      sys.io_uring_enter(ring.fd, 0, 1, flags, sys.address(arena.bytes), argBytes);
    const startMs = sys.monotonicMs();
    assert.equal(errnoName(sys.abi, wait(io_uring_getevents_arg.size)), 'ETIME');
    const passedMs = sys.monotonicMs() - startMs;
    assert.ok(passedMs >= 19 && passedMs < 10_000, `${passedMs} ms`);
    // The size is the last of seven arguments, the one that x64 passes on the stack.
    assert.equal(wait(io_uring_getevents_arg.size + 1), -(errno['EINVAL'] ?? 0));
  });

  it('reports the operations that it knows', (t) => {
    leakCheck(t);
    const ring = openRing(ioUring);
    t.after(() => ring.close());
    const { io_uring_probe, io_uring_probe_op } = ioUring.structs;
    const { IORING_REGISTER_PROBE, IORING_OP_NOP, IORING_OP_RECV, IO_URING_OP_SUPPORTED } =
      ioUring.constants;
    const count = 64;
    const probe = new Uint8Array(io_uring_probe.size + count * io_uring_probe_op.size);
    const address = sys.address(probe);
    assert.equal(sys.io_uring_register(ring.fd, IORING_REGISTER_PROBE, address, count), 0);
    assert.ok((probe[io_uring_probe.fields.last_op.offset] ?? 0) >= IORING_OP_RECV);
    const view = new DataView(probe.buffer);
    for (const operation of [IORING_OP_NOP, IORING_OP_RECV]) {
      const place = io_uring_probe.size + operation * io_uring_probe_op.size;
      assert.equal(view.getUint8(place + io_uring_probe_op.fields.op.offset), operation);
      const flags = view.getUint16(place + io_uring_probe_op.fields.flags.offset, true);
      assert.ok(flags & IO_URING_OP_SUPPORTED, `operation ${operation}`);
    }
  });

  it('gives an errno for wrong arguments', (t) => {
    leakCheck(t);
    const { EBADF, EFAULT = 0, EINVAL } = errno;
    const params = new Uint8Array(paramsBytes(ioUring));
    assert.equal(sys.io_uring_setup(0, params), -EINVAL);
    assert.equal(sys.io_uring_setup(ENTRIES, params.fill(0xff)), -EINVAL);
    assert.equal(sys.io_uring_enter(NOT_OPEN, 0, 0, 0, 0, 0), -EBADF);
    assert.equal(sys.io_uring_register(NOT_OPEN, 0, 0, 0), -EBADF);
    const ring = openRing(ioUring);
    t.after(() => ring.close());
    assert.equal(sys.io_uring_enter(ring.fd, 0, 0, 0x40000000, 0, 0), -EINVAL);
    const { IORING_REGISTER_PROBE } = ioUring.constants;
    assert.equal(sys.io_uring_register(ring.fd, IORING_REGISTER_PROBE, 1, 1), -EFAULT);
    const missing = sys.mmap(4096, constants.PROT_READ, ioUring.constants.MAP_SHARED, -1, 0);
    assert.equal(missing, -EBADF);
  });
});

test('sys-io-uring: parameters that are too short are refused before the call', (t) => {
  leakCheck(t);
  assert.throws(() => sys.io_uring_setup(ENTRIES, new Uint8Array(119)), RangeError);
});

test('sys-io-uring: ENOSYS on a platform without it', (t) => {
  leakCheck(t);
  const darwin = abiFor('darwin', 'arm64') ?? assert.fail('no table');
  const without = new NativeSys(darwin, { ioUring: null } as CLibrary);
  const missing = -darwin.errno.ENOSYS;
  assert.equal(without.io_uring_setup(ENTRIES, new Uint8Array(120)), missing);
  assert.equal(without.io_uring_enter(3, 1, 1, 1, 0, 0), missing);
  assert.equal(without.io_uring_register(3, 8, 0, 1), missing);
});

test('sys-io-uring: a simulated kernel may have none, but its memory has addresses', (t) => {
  leakCheck(t);
  const sim = new SimSys({ seed: 1, rings: { refusal: 'ENOSYS' } });
  const { EBADF, ENODEV = 0, ENOSYS } = sim.abi.errno;
  const asSys: Sys = sim;
  assert.equal(asSys.io_uring_setup(ENTRIES, new Uint8Array(120)), -ENOSYS);
  assert.equal(asSys.io_uring_enter(NOT_OPEN, 1, 1, 1, 0, 0), -EBADF);
  assert.equal(asSys.io_uring_register(NOT_OPEN, 8, 0, 1), -EBADF);
  assert.equal(asSys.mmap(4096, 1, 1, NOT_OPEN, 0), -EBADF);
  assert.equal(asSys.mmap(4096, 1, 1, 1, 0), -ENODEV);
  using arena = new Arena(sim, 10);
  assert.equal(sim.address(arena.bytes.subarray(3)), arena.address + 3);
  const [one, other] = [new Uint8Array(4096), new Uint8Array(4096)];
  assert.equal(sim.address(one.subarray(7)), sim.address(one) + 7);
  assert.ok(Math.abs(sim.address(other) - sim.address(one)) >= 4096, 'they do not overlap');
  assert.throws(() => sim.address(new Uint8Array(64)), RangeError);
});

test('sys-io-uring: an address is that of the first byte, in all kinds of memory', (t) => {
  leakCheck(t);
  using arena = new Arena(sys, 4096);
  assert.equal(sys.address(arena.bytes), arena.address);
  assert.equal(sys.address(arena.bytes.subarray(100)), arena.address + 100);
  const kinds: readonly Uint8Array[] = [
    new Uint8Array(65),
    new Uint8Array(new ArrayBuffer(4096), 7, 30),
    new Uint8Array(new SharedArrayBuffer(4096), 7, 30),
    Buffer.alloc(1000).subarray(990),
    new Uint8Array(1000).subarray(3, 4),
  ];
  for (const [index, buffer] of kinds.entries()) {
    const address = sys.address(buffer);
    assert.equal(sys.address(buffer), address, 'it stays');
    buffer.set([0xc0 + index]);
    assert.equal(sys.view(address, 1)[0], 0xc0 + index);
    sys.view(address, 1)[0] = 0x11;
    assert.equal(buffer[0], 0x11);
    assert.equal(sys.address(new Uint8Array(buffer.buffer)), address - buffer.byteOffset);
  }
});

test('sys-io-uring: memory that may be moved has no address', (t) => {
  leakCheck(t);
  const error = (bytes: number) =>
    new RangeError(`an ArrayBuffer of ${bytes} bytes may be moved and has no address`);
  for (const bytes of [0, 1, 64]) {
    assert.throws(() => sys.address(new Uint8Array(bytes)), error(bytes));
  }
  const gone = new Uint8Array(4096);
  structuredClone(gone, { transfer: [gone.buffer] });
  assert.throws(() => sys.address(gone), error(0));
});
