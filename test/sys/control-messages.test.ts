// Goal: control messages have the layout of cmsg(3) on each platform, and survive sendmsg(2).
// Method: golden bytes of three platforms, whatever the kernel may cut off, real sockets, traces.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Abi } from '#src/sys/abi/abi.js';
import { abiFor } from '#src/sys/abi/index.js';
import type { ControlMessage } from '#src/sys/control/message.js';
import {
  controlSpace,
  decodeControl,
  encodeControl,
  rightsSpace,
} from '#src/sys/control-messages.js';
import { nativeSys } from '#src/sys/native.js';
import { encodeSockaddr, SOCKADDR_BYTES_MAX } from '#src/sys/sockaddr.js';
import type { MessageHeader } from '#src/sys/sys.js';
import { TracingSys } from '#src/sys/trace/tracing-sys.js';
import { leakCheck } from '#test/harness/leaks.js';

const table = (platform: string): Abi => abiFor(platform, 'x64') ?? assert.fail(platform);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const rights: ControlMessage = { kind: 'SCM_RIGHTS', fds: [5, 258] };

function header(parts: Partial<MessageHeader>): MessageHeader {
  const buffer = parts.buffer ?? new Uint8Array(1);
  const none = { name: null, nameLength: 0, control: null, controlLength: 0, flags: 0 };
  return { ...none, offset: 0, length: buffer.length, ...parts, buffer };
}

test('the layout is that of each platform', (t) => {
  leakCheck(t);
  const linux = '180000000000000001000000010000000500000002010000';
  assert.equal(hex(encodeControl(table('linux'), [rights])), linux);
  const darwin = '14000000ffff0000010000000500000002010000';
  assert.equal(hex(encodeControl(table('darwin'), [rights])), darwin);
  const freebsd = '18000000ffff000001000000000000000500000002010000';
  assert.equal(hex(encodeControl(table('freebsd'), [rights])), freebsd);
  // CMSG_SPACE of 0, 1, 4, 8 and 12 bytes, as their headers compute it.
  const spaces = (abi: Abi) => [0, 1, 4, 8, 12].map((bytes) => controlSpace(abi, bytes));
  assert.deepEqual(spaces(table('linux')), [16, 24, 24, 24, 32]);
  assert.deepEqual(spaces(table('darwin')), [12, 16, 16, 20, 24]);
  assert.deepEqual(spaces(table('freebsd')), [16, 24, 24, 24, 32]);
});

test('what is encoded is decoded', (t) => {
  leakCheck(t);
  const other: ControlMessage = {
    kind: 'other',
    level: 0,
    type: 8,
    data: new Uint8Array([1, 2, 3]),
  };
  for (const platform of ['linux', 'darwin', 'freebsd']) {
    const abi = table(platform);
    const messages: ControlMessage[] = [rights, other, { kind: 'SCM_RIGHTS', fds: [0] }];
    const bytes = encodeControl(abi, messages);
    assert.deepEqual(decodeControl(abi, bytes, bytes.length), messages);
    // As the kernel cuts it off: a message that has no whole header is none.
    assert.deepEqual(decodeControl(abi, bytes, 0), []);
    assert.deepEqual(decodeControl(abi, bytes, abi.structs.cmsghdr.size - 1), []);
    const cut = decodeControl(abi, bytes, controlSpace(abi, 0) + 4);
    assert.deepEqual(cut, [{ kind: 'SCM_RIGHTS', fds: [5] }]);
    // A length of 0 would never end.
    assert.deepEqual(decodeControl(abi, new Uint8Array(64), 64), []);
  }
});

test('sendmsg and recvmsg of small and large buffers, with the address and the flags', (t) => {
  leakCheck(t);
  const sys = nativeSys();
  const { AF_UNIX, SOCK_DGRAM, SOCK_CLOEXEC = 0, MSG_TRUNC } = sys.abi.constants;
  const [from, to] = [0, 1].map(() => sys.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  assert.ok(from !== undefined && to !== undefined);
  t.after(() => void [from, to].map((fd) => sys.close(fd)));
  const [own, name] = ['from', 'to'].map((word) => {
    const bytes = new Uint8Array(SOCKADDR_BYTES_MAX);
    const path = `\0sockloop ${process.pid} ${word}`;
    return bytes.subarray(0, encodeSockaddr(sys.abi, { family: 'UNIX', path }, bytes));
  });
  assert.ok(own !== undefined && name !== undefined);
  assert.equal(sys.bind(from, own, own.length), 0);
  assert.equal(sys.bind(to, name, name.length), 0);
  for (const room of [8, 64, 65, 4096]) {
    const buffer = new Uint8Array(room);
    buffer.set(Buffer.from('..hello!'));
    // Half of the buffers on V8's heap: their addresses would not last.
    const out = header({
      name: name.slice(),
      nameLength: name.length,
      buffer,
      offset: 2,
      length: 5,
    });
    assert.equal(sys.sendmsg(from, out, 0), 5);
    const sender = new Uint8Array(room);
    const came = header({
      name: sender,
      nameLength: room,
      buffer: new Uint8Array(room),
      control: new Uint8Array(room),
      controlLength: room,
    });
    assert.equal(sys.recvmsg(to, came, 0), 5);
    assert.equal(came.controlLength, 0, 'there was none');
    assert.equal(Buffer.from(came.buffer.subarray(0, 5)).toString(), 'hello');
    assert.equal(came.nameLength, own.length, 'the length of the whole address');
    const known = Math.min(room, own.length);
    assert.equal(hex(sender.subarray(0, known)), hex(own.subarray(0, known)));
    assert.equal(came.flags & MSG_TRUNC, 0);
  }
  assert.equal(
    sys.sendmsg(from, header({ name, nameLength: name.length, buffer: Buffer.alloc(9) }), 0),
    9,
  );
  const short = header({ buffer: new Uint8Array(4) });
  assert.equal(sys.recvmsg(to, short, 0), 4);
  assert.equal(short.flags & MSG_TRUNC, MSG_TRUNC);
  assert.equal(sys.sendmsg(-1, header({}), 0), -sys.abi.errno.EBADF);
});

test('a part that does not fit into its buffer is refused', (t) => {
  leakCheck(t);
  const sys = nativeSys();
  const room = new Uint8Array(8);
  for (const wrong of [
    { buffer: room, offset: 4, length: 5 },
    { buffer: room, offset: -1, length: 1 },
    { name: room, nameLength: 9 },
    { control: room, controlLength: 9 },
    { control: room, controlLength: -1 },
  ]) {
    assert.throws(() => sys.sendmsg(-1, header(wrong), 0), RangeError);
    assert.throws(() => sys.recvmsg(-1, header(wrong), 0), RangeError);
  }
});

test('a trace shows a message as strace does', (t) => {
  leakCheck(t);
  const sys = nativeSys();
  const lines: string[] = [];
  const traced = new TracingSys(sys, (line) => lines.push(line));
  const { AF_UNIX, SOCK_STREAM, MSG_NOSIGNAL = 0 } = sys.abi.constants;
  const pair = new Int32Array(2);
  assert.equal(sys.socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  const [left = -1, right = -1] = pair;
  const control = encodeControl(sys.abi, [{ kind: 'SCM_RIGHTS', fds: [left] }]);
  const buffer = Buffer.from('hi');
  traced.sendmsg(left, header({ buffer, control, controlLength: control.length }), MSG_NOSIGNAL);
  const room = new Uint8Array(rightsSpace(sys.abi, 1));
  const came = header({ buffer: new Uint8Array(8), control: room, controlLength: room.length });
  traced.recvmsg(right, came, 0);
  const [passed] = decodeControl(sys.abi, room, came.controlLength);
  assert.ok(passed?.kind === 'SCM_RIGHTS');
  for (const fd of [left, right, ...passed.fds]) sys.close(fd);
  traced.recvmsg(-1, header({}), 0);
  const { size } = sys.abi.structs.cmsghdr;
  const message = (bytes: number, fd: number | undefined) =>
    `{msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="hi", iov_len=${bytes}}], msg_iovlen=1, ` +
    `msg_control=[{cmsg_len=${size + 4}, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, ` +
    `cmsg_data=[${fd}]}], msg_controllen=24, msg_flags=0}`;
  assert.deepEqual(lines, [
    `sendmsg(${left}, ${message(2, left)}, MSG_NOSIGNAL) = 2`,
    `recvmsg(${right}, ${message(8, passed.fds[0])}, 0) = 2`,
    'recvmsg(-1, ?, 0) = -1 EBADF (Bad file descriptor)',
  ]);
});
