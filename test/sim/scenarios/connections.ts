import type { Arm } from '../arm.ts';
import { noteState } from '../states.ts';

/** Steps that run over both kernels. */
export type Scenario = (arm: Arm) => void;

/** A port of 127.0.0.1 without a listener. */
function deadAddress(arm: Arm) {
  const { fd, address } = arm.listener();
  arm.close(fd);
  return address;
}

/** The pair of a scenario: TCP and UNIX streams differ in places. */
function pairOf(arm: Arm, kind: 'tcp' | 'unix'): readonly [number, number] {
  return kind === 'tcp' ? arm.tcpPair() : arm.unixPair();
}

function refused(arm: Arm): void {
  const address = deadAddress(arm);
  const fd = arm.socket();
  noteState(arm, 'before', fd);
  arm.note('connect', arm.connect(fd, address));
  noteState(arm, 'refused', fd);
  arm.note('peer', arm.peerOf(fd));
  arm.note('SO_ERROR', arm.errorOf(fd));
  arm.note('SO_ERROR again', arm.errorOf(fd));
  noteState(arm, 'error taken', fd);
  arm.note('recv', arm.recv(fd));
  arm.note('send', arm.send(fd, 'a'));
  arm.note('connect again', arm.connect(fd, address));
  arm.note('connect anew', arm.connect(fd, address));
  arm.note('SO_ERROR of the second', arm.errorOf(fd));
}

function refusedUnread(arm: Arm): void {
  const address = deadAddress(arm);
  for (const call of ['recv', 'send', 'connect'] as const) {
    const fd = arm.socket();
    arm.connect(fd, address);
    if (call === 'recv') arm.note('recv tells', arm.recv(fd));
    if (call === 'send') arm.note('send tells', arm.send(fd, 'a'));
    if (call === 'connect') arm.note('connect tells', arm.connect(fd, address));
    arm.note(`${call}, then recv`, arm.recv(fd));
    arm.note(`${call}, then send`, arm.send(fd, 'a'));
    noteState(arm, `after ${call}`, fd);
  }
  const blocking = arm.socket('IPv4', 'blocking');
  arm.note('blocking connect', arm.connect(blocking, address));
  arm.note('then SO_ERROR', arm.errorOf(blocking));
  noteState(arm, 'then', blocking);
}

function accepted(arm: Arm): void {
  const { SOCK_NONBLOCK, F_GETFL, F_GETFD, O_NONBLOCK } = arm.sys.abi.constants;
  const { fd, address } = arm.listener();
  noteState(arm, 'listener', fd);
  arm.note('accept', arm.accept(fd));
  const client = arm.socket();
  arm.note('connect', arm.connect(client, address));
  noteState(arm, 'client', client);
  noteState(arm, 'listener', fd);
  arm.note('send before accept', arm.send(client, 'early'));
  const server = arm.keep('accept', arm.accept(fd));
  noteState(arm, 'server', server);
  noteState(arm, 'listener', fd);
  arm.note('server blocks', (arm.sys.fcntl(server, F_GETFL, 0) & O_NONBLOCK) === 0);
  arm.note('server FD_CLOEXEC', arm.sys.fcntl(server, F_GETFD, 0));
  arm.note('recv', arm.recv(server));
  arm.note('peer of server', arm.peerOf(server));
  arm.note('peer of client', arm.peerOf(client));
  arm.note('connect tells', arm.connect(client, address));
  arm.note('connect again', arm.connect(client, address));
  arm.note('connect of server', arm.connect(server, address));
  arm.note('connect of listener', arm.connect(fd, address));
  arm.note('listen on a connection', arm.sys.listen(client, 1));
  arm.note('accept on a connection', arm.accept(client));
  const second = arm.socket();
  arm.connect(second, address);
  const quick = arm.keep('accept4', arm.accept(fd, SOCK_NONBLOCK));
  arm.note('recv at once', arm.recv(quick));
}

function unconnected(arm: Arm): void {
  for (const family of ['IPv4', 'UNIX'] as const) {
    const fd = arm.socket(family);
    noteState(arm, `${family}, new`, fd);
    arm.note(`${family}, recv`, arm.recv(fd));
    arm.note(`${family}, send`, arm.send(fd, 'a'));
    arm.note(`${family}, accept`, arm.accept(fd));
    arm.note(`${family}, peer`, arm.peerOf(fd));
    arm.note(`${family}, shutdown`, arm.shutdown(fd, 'SHUT_RDWR'));
    arm.note(`${family}, listen`, arm.sys.listen(arm.socket(family), 5));
  }
  const { fd } = arm.listener();
  arm.note('listener, recv', arm.recv(fd));
  arm.note('listener, send', arm.send(fd, 'a'));
  arm.note('listener, peer', arm.peerOf(fd));
  arm.note('listener, shutdown SHUT_WR', arm.shutdown(fd, 'SHUT_WR'));
  arm.note('listener, listen again', arm.sys.listen(fd, 1));
}

function halfClose(kind: 'tcp' | 'unix'): Scenario {
  return (arm) => {
    const [left, right] = pairOf(arm, kind);
    noteState(arm, 'idle', left);
    arm.note('send', arm.send(left, 'hello'));
    noteState(arm, 'right has bytes', right);
    arm.note('left SHUT_WR', arm.shutdown(left, 'SHUT_WR'));
    noteState(arm, 'left half closed', left);
    noteState(arm, 'right has bytes and an end', right);
    arm.note('left sends', arm.send(left, 'more'));
    arm.note('right receives', arm.recv(right));
    arm.note('right receives the end', arm.recv(right));
    arm.note('and again', arm.recv(right));
    arm.note('right answers', arm.send(right, 'environment'));
    noteState(arm, 'left has an answer', left);
    arm.note('left receives', arm.recv(left));
    arm.note('left waits', arm.recv(left));
    arm.note('left SHUT_WR again', arm.shutdown(left, 'SHUT_WR'));
    arm.note('right SHUT_WR', arm.shutdown(right, 'SHUT_WR'));
    noteState(arm, 'left at the end', left);
    noteState(arm, 'right at the end', right);
    arm.note('left receives the end', arm.recv(left));
    arm.note('left sends', arm.send(left, 'late'));
    arm.note('right sends', arm.send(right, 'late'));
    arm.note('left SHUT_RDWR', arm.shutdown(left, 'SHUT_RDWR'));
    arm.note('peer of left', arm.peerOf(left));
    arm.note('errors', `${arm.errorOf(left)} ${arm.errorOf(right)}`);
  };
}

function readShut(kind: 'tcp' | 'unix'): Scenario {
  return (arm) => {
    const [left, right] = pairOf(arm, kind);
    arm.note('send', arm.send(right, 'first'));
    arm.note('left SHUT_RD', arm.shutdown(left, 'SHUT_RD'));
    noteState(arm, 'left', left);
    noteState(arm, 'right', right);
    arm.note('left receives', arm.recv(left));
    arm.note('left receives the end', arm.recv(left));
    arm.note('right sends', arm.send(right, 'second'));
    arm.note('left receives', arm.recv(left));
    arm.note('left sends', arm.send(left, 'third'));
    arm.note('right receives', arm.recv(right));
  };
}

function resetByUnread(kind: 'tcp' | 'unix', first: 'recv' | 'send' | 'SO_ERROR'): Scenario {
  return (arm) => {
    const [left, right] = pairOf(arm, kind);
    arm.note('left sends', arm.send(left, 'never read'));
    arm.note('right sends', arm.send(right, 'last words'));
    arm.note('right closes', arm.close(right));
    noteState(arm, 'left', left);
    if (first === 'send') arm.note('send tells', arm.send(left, 'a'));
    if (first === 'SO_ERROR') arm.note('SO_ERROR tells', arm.errorOf(left));
    arm.note('recv', arm.recv(left));
    arm.note('recv again', arm.recv(left));
    arm.note('recv once more', arm.recv(left));
    arm.note('send', arm.send(left, 'a'));
    arm.note('send again', arm.send(left, 'a'));
    arm.note('peer', arm.peerOf(left));
    noteState(arm, 'left in the end', left);
    arm.note('shutdown', arm.shutdown(left, 'SHUT_RDWR'));
  };
}

function sendAfterClose(kind: 'tcp' | 'unix'): Scenario {
  return (arm) => {
    const [left, right] = pairOf(arm, kind);
    arm.note('right sends', arm.send(right, 'bye'));
    arm.note('right closes', arm.close(right));
    noteState(arm, 'left', left);
    arm.note('left sends', arm.send(left, 'a'));
    noteState(arm, 'left has sent', left);
    arm.note('left sends again', arm.send(left, 'b'));
    arm.note('left sends once more', arm.send(left, 'c'));
    arm.note('left receives', arm.recv(left));
    arm.note('left receives the end', arm.recv(left));
    arm.note('SO_ERROR', arm.errorOf(left));
    noteState(arm, 'left in the end', left);
  };
}

function lingerZero(arm: Arm): void {
  const [left, right] = arm.tcpPair();
  arm.note('SO_LINGER', arm.linger(right, 0));
  arm.note('right sends', arm.send(right, 'before'));
  arm.note('right closes', arm.close(right));
  noteState(arm, 'left', left);
  arm.note('left receives', arm.recv(left));
  arm.note('and then', arm.recv(left));
  arm.note('and then', arm.recv(left));
}

function resetAfterHalfClose(arm: Arm): void {
  const [left, right] = arm.tcpPair();
  arm.note('left SHUT_WR', arm.shutdown(left, 'SHUT_WR'));
  arm.linger(right, 0);
  arm.note('right closes', arm.close(right));
  noteState(arm, 'left', left);
  arm.note('recv', arm.recv(left));
  arm.note('recv again', arm.recv(left));
  const [near, far] = arm.tcpPair();
  arm.note('far SHUT_WR', arm.shutdown(far, 'SHUT_WR'));
  arm.linger(far, 0);
  arm.note('far closes', arm.close(far));
  noteState(arm, 'near', near);
  arm.note('SO_ERROR', arm.errorOf(near));
  arm.note('recv', arm.recv(near));
  arm.note('send', arm.send(near, 'a'));
}

function listenerCloses(arm: Arm): void {
  const { fd, address } = arm.listener();
  const client = arm.socket();
  arm.connect(client, address);
  arm.note('send', arm.send(client, 'hello'));
  arm.note('listener closes', arm.close(fd));
  noteState(arm, 'client', client);
  arm.note('recv', arm.recv(client));
  arm.note('recv again', arm.recv(client));
}

function clientGoneBeforeAccept(arm: Arm): void {
  const { fd, address } = arm.listener();
  const polite = arm.socket();
  arm.connect(polite, address);
  arm.send(polite, 'bye');
  arm.close(polite);
  const rude = arm.socket();
  arm.connect(rude, address);
  arm.linger(rude, 0);
  arm.close(rude);
  noteState(arm, 'listener', fd);
  const first = arm.keep('accept', arm.accept(fd));
  noteState(arm, 'first', first);
  arm.note('recv', arm.recv(first));
  arm.note('recv the end', arm.recv(first));
  const second = arm.keep('accept', arm.accept(fd));
  noteState(arm, 'second', second);
  arm.note('recv', arm.recv(second));
  arm.note('accept', arm.accept(fd));
}

/** Scenarios of the two ends of a connection. */
export const connectionScenarios: Readonly<Record<string, Scenario>> = {
  'connect refused': refused,
  'connect refused, told by the next call': refusedUnread,
  'connect and accept': accepted,
  'calls without a connection': unconnected,
  'half-close, TCP': halfClose('tcp'),
  'half-close, UNIX': halfClose('unix'),
  'SHUT_RD, TCP': readShut('tcp'),
  'SHUT_RD, UNIX': readShut('unix'),
  'reset by unread bytes, TCP, recv first': resetByUnread('tcp', 'recv'),
  'reset by unread bytes, TCP, send first': resetByUnread('tcp', 'send'),
  'reset by unread bytes, TCP, SO_ERROR first': resetByUnread('tcp', 'SO_ERROR'),
  'reset by unread bytes, UNIX, recv first': resetByUnread('unix', 'recv'),
  'reset by unread bytes, UNIX, send first': resetByUnread('unix', 'send'),
  'reset by unread bytes, UNIX, SO_ERROR first': resetByUnread('unix', 'SO_ERROR'),
  'send after the peer has closed, TCP': sendAfterClose('tcp'),
  'send after the peer has closed, UNIX': sendAfterClose('unix'),
  'SO_LINGER of 0': lingerZero,
  'reset after a half-close': resetAfterHalfClose,
  'listener closes with a connection waiting': listenerCloses,
  'client gone before accept': clientGoneBeforeAccept,
};
