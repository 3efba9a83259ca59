import type { Arm } from '../arm.ts';
import { noteState } from '../states.ts';
import type { Scenario } from './connections.ts';

function portOf(arm: Arm, fd: number): number {
  const name = arm.nameOf(fd);
  return name.family === 'UNIX' ? 0 : name.port;
}

function bindTwice(arm: Arm): void {
  const first = arm.socket();
  arm.note('bind', arm.bind(first, { family: 'IPv4', address: '127.0.0.1', port: 0 }));
  const port = portOf(arm, first);
  arm.note('has a port', port > 0);
  arm.note('bind again', arm.bind(first, { family: 'IPv4', address: '127.0.0.1', port: 0 }));
  const attempts = ['127.0.0.1', '0.0.0.0', '127.0.0.2'];
  for (const address of attempts) {
    const other = arm.socket();
    arm.note(`another at ${address}`, arm.bind(other, { family: 'IPv4', address, port }));
  }
  const far = arm.socket();
  arm.note('a foreign address', arm.bind(far, { family: 'IPv4', address: '192.0.2.1', port: 0 }));
  arm.note('another family', arm.bind(far, { family: 'IPv6', address: '::1', port: 0 }));
  arm.note('first closes', arm.close(first));
  const next = arm.socket();
  arm.note('bind anew', arm.bind(next, { family: 'IPv4', address: '127.0.0.1', port }));
}

function reuse(option: 'SO_REUSEADDR' | 'SO_REUSEPORT'): Scenario {
  return (arm) => {
    const first = arm.socket();
    arm.setInt(first, option, 1);
    arm.bind(first, { family: 'IPv4', address: '127.0.0.1', port: 0 });
    const address = { family: 'IPv4', address: '127.0.0.1', port: portOf(arm, first) } as const;
    const plain = arm.socket();
    arm.note('without the option', arm.bind(plain, address));
    const second = arm.socket();
    arm.setInt(second, option, 1);
    arm.note('with it', arm.bind(second, address));
    arm.note('first listens', arm.sys.listen(first, 5));
    arm.note('second listens', arm.sys.listen(second, 5));
    const third = arm.socket();
    arm.setInt(third, option, 1);
    arm.note('with it, beside a listener', arm.bind(third, address));
    const everywhere = arm.socket();
    arm.setInt(everywhere, option, 1);
    arm.note('everywhere', arm.bind(everywhere, { ...address, address: '0.0.0.0' }));
  };
}

function reuseAfterConnections(arm: Arm): void {
  const { fd, address } = arm.listener();
  const client = arm.socket();
  arm.connect(client, address);
  const server = arm.keep('accept', arm.accept(fd));
  arm.close(fd);
  const plain = arm.socket();
  arm.note('without SO_REUSEADDR', arm.bind(plain, address));
  const patient = arm.socket();
  arm.setInt(patient, 'SO_REUSEADDR', 1);
  arm.note('with it', arm.bind(patient, address));
  arm.note('listen', arm.sys.listen(patient, 1));
  arm.note('peer of server', arm.peerOf(server));
}

function bothFamilies(arm: Arm): void {
  const six = arm.socket('IPv6');
  arm.note('bind', arm.bind(six, { family: 'IPv6', address: '::', port: 0 }));
  arm.note('listen', arm.sys.listen(six, 5));
  const port = portOf(arm, six);
  const four = arm.socket('IPv4');
  arm.note('IPv4 beside it', arm.bind(four, { family: 'IPv4', address: '0.0.0.0', port }));
  const client = arm.socket('IPv4');
  arm.note('connect', arm.connect(client, { family: 'IPv4', address: '127.0.0.1', port }));
  const server = arm.keep('accept', arm.accept(six));
  arm.note('peer of server', arm.peerOf(server));
  arm.note('peer of client', arm.peerOf(client));
  const own = arm.nameOf(server);
  arm.note('name of server', own.family === 'UNIX' ? own.path : own.address);
  arm.note('send', arm.send(client, 'four to six'));
  arm.note('recv', arm.recv(server));
  // A port that is free in both families: another program may have one of IPv4 alone.
  const probe = arm.socket('IPv6');
  arm.bind(probe, { family: 'IPv6', address: '::', port: 0 });
  const shared = portOf(arm, probe);
  arm.close(probe);
  const only = arm.socket('IPv6');
  arm.note('IPV6_V6ONLY', arm.setInt(only, 'IPV6_V6ONLY', 1));
  arm.bind(only, { family: 'IPv6', address: '::', port: shared });
  arm.sys.listen(only, 5);
  const lonely = arm.socket();
  arm.note('refused', arm.connect(lonely, { family: 'IPv4', address: '127.0.0.1', port: shared }));
  arm.note('SO_ERROR', arm.errorOf(lonely));
  const beside = arm.socket();
  arm.note('IPv4 beside', arm.bind(beside, { family: 'IPv4', address: '0.0.0.0', port: shared }));
  const sixth = arm.socket('IPv6');
  arm.note('connect', arm.connect(sixth, { family: 'IPv6', address: '::1', port: shared }));
  arm.note('peer', arm.peerOf(arm.keep('accept', arm.accept(only))));
}

function connectToWildcard(arm: Arm): void {
  const { fd, address } = arm.listener();
  if (address.family === 'UNIX') return;
  const client = arm.socket();
  arm.note('connect', arm.connect(client, { ...address, address: '0.0.0.0' }));
  arm.note('peer', arm.peerOf(client));
  arm.keep('accept', arm.accept(fd));
  const unbound = arm.socket();
  arm.note('listen without bind', arm.sys.listen(unbound, 5));
  arm.note('has a port', portOf(arm, unbound) > 0);
}

function unixNames(arm: Arm): void {
  const path = arm.path('names');
  const listener = arm.socket('UNIX');
  const client = arm.socket('UNIX');
  const address = { family: 'UNIX', path } as const;
  arm.note('connect to nothing', arm.connect(client, address));
  arm.note('bind', arm.bind(listener, address));
  arm.note('bind again', arm.bind(listener, { family: 'UNIX', path: `${path}2` }));
  arm.note('connect before listen', arm.connect(client, address));
  arm.note('listen', arm.sys.listen(listener, 5));
  arm.note('connect', arm.connect(client, address));
  noteState(arm, 'client', client);
  arm.note('connect again', arm.connect(client, address));
  const server = arm.keep('accept', arm.accept(listener));
  noteState(arm, 'server', server);
  arm.note('peer of client', arm.peerOf(client));
  arm.note('peer of server', arm.peerOf(server));
  arm.note('connect of listener', arm.connect(listener, address));
  const other = arm.socket('UNIX');
  arm.note('another bind', arm.bind(other, address));
  arm.close(listener);
  arm.note('connect after close', arm.connect(arm.socket('UNIX'), address));
  arm.note('bind over the file', arm.bind(other, address));
  arm.note('unlink', arm.sys.unlink(path));
  arm.note('unlink again', arm.sys.unlink(path));
  arm.note('bind', arm.bind(other, address));
  arm.note('unlink', arm.sys.unlink(path));
}

function abstractNames(arm: Arm): void {
  const address = { family: 'UNIX', path: `\0${arm.path('abstract')}` } as const;
  const listener = arm.socket('UNIX');
  arm.note('connect to nothing', arm.connect(arm.socket('UNIX'), address));
  arm.note('bind', arm.bind(listener, address));
  arm.note('listen', arm.sys.listen(listener, 5));
  const client = arm.socket('UNIX');
  arm.note('connect', arm.connect(client, address));
  arm.keep('accept', arm.accept(listener));
  arm.close(listener);
  arm.note('gone with it', arm.connect(arm.socket('UNIX'), address));
  const next = arm.socket('UNIX');
  arm.note('bind anew', arm.bind(next, address));
}

function unixBacklog(arm: Arm): void {
  const address = { family: 'UNIX', path: `\0${arm.path('backlog')}` } as const;
  const listener = arm.socket('UNIX');
  arm.bind(listener, address);
  arm.sys.listen(listener, 1);
  for (let index = 0; index < 4; index += 1) {
    const client = arm.socket('UNIX');
    arm.note(`connect ${index}`, arm.connect(client, address));
    noteState(arm, `client ${index}`, client);
  }
  arm.keep('accept', arm.accept(listener));
  arm.note('room again', arm.connect(arm.socket('UNIX'), address));
  arm.note('and full', arm.connect(arm.socket('UNIX'), address));
  const waiting = arm.socket('UNIX');
  arm.connect(waiting, address);
  arm.note('listener closes', arm.close(listener));
  arm.note('peer', arm.peerOf(waiting));
}

function tcpBacklog(arm: Arm): void {
  const { fd, address } = arm.listener('IPv4', 1);
  for (let index = 0; index < 3; index += 1) {
    const client = arm.socket();
    arm.note(`connect ${index}`, arm.connect(client, address));
    noteState(arm, `client ${index}`, client);
    arm.note(`peer ${index}`, arm.peerOf(client));
    arm.note(`recv ${index}`, arm.recv(client));
    arm.note(`send ${index}`, arm.send(client, 'a'));
    arm.note(`connect again ${index}`, arm.connect(client, address));
  }
  arm.keep('accept', arm.accept(fd));
  arm.keep('accept', arm.accept(fd));
  arm.note('accept', arm.accept(fd));
}

function wrongDescriptors(arm: Arm): void {
  const [reader] = arm.pipe();
  const { fd, address } = arm.listener();
  arm.close(fd);
  for (const [what, wrong] of [
    ['closed', 999],
    ['pipe', reader],
    ['negative', -1],
  ] as const) {
    arm.note(`${what}, bind`, arm.bind(wrong, address));
    arm.note(`${what}, listen`, arm.sys.listen(wrong, 1));
    arm.note(`${what}, accept`, arm.accept(wrong));
    arm.note(`${what}, connect`, arm.connect(wrong, address));
    arm.note(`${what}, send`, arm.send(wrong, 'a'));
    arm.note(`${what}, recv`, arm.recv(wrong));
    arm.note(`${what}, shutdown`, arm.shutdown(wrong, 'SHUT_RDWR'));
    arm.note(`${what}, SO_ERROR`, arm.getInt(wrong, 'SO_ERROR'));
    arm.note(`${what}, peer`, arm.peerOf(wrong));
  }
  arm.note('close', arm.sys.close(999));
  arm.note('dup', arm.sys.dup(999));
  arm.note('fcntl', arm.sys.fcntl(999, arm.sys.abi.constants.F_GETFL, 0));
}

function shortAddresses(arm: Arm): void {
  const fd = arm.socket();
  const bytes = new Uint8Array(128);
  arm.note('bind without an address', arm.sys.bind(fd, bytes, 0));
  // Zero is AF_UNSPEC, which ends a connection.
  bytes[0] = arm.sys.abi.constants.AF_INET;
  arm.note('bind to 4 bytes', arm.sys.bind(fd, bytes, 4));
  arm.note('connect to 4 bytes', arm.sys.connect(fd, bytes, 4));
  arm.note('shutdown how', arm.sys.shutdown(fd, 7));
  const { AF_INET, SOCK_STREAM } = arm.sys.abi.constants;
  arm.note('family', arm.sys.socket(9999, SOCK_STREAM, 0));
  arm.note('type', arm.sys.socket(AF_INET, 9, 0));
  arm.note('pair of TCP', arm.sys.socketpair(AF_INET, SOCK_STREAM, 0, new Int32Array(2)));
  const { fd: listener, address } = arm.listener();
  const client = arm.socket();
  arm.connect(client, address);
  const length = new Int32Array([4]);
  arm.keep('accept with little room', arm.sys.accept(listener, bytes, length));
  arm.note('length', length[0] ?? -1);
}

/** Scenarios of names and connects. */
export const nameScenarios: Readonly<Record<string, Scenario>> = {
  'bind twice': bindTwice,
  SO_REUSEADDR: reuse('SO_REUSEADDR'),
  SO_REUSEPORT: reuse('SO_REUSEPORT'),
  'SO_REUSEADDR after connections': reuseAfterConnections,
  'both families at one port': bothFamilies,
  'connect to the wildcard': connectToWildcard,
  'UNIX names': unixNames,
  'abstract UNIX names': abstractNames,
  'backlog, UNIX': unixBacklog,
  'backlog, TCP': tcpBacklog,
  'wrong descriptors': wrongDescriptors,
  'short addresses': shortAddresses,
};
