import { MessageVector } from '#src/sys/message-vector.js';
import { decodeSockaddr, encodeSockaddr, type SocketAddress } from '#src/sys/sockaddr.js';
import type { Arm } from '../arm.ts';
import { pollState } from '../states.ts';
import type { Scenario } from './connections.ts';

const ROOM_BYTES = 70_000;
const ADDRESS_BYTES = 128;

type Kind = 'SOCK_DGRAM' | 'SOCK_SEQPACKET';

function opened(arm: Arm, family: SocketAddress['family'], kind: Kind = 'SOCK_DGRAM'): number {
  const { AF_INET, AF_INET6, AF_UNIX, SOCK_NONBLOCK = 0, SOCK_CLOEXEC = 0 } = arm.sys.abi.constants;
  const domain = { IPv4: AF_INET, IPv6: AF_INET6, UNIX: AF_UNIX }[family];
  const type = arm.sys.abi.constants[kind] | SOCK_NONBLOCK | SOCK_CLOEXEC;
  return arm.own(arm.sys.socket(domain, type, 0));
}

function bound(arm: Arm, address = '127.0.0.1', family: 'IPv4' | 'IPv6' = 'IPv4'): number {
  const fd = opened(arm, family);
  arm.note('bind', arm.bind(fd, { family, address, port: 0 }));
  return fd;
}

function sendTo(arm: Arm, fd: number, bytes: string | number, to: SocketAddress | null): number {
  const from = typeof bytes === 'number' ? new Uint8Array(bytes) : Buffer.from(bytes);
  const name = new Uint8Array(ADDRESS_BYTES);
  const size = to === null ? 0 : encodeSockaddr(arm.sys.abi, to, name);
  const flags = arm.sys.abi.constants.MSG_NOSIGNAL ?? 0;
  return arm.sys.sendto(fd, from, 0, from.length, flags, to === null ? null : name, size);
}

/** What recvfrom(2) returns: the length or the error, the first bytes, and the sender's host. */
function received(arm: Arm, fd: number, room = ROOM_BYTES, flags = 0): string {
  arm.deliverAll();
  const into = new Uint8Array(ROOM_BYTES);
  const name = new Uint8Array(ADDRESS_BYTES);
  const size = new Int32Array([ADDRESS_BYTES]);
  const result = arm.sys.recvfrom(fd, into, 0, room, flags, name, size);
  if (result < 0) return arm.name(result);
  const text = Buffer.from(into.subarray(0, Math.min(result, 10))).toString('latin1');
  if ((size[0] ?? 0) <= 2) return `${result} ${JSON.stringify(text)}`;
  const from = decodeSockaddr(arm.sys.abi, name, size[0] ?? 0);
  const sender = from.family === 'UNIX' ? 'a path' : from.address;
  return `${result} ${JSON.stringify(text)} from ${sender}`;
}

function wholeOrCut(arm: Arm): void {
  const server = bound(arm);
  const client = opened(arm, 'IPv4');
  const to = arm.nameOf(server);
  arm.note('nothing yet', received(arm, server));
  arm.note('state', pollState(arm.sys, server));
  for (const bytes of ['hello', '', 65_507, 65_508])
    arm.note('send', sendTo(arm, client, bytes, to));
  const { MSG_PEEK, MSG_TRUNC } = arm.sys.abi.constants;
  arm.note('peek', received(arm, server, 3, MSG_PEEK));
  arm.note('real length', received(arm, server, 3, MSG_PEEK | MSG_TRUNC));
  arm.note('cut', received(arm, server, 3));
  arm.note('empty', received(arm, server));
  arm.note('longest', received(arm, server));
  arm.note('no more', received(arm, server));
}

function connected(arm: Arm): void {
  const server = bound(arm);
  const client = opened(arm, 'IPv4');
  arm.note('nowhere to', sendTo(arm, client, 'x', null));
  arm.note('port 0', sendTo(arm, client, 'x', { family: 'IPv4', address: '127.0.0.1', port: 0 }));
  arm.note('connect', arm.connect(client, arm.nameOf(server)));
  arm.note('send', sendTo(arm, client, 'one', null));
  arm.note('received', received(arm, server));
  const stranger = bound(arm);
  arm.note('from a stranger', sendTo(arm, stranger, 'two', arm.nameOf(client)));
  arm.note('is not seen', received(arm, client));
  arm.close(server);
  arm.note('to nobody', sendTo(arm, client, 'three', null));
  arm.deliverAll();
  arm.note('state', pollState(arm.sys, client));
  arm.note('the answer', received(arm, client));
  arm.note('once', received(arm, client));
  arm.note('again', sendTo(arm, client, 'four', null));
  arm.deliverAll();
  arm.note('the next send has it', sendTo(arm, client, 'five', null));
  arm.note('unconnected', sendTo(arm, stranger, 'six', arm.nameOf(client)));
}

function bothFamilies(arm: Arm): void {
  const server = bound(arm, '::', 'IPv6');
  const name = arm.nameOf(server);
  const port = name.family === 'UNIX' ? 0 : name.port;
  const client = opened(arm, 'IPv4');
  const six = opened(arm, 'IPv6');
  arm.note('by IPv4', sendTo(arm, client, 'four', { family: 'IPv4', address: '127.0.0.1', port }));
  arm.note('mapped', received(arm, server));
  arm.note('by IPv6', sendTo(arm, six, 'six', { family: 'IPv6', address: '::1', port }));
  arm.note('as it is', received(arm, server));
  const to = { family: 'IPv6', address: '::ffff:127.0.0.1', port } as const;
  arm.note('to a mapped address', sendTo(arm, six, 'seven', to));
  arm.note('again mapped', received(arm, server));
  const four = opened(arm, 'IPv4');
  arm.note('bind', arm.bind(four, { family: 'IPv4', address: '127.0.0.1', port }));
  arm.note('the ports of TCP are others', boundToTcp(arm));
}

/** Binds a socket of TCP to a port that UDP has: to another where a program has that of TCP. */
function boundToTcp(arm: Arm): number {
  let result = -1;
  for (let ports = 0; result < 0 && ports < 8; ports++) {
    const fd = opened(arm, 'IPv4');
    arm.bind(fd, { family: 'IPv4', address: '127.0.0.1', port: 0 });
    result = arm.bind(arm.socket(), arm.nameOf(fd));
  }
  return result;
}

function byVector(arm: Arm): void {
  const server = bound(arm);
  const client = opened(arm, 'IPv4');
  const sizes = { count: 4, nameBytes: 128, controlBytes: 64, bufferBytes: 16 };
  const messages = new MessageVector(arm.sys, sizes);
  const { MSG_DONTWAIT, MSG_TRUNC } = arm.sys.abi.constants;
  arm.note('none', arm.sys.recvmmsg(server, messages, 4, MSG_DONTWAIT));
  for (let slot = 0; slot < 3; slot += 1) {
    const room = messages.bytes.subarray(messages.nameAt(slot));
    messages.setNameLength(slot, encodeSockaddr(arm.sys.abi, arm.nameOf(server), room));
    messages.setControlLength(slot, 0);
    messages.bytes.fill(97 + slot, messages.bufferAt(slot), messages.bufferAt(slot) + 16);
    messages.setBuffer(slot, messages.bufferAt(slot), 5 * slot);
  }
  arm.note('sent', arm.sys.sendmmsg(client, messages, 0, 3, 0));
  arm.note('one more', sendTo(arm, client, 20, arm.nameOf(server)));
  arm.deliverAll();
  for (let slot = 0; slot < 4; slot += 1) {
    messages.reset(slot);
    messages.setBuffer(slot, messages.bufferAt(slot), 16);
  }
  arm.note('received', arm.sys.recvmmsg(server, messages, 4, MSG_DONTWAIT));
  for (let slot = 0; slot < 4; slot += 1) {
    const cut = (messages.flags(slot) & MSG_TRUNC) !== 0;
    const sizesSeen = `${messages.nameLength(slot)} ${messages.controlLength(slot)}`;
    arm.note(`slot ${slot}`, `${messages.length(slot)} ${sizesSeen} ${cut}`);
  }
}

function byPath(arm: Arm): void {
  const server = opened(arm, 'UNIX');
  const path = `\0${arm.path('datagrams')}`;
  arm.note('bind', arm.bind(server, { family: 'UNIX', path }));
  const client = opened(arm, 'UNIX');
  const nobody = { family: 'UNIX', path: `${path}-nobody` } as const;
  arm.note('to nobody', sendTo(arm, client, 'x', nobody));
  arm.note('no file', sendTo(arm, client, 'x', { family: 'UNIX', path: arm.path('none') }));
  arm.note('nowhere', sendTo(arm, client, 'x', null));
  arm.note('connect', arm.connect(client, { family: 'UNIX', path }));
  let count = 0;
  let result = 0;
  while (result >= 0 && count < 100) {
    result = sendTo(arm, client, 'full', null);
    if (result >= 0) count += 1;
  }
  arm.note('full after', count);
  arm.note('then', result);
  arm.note('state', pollState(arm.sys, client));
  arm.note('one', received(arm, server));
  arm.note('room', pollState(arm.sys, client));
  const stream = arm.socket('UNIX');
  arm.note('a stream', arm.connect(stream, { family: 'UNIX', path }));
  arm.close(server);
  arm.note('closed', sendTo(arm, client, 'x', null));
  arm.note('no peer', sendTo(arm, client, 'x', null));
}

function records(arm: Arm): void {
  const { AF_UNIX, SOCK_SEQPACKET, SOCK_NONBLOCK = 0 } = arm.sys.abi.constants;
  const pair = new Int32Array(2);
  const made = arm.sys.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair);
  arm.note('socketpair', made);
  const [left = -1, right = -1] = [...pair].map((fd) => arm.own(fd));
  arm.note('send', sendTo(arm, left, 'record', null));
  arm.note('send', sendTo(arm, left, 'second', null));
  arm.note('cut', received(arm, right, 3));
  arm.note('the next', received(arm, right));
  arm.note('none', received(arm, right));
  arm.close(left);
  arm.note('state', pollState(arm.sys, right));
  arm.note('end', received(arm, right));
  arm.note('send', sendTo(arm, right, 'x', null));
}

export const datagramScenarios: Readonly<Record<string, Scenario>> = {
  'a datagram is whole, cut, or too long': wholeOrCut,
  'a connected UDP socket hears its peer, and of nobody': connected,
  'a UDP socket of both families': bothFamilies,
  'datagrams by vectors': byVector,
  'UNIX datagrams have a queue of a length': byPath,
  'records end with their connection': records,
};
