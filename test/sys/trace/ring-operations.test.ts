// Goal: a trace shows the operations that pass through the queues of a ring.
// Method: golden lines of a stand-in whose queues the test fills; and an echo over a real ring.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backends } from '#src/loop/backends.js';
import { EventLoop } from '#src/net/event-loop.js';
import { abiFor } from '#src/sys/abi/index.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { TracingSys } from '#src/sys/trace/tracing-sys.js';
import { leakCheck } from '#test/harness/leaks.js';

const abi = abiFor('linux', 'x64') ?? assert.fail('no table');
const ioUring = abi.ioUring ?? assert.fail('no io_uring');
const { constants: op, structs } = ioUring;
const RING_FD = 5;
/** The address of the memory of the stand-in. */
const BASE = 0x7000_0000;
const [QUEUES, ENTRIES, BUFFERS, TEXT, SCRATCH] = [0, 4096, 8192, 12_288, 16_384];
/** The offsets of the words of the queues, from {@link QUEUES} on. */
const [SQ_HEAD, SQ_ARRAY, CQ_TAIL, CQES] = [0, 64, 8, 128];

interface Entry {
  readonly code: number;
  readonly fd: number;
  readonly data: bigint;
  readonly flags?: number;
  readonly ioprio?: number;
  readonly addr?: number | bigint;
  readonly len?: number;
  readonly off?: number;
  readonly bits?: number;
}

interface Result {
  readonly data: bigint;
  readonly res: number;
  readonly flags?: number;
}

/** A kernel with one ring, and its trace. `move` makes a call that takes and posts these. */
class StandIn {
  readonly lines: string[] = [];
  readonly sys: TracingSys;
  readonly #memory = new DataView(new ArrayBuffer(32_768));
  readonly #array: number;
  #next: { entries: readonly Entry[]; results: readonly Result[] } = { entries: [], results: [] };

  constructor({ array = true } = {}) {
    this.#array = array ? SQ_ARRAY : 0;
    const answering: Partial<Sys> = {
      abi,
      io_uring_setup: (_, params) => this.#setUp(new DataView(params.buffer)),
      io_uring_enter: () => this.#enter(),
      io_uring_register: () => 1,
      mmap: (_length, _protection, _flags, _fd, offset) =>
        BASE + (offset === op.IORING_OFF_SQES ? ENTRIES : QUEUES),
      view: (address, length) => new Uint8Array(this.#memory.buffer, address - BASE, length),
      close: () => 0,
      strerror: () => 'Words',
    };
    this.sys = new TracingSys(answering as Sys, (line) => this.lines.push(line));
  }

  #setUp(params: DataView): number {
    const at = structs.io_uring_params.fields;
    const sq = structs.io_sqring_offsets.fields;
    const cq = structs.io_cqring_offsets.fields;
    params.setUint32(at.sq_entries.offset, 8, true);
    params.setUint32(at.cq_entries.offset, 8, true);
    params.setUint32(at.sq_off.offset + sq.head.offset, SQ_HEAD, true);
    params.setUint32(at.sq_off.offset + sq.array.offset, this.#array, true);
    params.setUint32(at.cq_off.offset + cq.tail.offset, CQ_TAIL, true);
    params.setUint32(at.cq_off.offset + cq.cqes.offset, CQES, true);
    return RING_FD;
  }

  /** Sets up and maps the ring, and discards the trace of that. */
  begin(): this {
    this.sys.io_uring_setup(8, new Uint8Array(structs.io_uring_params.size));
    for (const offset of [op.IORING_OFF_SQ_RING, op.IORING_OFF_SQES]) {
      this.sys.mmap(4096, 3, op.MAP_SHARED, RING_FD, offset);
    }
    this.lines.length = 0;
    return this;
  }

  /** Writes text into the memory, and returns its address. */
  text(words: string, at = TEXT): number {
    new Uint8Array(this.#memory.buffer).set(Buffer.from(words), at);
    return BASE + at;
  }

  /** Writes numbers of 64 bits into the memory, and returns their address. */
  words(...numbers: number[]): number {
    for (const [index, number] of numbers.entries()) {
      this.#memory.setBigUint64(SCRATCH + index * 8, BigInt(number), true);
    }
    return BASE + SCRATCH;
  }

  /** Provides one buffer with that id, at the address of {@link text}. */
  lend(id: number): void {
    const { addr, bid } = structs.io_uring_buf.fields;
    this.#memory.setBigUint64(BUFFERS + addr.offset, BigInt(BASE + TEXT), true);
    this.#memory.setUint16(BUFFERS + bid.offset, id, true);
    const registration = this.words(BASE + BUFFERS, 1);
    this.sys.io_uring_register(RING_FD, op.IORING_REGISTER_PBUF_RING, registration, 1);
    this.lines.length = 0;
  }

  move(entries: readonly Entry[], results: readonly Result[] = []): string[] {
    this.#next = { entries, results };
    this.lines.length = 0;
    this.sys.io_uring_enter(RING_FD, entries.length, 0, 0, 0, 0);
    return this.lines.slice(1);
  }

  #enter(): number {
    const { entries, results } = this.#next;
    for (const entry of entries) this.#take(entry);
    for (const result of results) this.#post(result);
    return entries.length;
  }

  #take(entry: Entry): void {
    const at = structs.io_uring_sqe.fields;
    const head = this.#memory.getUint32(QUEUES + SQ_HEAD, true);
    const slot = head & 7;
    // With the array, an entry may be anywhere.
    const where = this.#array === 0 ? slot : 7 - slot;
    if (this.#array !== 0) this.#memory.setUint32(QUEUES + SQ_ARRAY + slot * 4, where, true);
    const base = ENTRIES + where * structs.io_uring_sqe.size;
    this.#memory.setUint8(base + at.opcode.offset, entry.code);
    this.#memory.setUint8(base + at.flags.offset, entry.flags ?? 0);
    this.#memory.setUint16(base + at.ioprio.offset, entry.ioprio ?? 0, true);
    this.#memory.setInt32(base + at.fd.offset, entry.fd, true);
    this.#memory.setBigUint64(base + at.off.offset, BigInt(entry.off ?? 0), true);
    this.#memory.setBigUint64(base + at.addr.offset, BigInt(entry.addr ?? 0), true);
    this.#memory.setUint32(base + at.len.offset, entry.len ?? 0, true);
    this.#memory.setUint32(base + at.msg_flags.offset, entry.bits ?? 0, true);
    this.#memory.setBigUint64(base + at.user_data.offset, entry.data, true);
    this.#memory.setUint32(QUEUES + SQ_HEAD, head + 1, true);
  }

  #post({ data, res, flags = 0 }: Result): void {
    const at = structs.io_uring_cqe.fields;
    const tail = this.#memory.getUint32(QUEUES + CQ_TAIL, true);
    const base = QUEUES + CQES + (tail & 7) * structs.io_uring_cqe.size;
    this.#memory.setBigUint64(base + at.user_data.offset, data, true);
    this.#memory.setInt32(base + at.res.offset, res, true);
    this.#memory.setUint32(base + at.flags.offset, flags, true);
    this.#memory.setUint32(QUEUES + CQ_TAIL, tail + 1, true);
  }
}

const { MSG_NOSIGNAL = 0, SOCK_CLOEXEC = 0, POLLIN, AF_INET } = abi.constants;

test('sys-ring-operations: each operation and its result', (t) => {
  leakCheck(t);
  const ring = new StandIn().begin();
  const [accept, recv, poll] = [op.IORING_OP_ACCEPT, op.IORING_OP_RECV, op.IORING_OP_POLL_ADD];
  const multishot = op.IORING_RECV_MULTISHOT;
  const taken = ring.move(
    [
      { code: accept, fd: 6, data: 1n, ioprio: op.IORING_ACCEPT_MULTISHOT, bits: SOCK_CLOEXEC },
      { code: recv, fd: 7, data: 2n, flags: op.IOSQE_BUFFER_SELECT, ioprio: multishot },
      { code: poll, fd: 8, data: 3n, bits: POLLIN },
    ],
    [{ data: 1n, res: 9, flags: op.IORING_CQE_F_MORE }],
  );
  assert.deepEqual(taken, [
    '  submitted IORING_OP_ACCEPT(6, SOCK_CLOEXEC, IORING_ACCEPT_MULTISHOT)',
    '  submitted IORING_OP_RECV(7, IOSQE_BUFFER_SELECT, IORING_RECV_MULTISHOT)',
    '  submitted IORING_OP_POLL_ADD(8, POLLIN)',
    '  completed IORING_OP_ACCEPT(6) = 9 (IORING_CQE_F_MORE)',
  ]);
  ring.text('hello\n');
  ring.lend(3);
  const inBuffer = op.IORING_CQE_F_BUFFER | (3 << op.IORING_CQE_BUFFER_SHIFT);
  assert.deepEqual(
    ring.move(
      [],
      [
        { data: 2n, res: 6, flags: inBuffer | op.IORING_CQE_F_MORE },
        { data: 2n, res: 0 },
        { data: 2n, res: 6, flags: op.IORING_CQE_F_BUFFER | (4 << 16) },
        { data: 3n, res: -abi.errno.EBADF },
      ],
    ),
    [
      '  completed IORING_OP_RECV(7, "hello\\n") = 6 (IORING_CQE_F_MORE)',
      '  completed IORING_OP_RECV(7) = 0',
      // Forgotten, like the buffer.
      '  completed ?(user_data=0x2, ?) = 6',
      '  completed IORING_OP_POLL_ADD(8) = -1 EBADF (Words)',
    ],
  );
});

test('sys-ring-operations: bytes, addresses, times, cancellations', (t) => {
  leakCheck(t);
  const ring = new StandIn({ array: false }).begin();
  const addr = ring.text('hello\n');
  const silent = op.IOSQE_CQE_SKIP_SUCCESS;
  const send = op.IORING_OP_SEND;
  const sockaddr = Buffer.from([AF_INET, 0, 0x1b, 0x5f, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  const target = ring.text(sockaddr.toString('latin1'), TEXT + 100);
  const period = ring.words(1, 500_000_000);
  const cancel = op.IORING_OP_ASYNC_CANCEL;
  const all = op.IORING_ASYNC_CANCEL_ALL | op.IORING_ASYNC_CANCEL_ANY;
  const lines = ring.move([
    { code: send, fd: 7, data: 1n, addr, len: 6, bits: MSG_NOSIGNAL, flags: silent },
    { code: send, fd: 7, data: 1n, addr, len: 0 },
    { code: op.IORING_OP_CONNECT, fd: 8, data: 2n, addr: target, off: 16 },
    { code: op.IORING_OP_TIMEOUT, fd: -1, data: 3n, addr: period, len: 1, bits: 64 },
    { code: cancel, fd: -1, data: 0n, addr: 2n, flags: silent },
    { code: cancel, fd: -1, data: 0n, bits: all },
    { code: 200, fd: 9, data: 4n },
  ]);
  assert.deepEqual(lines, [
    '  submitted IORING_OP_SEND(7, "hello\\n", 6, MSG_NOSIGNAL, IOSQE_CQE_SKIP_SUCCESS)',
    '  submitted IORING_OP_SEND(7, "", 0, 0)',
    '  submitted IORING_OP_CONNECT(8, {AF_INET, 127.0.0.1:7007}, 16)',
    '  submitted IORING_OP_TIMEOUT({tv_sec=1, tv_nsec=500000000}, IORING_TIMEOUT_MULTISHOT)',
    '  submitted IORING_OP_ASYNC_CANCEL(IORING_OP_CONNECT(8), IOSQE_CQE_SKIP_SUCCESS)',
    '  submitted IORING_OP_ASYNC_CANCEL(IORING_ASYNC_CANCEL_ALL|IORING_ASYNC_CANCEL_ANY)',
    '  submitted operation 200(9)',
  ]);
});

test('sys-ring-operations: the timeout of a wait, and its ring', (t) => {
  leakCheck(t);
  const ring = new StandIn().begin();
  const { sys, lines } = ring;
  // The index in the table of the thread, which the kernel writes.
  sys.io_uring_register(RING_FD, op.IORING_REGISTER_RING_FDS, ring.words(2, RING_FD), 1);
  const registered = op.IORING_ENTER_REGISTERED_RING;
  const flags = registered | op.IORING_ENTER_EXT_ARG;
  lines.length = 0;
  // An io_uring_getevents_arg, and the timespec that it points to.
  const arg = ring.words(0, 0, BASE + SCRATCH + 24, 0, 250_000_000);
  sys.io_uring_enter(2, 0, 1, flags, arg, 24);
  sys.io_uring_enter(2, 0, 1, registered, 0, 0);
  sys.io_uring_enter(4, 0, 1, registered, 0, 0);
  const shown = 'IORING_ENTER_EXT_ARG|IORING_ENTER_REGISTERED_RING';
  assert.deepEqual(lines, [
    `io_uring_enter(2, 0, 1, ${shown}, {ts={tv_sec=0, tv_nsec=250000000}}) = 0`,
    'io_uring_enter(2, 0, 1, IORING_ENTER_REGISTERED_RING) = 0',
    'io_uring_enter(4, 0, 1, IORING_ENTER_REGISTERED_RING) = 0',
  ]);
  // A closed ring is forgotten, and its memory not read.
  sys.close(RING_FD);
  assert.deepEqual(ring.move([{ code: op.IORING_OP_RECV, fd: 7, data: 1n }]), []);
});

const answer = backends.find(({ name }) => name === 'io_uring')?.available(nativeSys());
const skip = answer === undefined || answer === true ? false : answer.reason;

test('sys-ring-operations: an echo over the ring of this machine', { skip }, async (t) => {
  leakCheck(t);
  const lines: string[] = [];
  const sys = new TracingSys(nativeSys(), (line) => lines.push(line.replace(/\d{2,}/g, 'N')));
  using loop = new EventLoop({ backend: 'io_uring', sys });
  const server = loop.listen({
    host: '127.0.0.1',
    port: 0,
    handlers: { data: (connection, chunk) => connection.write(chunk) },
  });
  const { address } = server;
  assert.ok(address.family === 'IPv4');
  loop.connect({
    host: '127.0.0.1',
    port: address.port,
    handlers: {
      open: (connection) => connection.end(Buffer.from('hello\n')),
      close: () => server.close(),
    },
  });
  await loop.run();
  const moved = lines.filter((line) => line.startsWith('  '));
  for (const line of [
    '  submitted IORING_OP_ACCEPT(N, SOCK_CLOEXEC|SOCK_NONBLOCK, IORING_ACCEPT_MULTISHOT)',
    '  submitted IORING_OP_CONNECT(N, {AF_INET, N.0.0.1:N}, N)',
    '  completed IORING_OP_CONNECT(N) = 0',
    '  completed IORING_OP_ACCEPT(N) = N (IORING_CQE_F_MORE)',
    '  completed IORING_OP_RECV(N) = 0',
    '  completed IORING_OP_ACCEPT(N) = -1 ECANCELED (Operation canceled)',
  ]) {
    assert.ok(moved.includes(line), `${line}\n${moved.join('\n')}`);
  }
  // With a kernel that limits receives the first one is multishot.
  const received = '  completed IORING_OP_RECV(N, "hello\\n") = 6';
  assert.equal(moved.filter((line) => line.startsWith(received)).length, 2, moved.join('\n'));
  const sends = moved.filter((line) =>
    line.startsWith('  submitted IORING_OP_SEND(N, "hello\\n", 6'),
  );
  assert.equal(sends.length, 2, 'one of the client, one of the server');
});
