// Goal: control messages reach the kernel and come from it: addresses, hops, classes, times, cuts,
// losses, errors.
// Method: real sockets of this machine.

import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import type { ControlKind, ControlMessage, ControlMessageOf } from '#src/socket/index.js';
import { Socket } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import { TracingSys } from '#src/sys/trace/tracing-sys.js';
import { leakCheck } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';
import { correspondents, opened, textFrom } from './datagram-ends.ts';
import { failureOf } from './ends.ts';

const sys = nativeSys();
const { constants } = sys.abi;
const isLinux = process.platform === 'linux';
const linuxOnly = isLinux ? false : 'these control messages exist on Linux only';

/** The message of a kind among `control`. */
function one<Kind extends ControlKind>(
  control: readonly ControlMessage[],
  kind: Kind,
): ControlMessageOf<Kind> {
  const found = control.find((message) => message.kind === kind);
  assert.ok(found, `${kind} among ${control.map((message) => message.kind).join(', ')}`);
  return found as unknown as ControlMessageOf<Kind>;
}

const buffer = new Uint8Array(2 ** 16);

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('socket: what comes with a datagram', () => {
  it('hops and class of IPv4, as they were sent', (t) => {
    leakCheck(t);
    const { receiver, sender, to } = correspondents(t, 'IPv4');
    receiver.setSockOpt('IP_RECVTTL', true);
    receiver.setSockOpt('IP_RECVTOS', true);
    sender.setSockOpt('IP_TTL', 9);
    sender.setSockOpt('IP_TOS', (46 << 2) | 1);
    sender.sendTo('x', to);
    const { control } = receiver.recvMsg(buffer);
    assert.deepEqual(one(control, 'IP_TTL'), { kind: 'IP_TTL', hops: 9 });
    assert.deepEqual(one(control, 'IP_TOS'), { kind: 'IP_TOS', dscp: 46, ecn: 1 });
  });

  it('hops, class, address and interface of IPv6, as they were sent', (t) => {
    leakCheck(t);
    const { receiver, sender, to } = correspondents(t, 'IPv6');
    receiver.setSockOpt('IPV6_RECVPKTINFO', true);
    receiver.setSockOpt('IPV6_RECVHOPLIMIT', true);
    receiver.setSockOpt('IPV6_RECVTCLASS', true);
    const said: ControlMessage[] = [
      { kind: 'IPV6_HOPLIMIT', hops: 9 },
      { kind: 'IPV6_TCLASS', dscp: 10, ecn: 2 },
      { kind: 'IPV6_PKTINFO', interfaceIndex: 0, address: '::1' },
    ];
    assert.equal(sender.sendMsg('x', { to, control: said }), 1);
    const { control } = receiver.recvMsg(buffer);
    assert.deepEqual(one(control, 'IPV6_HOPLIMIT'), said[0]);
    assert.deepEqual(one(control, 'IPV6_TCLASS'), said[1]);
    const { interfaceIndex, address } = one(control, 'IPV6_PKTINFO');
    assert.equal(address, '::1');
    assert.ok(interfaceIndex > 0);
  });

  it('hops and class of one datagram alone', { skip: linuxOnly }, (t) => {
    leakCheck(t);
    const { receiver, sender, to } = correspondents(t, 'IPv4');
    receiver.setSockOpt('IP_RECVTTL', true);
    receiver.setSockOpt('IP_RECVTOS', true);
    const said: ControlMessage[] = [
      { kind: 'IP_TTL', hops: 3 },
      { kind: 'IP_TOS', dscp: 8, ecn: 3 },
    ];
    sender.sendMsg('x', { to, control: said });
    sender.sendTo('x', to);
    assert.deepEqual(receiver.recvMsg(buffer).control, said);
    const { control } = receiver.recvMsg(buffer);
    assert.deepEqual(one(control, 'IP_TOS'), { kind: 'IP_TOS', dscp: 0, ecn: 0 });
    assert.notEqual(one(control, 'IP_TTL').hops, 3);
  });

  it('the address it was sent to, and one to send from', { skip: linuxOnly }, (t) => {
    leakCheck(t);
    const { receiver, to } = correspondents(t, 'IPv4');
    receiver.setSockOpt('IP_PKTINFO', true);
    const sender = opened(t, 'IPv4');
    const index = sys.if_nametoindex('lo');
    const source: ControlMessage = {
      kind: 'IP_PKTINFO',
      interfaceIndex: index,
      localAddress: '127.0.0.9',
    };
    sender.sendMsg('x', { to, control: [source] });
    const { control, address } = receiver.recvMsg(buffer);
    assert.ok(address?.family === 'IPv4');
    assert.equal(address.address, '127.0.0.9');
    assert.deepEqual(one(control, 'IP_PKTINFO'), {
      kind: 'IP_PKTINFO',
      interfaceIndex: index,
      localAddress: '127.0.0.1',
      destination: '127.0.0.1',
    });
    const foreign = { ...source, localAddress: '192.0.2.77' };
    const error = failureOf(() => sender.sendMsg('x', { to, control: [foreign] }));
    assert.match(error.message, /^cannot send to 127\.0\.0\.1:\d+: E[A-Z]+ \(/);
    assert.equal(error.syscall, 'sendmsg');
  });

  it('the time of its arrival', (t) => {
    leakCheck(t);
    const options = isLinux ? (['SO_TIMESTAMP', 'SO_TIMESTAMPNS'] as const) : ['SO_TIMESTAMP'];
    for (const option of options) {
      const { receiver, sender, to } = correspondents(t, 'IPv4');
      receiver.setSockOpt(option as 'SO_TIMESTAMP', true);
      const beforeMs = Date.now();
      sender.sendTo('x', to);
      const { control } = receiver.recvMsg(buffer);
      const kind = option === 'SO_TIMESTAMP' ? 'SCM_TIMESTAMP' : 'SCM_TIMESTAMPNS';
      const { seconds, nanoseconds } = one(control, kind);
      const atMs = seconds * 1000 + nanoseconds / 1e6;
      assert.ok(nanoseconds >= 0 && nanoseconds < 1e9);
      assert.ok(atMs > beforeMs - 60_000 && atMs < Date.now() + 60_000, `${atMs}, ${beforeMs}`);
    }
  });
});

describe('socket: segmentation', { skip: linuxOnly }, () => {
  it('one send is cut into datagrams, and some come joined', (t) => {
    leakCheck(t);
    const { receiver, sender, to } = correspondents(t, 'IPv4');
    const control: ControlMessage[] = [{ kind: 'UDP_SEGMENT', segmentSize: 1000 }];
    const bytes = new Uint8Array(2500).map((_, index) => index % 251);
    assert.equal(sender.sendMsg(bytes, { to, control }), 2500);
    const lengths = [1, 2, 3].map(() => receiver.recvFrom(buffer)[0]);
    assert.deepEqual(lengths, [1000, 1000, 500]);
    receiver.setSockOpt('UDP_GRO', true);
    sender.sendMsg(bytes, { to, control });
    const joined = receiver.recvMsg(buffer);
    assert.equal(joined.length, 2500);
    assert.deepEqual(buffer.subarray(0, 2500), bytes);
    assert.deepEqual(one(joined.control, 'UDP_GRO'), { kind: 'UDP_GRO', segmentSize: 1000 });
    // As an option, for every send.
    sender.setSockOpt('UDP_SEGMENT', 800);
    assert.equal(sender.getSockOpt('UDP_SEGMENT'), 800);
    sender.sendTo(bytes, to);
    assert.equal(one(receiver.recvMsg(buffer).control, 'UDP_GRO').segmentSize, 800);
  });

  it('more segments than the kernel takes is an error', (t) => {
    leakCheck(t);
    const { sender, to } = correspondents(t, 'IPv4');
    const control: ControlMessage[] = [{ kind: 'UDP_SEGMENT', segmentSize: 1 }];
    const error = failureOf(() => sender.sendMsg(new Uint8Array(60_000), { to, control }));
    assert.ok(['EINVAL', 'EMSGSIZE'].includes(error.code), error.message);
  });
});

test('what the kernel drops is counted', { skip: linuxOnly }, (t) => {
  leakCheck(t);
  const { receiver, sender, to } = correspondents(t, 'IPv4');
  receiver.setSockOpt('SO_RCVBUF', 8192);
  receiver.setSockOpt('SO_RXQ_OVFL', true);
  const SENT = 200;
  for (let count = 0; count < SENT; count += 1) sender.sendTo(new Uint8Array(1000), to);
  const { MSG_DONTWAIT: flags } = constants;
  let came = 0;
  const drain = (): void => {
    for (;;) {
      try {
        receiver.recv(buffer, 0, buffer.length, flags);
        came += 1;
      } catch (error) {
        assert.equal((error as { code: string }).code, 'EAGAIN');
        return;
      }
    }
  };
  drain();
  assert.ok(came > 0 && came < SENT, `${came} of ${SENT}`);
  sender.sendTo('the next tells', to);
  const { control } = receiver.recvMsg(buffer);
  assert.equal(one(control, 'SO_RXQ_OVFL').dropped, SENT - came);
});

test('control messages that do not fit are lost, and that is said', (t) => {
  leakCheck(t);
  const { receiver, sender, to } = correspondents(t, 'IPv6');
  receiver.setSockOpt('IPV6_RECVPKTINFO', true);
  for (const controlBytes of [0, 8, 20]) {
    sender.sendTo('x', to);
    const message = receiver.recvMsg(buffer, { controlBytes });
    assert.deepEqual([message.length, message.controlTruncated], [1, true], `${controlBytes}`);
    for (const { kind } of message.control) assert.equal(kind, 'other', 'not the half of it');
  }
  sender.sendTo('x', to);
  const message = receiver.recvMsg(buffer);
  assert.equal(message.controlTruncated, false);
  assert.equal(message.flags, 0, 'not what was asked for: MSG_CMSG_CLOEXEC');
  one(message.control, 'IPV6_PKTINFO');
});

describe('socket: the error queue', { skip: linuxOnly }, () => {
  for (const kind of ['IPv4', 'IPv6'] as const) {
    it(`says which datagram of an unconnected socket was refused: ${kind}`, (t) => {
      leakCheck(t);
      const { receiver, sender, to } = correspondents(t, kind);
      const option = kind === 'IPv4' ? 'IP_RECVERR' : 'IPV6_RECVERR';
      assert.equal(sender.recvError(buffer), null);
      sender.setSockOpt(option, true);
      assert.equal(sender.recvError(buffer), null);
      receiver.close();
      sender.sendTo('refused', to);
      const error = failureOf(() => sender.recv(buffer));
      assert.equal(error.code, 'ECONNREFUSED');
      const entry = sender.recvError(buffer);
      assert.ok(entry);
      assert.deepEqual(entry.address, to, 'the receiver that was meant');
      assert.equal(Buffer.from(buffer.subarray(0, entry.length)).toString(), 'refused');
      const { offender, ...what } = one(entry.control, option);
      assert.deepEqual(what, {
        kind: option,
        errno: sys.abi.errno.ECONNREFUSED,
        code: 'ECONNREFUSED',
        origin: kind === 'IPv4' ? 'icmp' : 'icmp6',
        icmpType: kind === 'IPv4' ? 3 : 1,
        icmpCode: kind === 'IPv4' ? 3 : 4,
        info: 0,
        data: 0,
      });
      assert.deepEqual(offender, { ...to, port: 0 });
      assert.equal(sender.recvError(buffer), null);
      // The socket goes on.
      sender.sendTo('on', sender.getSockName());
      assert.equal(textFrom(sender), 'on');
    });
  }
});

test('a platform without an error queue says so', (t) => {
  leakCheck(t);
  const { MSG_ERRQUEUE, ...others } = constants;
  assert.equal(MSG_ERRQUEUE === undefined, !isLinux);
  const poor = standIn(sys, { abi: { ...sys.abi, constants: others } });
  using socket = new Socket('IPv4', { type: 'SOCK_DGRAM', sys: poor });
  assert.throws(
    () => socket.recvError(buffer),
    new RangeError(`the error queue does not exist on ${sys.abi.platform}`),
  );
});

test('wrong control messages, rooms and buffers do not reach the kernel', (t) => {
  leakCheck(t);
  const { sender, to } = correspondents(t, 'IPv4');
  const sent = (control: unknown) => () => sender.sendMsg('x', { to, control: control as never });
  assert.throws(sent({ kind: 'IP_TTL', hops: 1 }), /control messages are an array, not an object/);
  assert.throws(sent([{ kind: 'IP_TTL', hops: 300 }]), RangeError);
  assert.throws(sent([{ kind: 'IP_HOPS' }]), /IP_HOPS is not a kind of control message/);
  assert.throws(() => sender.recvMsg('x' as never), TypeError);
  assert.throws(() => sender.recvMsg(buffer, { controlBytes: -1 }), RangeError);
  assert.throws(() => sender.recvMsg(buffer, { controlBytes: 65_537 }), RangeError);
});

test('a trace shows control messages with their fields', { skip: linuxOnly }, (t) => {
  leakCheck(t);
  const lines: string[] = [];
  const traced = new TracingSys(sys, (line) => lines.push(line));
  using socket = new Socket('IPv4', { type: 'SOCK_DGRAM', sys: traced });
  socket.bind({ address: '127.0.0.1', port: 0 });
  const control: ControlMessage[] = [{ kind: 'IP_TOS', dscp: 1, ecn: 1 }];
  socket.sendMsg('hi', { to: socket.getSockName(), control });
  assert.equal(
    lines[0],
    `socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP) = ${socket.fileno()}`,
  );
  const shown = '{cmsg_len=20, cmsg_level=IPPROTO_IP, cmsg_type=IP_TOS, cmsg_data={dscp=1, ecn=1}}';
  assert.ok(
    lines.some((line) => line.includes(`msg_control=[${shown}]`)),
    lines.join('\n'),
  );
});
