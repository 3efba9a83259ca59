// Goal: sendmmsg and recvmmsg move whole messages with their addresses and control messages, and a
// vector lets the kernel write nowhere else.
// Method: two UDP sockets on this machine, and the layouts of all six platforms.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { abis } from '#src/sys/abi/index.js';
import { decodeControl, encodeControl } from '#src/sys/control-messages.js';
import { errnoName } from '#src/sys/errno.js';
import { MessageVector } from '#src/sys/message-vector.js';
import { nativeSys } from '#src/sys/native.js';
import { decodeSockaddr, encodeSockaddr, SOCKADDR_BYTES_MAX } from '#src/sys/sockaddr.js';
import type { Sys } from '#src/sys/sys.js';
import { TracingSys } from '#src/sys/trace/tracing-sys.js';
import { leakCheck } from '#test/harness/leaks.js';

const sys = nativeSys();
const { constants, errno, options, structs } = sys.abi;
const SIZES = { count: 4, nameBytes: 128, controlBytes: 64, bufferBytes: 2048 };

/** A UDP socket on a port of its own, and its sockaddr. */
function udpSocket(t: TestContext): { fd: number; address: Uint8Array } {
  const fd = sys.socket(constants.AF_INET, constants.SOCK_DGRAM, 0);
  t.after(() => sys.close(fd));
  const address = new Uint8Array(SOCKADDR_BYTES_MAX);
  const length = encodeSockaddr(
    sys.abi,
    { family: 'IPv4', address: '127.0.0.1', port: 0 },
    address,
  );
  assert.equal(sys.bind(fd, address, length), 0);
  assert.equal(sys.getsockname(fd, address, Int32Array.of(SOCKADDR_BYTES_MAX)), 0);
  return { fd, address: address.slice(0, length) };
}

function fill(messages: MessageVector, slot: number, text: string, to: Uint8Array | null): void {
  messages.bytes.set(Buffer.from(text), messages.bufferAt(slot));
  messages.setBuffer(slot, messages.bufferAt(slot), text.length);
  messages.setNameLength(slot, to?.length ?? 0);
  if (to !== null) messages.bytes.set(to, messages.nameAt(slot));
  messages.setControlLength(slot, 0);
}

function text(messages: MessageVector, slot: number): string {
  const at = messages.bufferOffset(slot);
  return Buffer.from(messages.bytes.subarray(at, at + messages.length(slot))).toString();
}

function named(result: number): number | string {
  return result < 0 ? errnoName(sys.abi, result) : result;
}

// macOS has neither call.
const missing = structs.mmsghdr === undefined ? `there is none on ${sys.abi.platform}` : false;

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('messages by many', { skip: missing }, () => {
  it('whole, in order, with the address of the sender', (t) => {
    leakCheck(t);
    const [left, right] = [udpSocket(t), udpSocket(t)];
    const out = new MessageVector(sys, SIZES);
    for (const [slot, word] of ['one', '', 'three', 'four'].entries()) {
      fill(out, slot, word, right.address);
    }
    assert.equal(sys.sendmmsg(left.fd, out, 1, 3, 0), 3);
    assert.equal(sys.sendmmsg(left.fd, out, 0, 1, 0), 1);
    assert.equal(out.length(2), 5);
    const messages = new MessageVector(sys, SIZES);
    assert.equal(sys.recvmmsg(right.fd, messages, 4, constants.MSG_DONTWAIT), 4);
    assert.deepEqual(
      [0, 1, 2, 3].map((slot) => text(messages, slot)),
      ['', 'three', 'four', 'one'],
    );
    for (let slot = 0; slot < 4; slot++) {
      const at = messages.nameAt(slot);
      const name = messages.bytes.slice(at, at + messages.nameLength(slot));
      assert.deepEqual(name, left.address);
      assert.equal(messages.flags(slot), 0);
      assert.equal(messages.controlLength(slot), 0);
    }
    assert.equal(named(sys.recvmmsg(right.fd, messages, 4, constants.MSG_DONTWAIT)), 'EAGAIN');
  });

  it('collected in one pass, which readies the slots for the next receive', (t) => {
    leakCheck(t);
    const [left, right] = [udpSocket(t), udpSocket(t)];
    const messages = new MessageVector(sys, SIZES);
    const arrays = () => new Int32Array(SIZES.count);
    const lengths = {
      byteLengths: arrays(),
      nameLengths: arrays(),
      controlLengths: arrays(),
      flags: arrays(),
    };
    for (const bytes of [3, 3000, 0]) {
      sys.sendto(left.fd, new Uint8Array(bytes), 0, bytes, 0, right.address, right.address.length);
    }
    assert.equal(sys.recvmmsg(right.fd, messages, 4, constants.MSG_DONTWAIT), 3);
    messages.collect(3, lengths);
    const named = left.address.length;
    assert.deepEqual([...lengths.byteLengths], [3, SIZES.bufferBytes, 0, 0]);
    assert.deepEqual([...lengths.nameLengths], [named, named, named, 0]);
    assert.deepEqual([...lengths.controlLengths], [0, 0, 0, 0]);
    assert.deepEqual([...lengths.flags], [0, constants.MSG_TRUNC, 0, 0]);
    for (let slot = 0; slot < SIZES.count; slot++) {
      assert.equal(messages.nameLength(slot), SIZES.nameBytes);
      assert.equal(messages.controlLength(slot), SIZES.controlBytes);
      assert.equal(messages.flags(slot), 0);
    }
  });

  it('cut off at the room of the buffer, and said so', (t) => {
    leakCheck(t);
    const [left, right] = [udpSocket(t), udpSocket(t)];
    assert.equal(
      sys.sendto(left.fd, new Uint8Array(3000).fill(7), 0, 3000, 0, right.address, 16),
      3000,
    );
    const messages = new MessageVector(sys, SIZES);
    assert.equal(sys.recvmmsg(right.fd, messages, 4, constants.MSG_DONTWAIT), 1);
    assert.equal(messages.length(0), 2048);
    assert.equal(messages.flags(0) & constants.MSG_TRUNC, constants.MSG_TRUNC);
    assert.equal(messages.bytes[messages.bufferAt(0) + 2047], 7);
    assert.equal(messages.bytes[messages.bufferAt(0) + 2048], 0, 'nothing behind it is written');
  });

  it('with control messages, both ways', (t) => {
    leakCheck(t);
    const [left, right] = [udpSocket(t), udpSocket(t)];
    const { IPPROTO_IP } = constants;
    const { IP_RECVTTL = 0, IP_TTL = 0 } = options;
    const one = Uint8Array.of(1, 0, 0, 0);
    assert.equal(sys.setsockopt(right.fd, IPPROTO_IP, IP_RECVTTL, one, 4), 0);
    const out = new MessageVector(sys, SIZES);
    fill(out, 0, 'hops', right.address);
    // FreeBSD takes no TTL of one message.
    const control =
      sys.abi.platform.startsWith('linux') && encodeControl(sys.abi, [{ kind: 'IP_TTL', hops: 3 }]);
    if (control instanceof Uint8Array) {
      out.bytes.set(control, out.controlAt(0));
      out.setControlLength(0, control.length);
    } else {
      sys.setsockopt(left.fd, IPPROTO_IP, IP_TTL, Uint8Array.of(3, 0, 0, 0), 4);
    }
    assert.equal(sys.sendmmsg(left.fd, out, 0, 1, 0), 1);
    const messages = new MessageVector(sys, SIZES);
    assert.equal(sys.recvmmsg(right.fd, messages, 1, constants.MSG_DONTWAIT), 1);
    const at = messages.controlAt(0);
    const came = messages.bytes.subarray(at, at + messages.controlBytes);
    assert.deepEqual(decodeControl(sys.abi, came, messages.controlLength(0)), [
      { kind: 'IP_TTL', hops: 3 },
    ]);
    messages.reset(0);
    assert.equal(messages.controlLength(0), 64);
    assert.equal(messages.nameLength(0), 128);
  });

  it('the first error is returned, and what was sent before it counts', (t) => {
    leakCheck(t);
    const [left, right] = [udpSocket(t), udpSocket(t)];
    const out = new MessageVector(sys, SIZES);
    fill(out, 0, 'one', right.address);
    fill(out, 1, 'to nobody at all', null);
    assert.equal(sys.sendmmsg(left.fd, out, 0, 2, 0), 1);
    assert.equal(named(sys.sendmmsg(left.fd, out, 1, 1, 0)), 'EDESTADDRREQ');
    assert.equal(named(sys.sendmmsg(-1, out, 0, 1, 0)), 'EBADF');
    assert.equal(named(sys.recvmmsg(-1, out, 1, 0)), 'EBADF');
  });

  it('a trace shows each message', (t) => {
    leakCheck(t);
    const [left, right] = [udpSocket(t), udpSocket(t)];
    const { port } = decodeSockaddr(sys.abi, right.address, 16) as { port: number };
    const own = decodeSockaddr(sys.abi, left.address, 16) as { port: number };
    const lines: string[] = [];
    const traced = new TracingSys(sys, (line) => lines.push(line));
    const out = new MessageVector(traced, SIZES);
    fill(out, 0, 'one', right.address);
    assert.equal(traced.sendmmsg(left.fd, out, 0, 1, 0), 1);
    const messages = new MessageVector(traced, SIZES);
    assert.equal(traced.recvmmsg(right.fd, messages, 4, constants.MSG_DONTWAIT), 1);
    assert.equal(named(traced.recvmmsg(right.fd, messages, 4, constants.MSG_DONTWAIT)), 'EAGAIN');
    const list = (of: number, room: number) =>
      `[{msg_hdr={msg_name={AF_INET, 127.0.0.1:${of}}, msg_namelen=16, `
        .concat(`msg_iov=[{iov_base="one", iov_len=${room}}], msg_iovlen=1, msg_controllen=0, `)
        .concat('msg_flags=0}, msg_len=3}]');
    const again = '-1 EAGAIN (Resource temporarily unavailable)';
    assert.deepEqual(lines, [
      `sendmmsg(${left.fd}, ${list(port, 3)}, 1, 0) = 1`,
      `recvmmsg(${right.fd}, ${list(own.port, 2048)}, 4, MSG_DONTWAIT, NULL) = 1`,
      `recvmmsg(${right.fd}, ?, 4, MSG_DONTWAIT, NULL) = ${again}`,
    ]);
    assert.equal(traced.counts.get('recvmmsg'), 2);
  });
});

/** A Sys that has a table and gives every memory one address. */
function stand(abi: Sys['abi'], address: number): Sys {
  return { abi, address: () => address } as unknown as Sys;
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('a vector of messages', () => {
  // Below the second one a multiple of 2^32 lies among the slots.
  const bases = [0x7fff_f000_1000, 0x7fff_ffff_f800];
  for (const [abi, base] of abis.flatMap((one) => bases.map((base) => [one, base] as const))) {
    it(`every part of a message lies in its memory: ${abi.platform}, ${base}`, (t) => {
      leakCheck(t);
      const messages = new MessageVector(stand(abi, base), SIZES);
      const view = new DataView(messages.bytes.buffer);
      const { msg_name, msg_iov, msg_iovlen, msg_control } = abi.structs.msghdr.fields;
      const used: [start: number, end: number][] = [];
      for (let slot = 0; slot < SIZES.count; slot++) {
        const at = slot * messages.recordBytes;
        const pointer = (offset: number) => Number(view.getBigUint64(at + offset, true)) - base;
        assert.equal(pointer(msg_name.offset), messages.nameAt(slot));
        assert.equal(pointer(msg_control.offset), messages.controlAt(slot));
        assert.equal(view.getUint32(at + msg_iovlen.offset, true), 1);
        const iovec = pointer(msg_iov.offset);
        const { iov_base, iov_len } = abi.structs.iovec.fields;
        const bytesAt = Number(view.getBigUint64(iovec + iov_base.offset, true)) - base;
        assert.equal(bytesAt, messages.bufferAt(slot));
        assert.equal(messages.bufferOffset(slot), bytesAt);
        assert.equal(Number(view.getBigUint64(iovec + iov_len.offset, true)), 2048);
        used.push([at, at + messages.recordBytes], [iovec, iovec + abi.structs.iovec.size]);
        used.push([messages.nameAt(slot), messages.nameAt(slot) + 128]);
        used.push([messages.controlAt(slot), messages.controlAt(slot) + 64]);
        used.push([bytesAt, bytesAt + 2048]);
      }
      used.sort(([one], [other]) => one - other);
      for (const [index, [start]] of used.entries()) {
        assert.ok(index === 0 || start >= (used[index - 1]?.[1] ?? 0), 'no part overlaps another');
      }
      assert.ok((used.at(-1)?.[1] ?? 0) <= messages.bytes.length);
    });
  }

  it('a message without a name or control messages points to none', (t) => {
    leakCheck(t);
    const messages = new MessageVector(sys, SIZES);
    const view = new DataView(messages.bytes.buffer);
    const { msg_name, msg_control } = structs.msghdr.fields;
    messages.setNameLength(0, 0);
    messages.setControlLength(0, 0);
    assert.equal(view.getBigUint64(msg_name.offset, true), 0n);
    assert.equal(view.getBigUint64(msg_control.offset, true), 0n);
    messages.reset(0);
    assert.equal(
      view.getBigUint64(msg_name.offset, true),
      BigInt(messages.address + messages.nameAt(0)),
    );
    assert.notEqual(view.getBigUint64(msg_control.offset, true), 0n);
  });

  it('no room is exceeded', (t) => {
    leakCheck(t);
    const messages = new MessageVector(sys, SIZES);
    assert.throws(() => messages.setNameLength(0, 129), RangeError);
    assert.throws(() => messages.setControlLength(0, 65), RangeError);
    assert.throws(() => messages.setBuffer(0, messages.bytes.length - 4, 5), RangeError);
    assert.throws(() => messages.setBuffer(0, 0, 4), RangeError, 'the records are no buffer');
    for (const [first, count] of [
      [0, 5],
      [4, 1],
      [-1, 2],
      [0, -1],
    ] as const) {
      assert.throws(() => sys.sendmmsg(-1, messages, first, count, 0), RangeError);
    }
    assert.throws(() => sys.recvmmsg(-1, messages, 5, 0), RangeError);
    for (const wrong of [
      { count: 0 },
      { count: 1025 },
      { nameBytes: 12 },
      { controlBytes: -8 },
      { bufferBytes: 0 },
      { bufferBytes: Number.NaN },
    ]) {
      assert.throws(() => new MessageVector(sys, { ...SIZES, ...wrong }), RangeError);
    }
    assert.throws(() => new MessageVector(sys, SIZES, new Uint8Array(64)), RangeError);
  });

  it('an errno of the platform without the calls', (t) => {
    leakCheck(t);
    if (missing === false) return;
    const messages = new MessageVector(sys, SIZES);
    assert.equal(sys.recvmmsg(0, messages, 1, 0), -errno.ENOSYS);
    assert.equal(sys.sendmmsg(0, messages, 0, 1, 0), -errno.ENOSYS);
  });
});
