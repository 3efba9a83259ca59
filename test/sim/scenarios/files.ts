import { writeInteger } from '#src/sys/struct.js';
import type { Arm } from '../arm.ts';
import { noteState } from '../states.ts';
import type { Scenario } from './connections.ts';

function word(value: bigint): Uint8Array {
  return new Uint8Array(new BigUint64Array([value]).buffer);
}

function read64(arm: Arm, fd: number): string {
  const bytes = new Uint8Array(8);
  const result = arm.sys.read(fd, bytes, 0, 8);
  return result < 0 ? arm.name(result) : String(new BigUint64Array(bytes.buffer)[0]);
}

function eventCounter(arm: Arm): void {
  const { EFD_NONBLOCK = 0, EFD_CLOEXEC = 0, F_GETFD } = arm.sys.abi.constants;
  const fd = arm.keep('eventfd', arm.sys.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  arm.note('FD_CLOEXEC', arm.sys.fcntl(fd, F_GETFD, 0));
  noteState(arm, 'empty', fd);
  arm.note('read', read64(arm, fd));
  arm.note('write 1', arm.sys.write(fd, word(1n), 0, 8));
  arm.note('write 2', arm.sys.write(fd, word(2n), 0, 8));
  noteState(arm, 'counts', fd);
  arm.note('read', read64(arm, fd));
  arm.note('read again', read64(arm, fd));
  const most = 2n ** 64n - 2n;
  arm.note('write the most', arm.sys.write(fd, word(most), 0, 8));
  noteState(arm, 'full', fd);
  arm.note('write 1 more', arm.sys.write(fd, word(1n), 0, 8));
  arm.note('write 0', arm.sys.write(fd, word(0n), 0, 8));
  arm.note('write too much', arm.sys.write(fd, word(2n ** 64n - 1n), 0, 8));
  arm.note('write 4 bytes', arm.sys.write(fd, word(1n), 0, 4));
  arm.note('read 4 bytes', arm.sys.read(fd, word(1n), 0, 4));
  arm.note('read', read64(arm, fd));
  arm.note('read from an initial', read64(arm, arm.own(arm.sys.eventfd(7, 0))));
}

function pipeLife(arm: Arm): void {
  const [reader, writer] = arm.pipe();
  noteState(arm, 'reader', reader);
  noteState(arm, 'writer', writer);
  const byte = new Uint8Array(1);
  arm.note('read', arm.sys.read(reader, byte, 0, 1));
  arm.note('write', arm.sys.write(writer, byte, 0, 1));
  noteState(arm, 'reader has a byte', reader);
  arm.note('write to the reader', arm.sys.write(reader, byte, 0, 1));
  arm.note('read from the writer', arm.sys.read(writer, byte, 0, 1));
  arm.note('writer closes', arm.close(writer));
  noteState(arm, 'reader has the end too', reader);
  arm.note('read', arm.sys.read(reader, byte, 0, 1));
  arm.note('read the end', arm.sys.read(reader, byte, 0, 1));
  noteState(arm, 'reader at the end', reader);
  const [near, far] = arm.pipe();
  arm.note('reader closes', arm.close(near));
  noteState(arm, 'writer alone', far);
  arm.note('write', arm.sys.write(far, byte, 0, 1));
}

function pipeFull(arm: Arm): void {
  const [reader, writer] = arm.pipe();
  arm.note('fill', arm.fill(writer));
  noteState(arm, 'full', writer);
  const byte = new Uint8Array(5000);
  arm.note('write', arm.sys.write(writer, byte, 0, 1));
  arm.note('read 1', arm.sys.read(reader, byte, 0, 1));
  noteState(arm, 'less one byte', writer);
  arm.note('write', arm.sys.write(writer, byte, 0, 1));
  arm.note('read the page', arm.drain(reader, 4095));
  noteState(arm, 'less a page', writer);
  arm.note('write more than a page', arm.sys.write(writer, byte, 0, 5000));
  noteState(arm, 'full again', writer);
  arm.note('drain', arm.drain(reader));
  noteState(arm, 'empty', writer);
}

function socketFull(kind: 'tcp' | 'unix'): Scenario {
  return (arm) => {
    const [left, right] = kind === 'tcp' ? arm.tcpPair() : arm.unixPair();
    const sent = arm.fill(left);
    arm.note('sent something', sent > 0);
    noteState(arm, 'full', left);
    arm.note('send', arm.send(left, 'a'));
    noteState(arm, 'other end', right);
    arm.note('all came', arm.drain(right) === sent);
    noteState(arm, 'empty', left);
    arm.note('send', arm.send(left, 'a'));
    arm.note('recv', arm.recv(right));
    arm.fill(left);
    arm.note('full and SHUT_WR', arm.shutdown(left, 'SHUT_WR'));
    noteState(arm, 'left', left);
    noteState(arm, 'right', right);
    arm.drain(right);
    arm.note('the end', arm.recv(right));
  };
}

function messageFlags(arm: Arm): void {
  const { MSG_PEEK, MSG_DONTWAIT, MSG_WAITALL, MSG_OOB } = arm.sys.abi.constants;
  for (const kind of ['tcp', 'unix'] as const) {
    const [left, right] = kind === 'tcp' ? arm.tcpPair() : arm.unixPair();
    arm.send(left, 'abcdef');
    arm.note('peek', arm.recv(right, 4, MSG_PEEK));
    arm.note('peek more', arm.recv(right, 64, MSG_PEEK));
    arm.note('recv 2', arm.recv(right, 2));
    arm.note('recv the rest', arm.recv(right, 64, MSG_WAITALL));
    arm.note('recv nothing', arm.recv(right, 64, MSG_PEEK));
    arm.note('recv out of band', kind === 'tcp' ? arm.recv(right, 1, MSG_OOB) : '');
    arm.note('send nothing', arm.send(left, ''));
    noteState(arm, 'after nothing', right);
  }
  const { fd, address } = arm.listener();
  const blocking = arm.socket('IPv4', 'blocking');
  arm.note('blocking connect', arm.connect(blocking, address));
  arm.note('recv MSG_DONTWAIT', arm.recv(blocking, 1, MSG_DONTWAIT));
  arm.note('SO_RCVTIMEO', arm.timeout(blocking, 'SO_RCVTIMEO', 20));
  arm.note('recv with a timeout', arm.recv(blocking, 1));
  const server = arm.keep('accept', arm.accept(fd));
  arm.send(server, 'abc');
  arm.note('recv blocking', arm.recv(blocking, 64));
  arm.send(server, 'de');
  arm.note('recv MSG_WAITALL', arm.recv(blocking, 64, MSG_WAITALL));
}

function blockingAccept(arm: Arm): void {
  const { fd, address } = arm.listener();
  const { F_SETFL } = arm.sys.abi.constants;
  arm.note('blocks now', arm.sys.fcntl(fd, F_SETFL, 0));
  arm.note('SO_RCVTIMEO', arm.timeout(fd, 'SO_RCVTIMEO', 20));
  arm.note('accept', arm.accept(fd));
  const client = arm.socket('IPv4', 'blocking');
  arm.note('connect', arm.connect(client, address));
  arm.note('connect again', arm.connect(client, address));
  arm.keep('accept', arm.accept(fd));
  arm.note('SO_SNDTIMEO', arm.timeout(client, 'SO_SNDTIMEO', 20));
  const sent = arm.fill(client);
  arm.note('blocking sends end with the timeout', sent > 0);
  noteState(arm, 'full', client);
}

function flags(arm: Arm): void {
  const { F_GETFL, F_SETFL, F_GETFD, F_SETFD, O_NONBLOCK, FD_CLOEXEC } = arm.sys.abi.constants;
  const fd = arm.socket('IPv4', 'blocking');
  const mask = 3 | O_NONBLOCK;
  arm.note('F_GETFL', arm.sys.fcntl(fd, F_GETFL, 0) & mask);
  arm.note('F_SETFL', arm.sys.fcntl(fd, F_SETFL, O_NONBLOCK));
  arm.note('F_GETFL', arm.sys.fcntl(fd, F_GETFL, 0) & mask);
  arm.note('F_GETFD', arm.sys.fcntl(fd, F_GETFD, 0));
  arm.note('F_SETFD', arm.sys.fcntl(fd, F_SETFD, 0));
  arm.note('F_GETFD', arm.sys.fcntl(fd, F_GETFD, 0));
  const twin = arm.keep('dup', arm.sys.dup(fd));
  arm.note('of the dup', arm.sys.fcntl(twin, F_GETFL, 0) & mask);
  arm.sys.fcntl(twin, F_SETFL, 0);
  arm.note('is shared', arm.sys.fcntl(fd, F_GETFL, 0) & mask);
  arm.sys.fcntl(twin, F_SETFD, FD_CLOEXEC);
  arm.note('is not shared', arm.sys.fcntl(fd, F_GETFD, 0));
  const [reader, writer] = arm.pipe(O_NONBLOCK | arm.sys.abi.constants.O_CLOEXEC);
  arm.note('reader', arm.sys.fcntl(reader, F_GETFL, 0) & mask);
  arm.note('writer', arm.sys.fcntl(writer, F_GETFL, 0) & mask);
  arm.note('writer FD_CLOEXEC', arm.sys.fcntl(writer, F_GETFD, 0));
  const none = arm.keep('/dev/null', arm.sys.open('/dev/null', 0));
  arm.note('read', arm.sys.read(none, new Uint8Array(1), 0, 1));
  arm.note('no such file', arm.sys.open('/no/such/file', 0));
}

function lowestFree(arm: Arm): void {
  const [first, second, third] = [arm.socket(), arm.socket(), arm.socket()];
  arm.close(second);
  arm.close(first);
  arm.requireReuse(arm.socket(), first);
  arm.requireReuse(arm.socket(), second);
  arm.note('then a new one', arm.socket() > third);
}

function outOfDescriptors(arm: Arm): void {
  const { RLIMIT_NOFILE } = arm.sys.abi.constants;
  const { rlimit } = arm.sys.abi.structs;
  const { fd, address } = arm.listener();
  const client = arm.socket();
  const before = new Uint8Array(rlimit.size);
  arm.note('getrlimit', arm.sys.getrlimit(RLIMIT_NOFILE, before));
  const low = before.slice();
  // The lowest free number is the limit: nothing more can be opened.
  const next = arm.socket();
  writeInteger(new DataView(low.buffer), 0, rlimit.fields.rlim_cur, next);
  arm.close(next);
  arm.note('setrlimit', arm.sys.setrlimit(RLIMIT_NOFILE, low));
  try {
    arm.note('socket', arm.socket());
    arm.note('accept of nothing', arm.accept(fd));
    arm.connect(client, address);
    arm.note('accept', arm.accept(fd));
    noteState(arm, 'listener', fd);
    arm.note('dup', arm.sys.dup(fd));
    arm.note('eventfd', arm.sys.eventfd(0, 0));
    arm.note('pipe', arm.sys.pipe(new Int32Array(2)));
    arm.note('open', arm.sys.open('/dev/null', 0));
    arm.note('epoll_create1', arm.sys.epoll_create1(0));
  } finally {
    arm.sys.setrlimit(RLIMIT_NOFILE, before);
  }
  arm.keep('accept with room', arm.accept(fd));
}

function options(arm: Arm): void {
  const tcp = arm.socket();
  const unix = arm.socket('UNIX');
  for (const name of ['SO_TYPE', 'SO_DOMAIN', 'SO_ACCEPTCONN', 'SO_ERROR', 'SO_REUSEADDR']) {
    arm.note(`${name} of TCP`, arm.getInt(tcp, name));
    arm.note(`${name} of UNIX`, arm.getInt(unix, name));
  }
  arm.note('TCP_NODELAY', arm.setInt(tcp, 'TCP_NODELAY', 1));
  arm.note('TCP_NODELAY', arm.getInt(tcp, 'TCP_NODELAY'));
  arm.note('SO_KEEPALIVE', arm.setInt(tcp, 'SO_KEEPALIVE', 1));
  arm.note('SO_KEEPALIVE', arm.getInt(tcp, 'SO_KEEPALIVE'));
  arm.note('SO_ERROR is read only', arm.setInt(tcp, 'SO_ERROR', 1));
  arm.note('SO_TYPE is read only', arm.setInt(tcp, 'SO_TYPE', 1));
  arm.note('no such option', arm.setInt(tcp, 'SO_NONE', 1));
  arm.note('no such option', arm.getInt(tcp, 'SO_NONE'));
  arm.note('TCP on UNIX', arm.setInt(unix, 'TCP_NODELAY', 1));
  arm.note('TCP on UNIX', arm.getInt(unix, 'TCP_NODELAY'));
  arm.note('SO_SNDBUF', arm.setInt(tcp, 'SO_SNDBUF', 20_000));
  arm.note('SO_SNDBUF', arm.getInt(tcp, 'SO_SNDBUF'));
  const { sys } = arm;
  const short = sys.setsockopt(tcp, arm.level('SO_'), arm.option('SO_REUSEADDR'), word(1n), 2);
  arm.note('short value', short);
  arm.note('linger', arm.linger(tcp, 5));
  const bytes = new Uint8Array(16);
  const length = new Int32Array([16]);
  sys.getsockopt(tcp, arm.level('SO_'), arm.option('SO_LINGER'), bytes, length);
  arm.note('linger', `${length[0]} ${bytes.slice(0, 8).join(' ')}`);
  arm.timeout(tcp, 'SO_RCVTIMEO', 40);
  length[0] = 16;
  sys.getsockopt(tcp, arm.level('SO_'), arm.option('SO_RCVTIMEO'), bytes, length);
  arm.note('timeout', `${length[0]} ${bytes.join(' ')}`);
}

/** Scenarios of files of all kinds and their options. */
export const fileScenarios: Readonly<Record<string, Scenario>> = {
  eventfd: eventCounter,
  'pipe: its ends': pipeLife,
  'pipe: full': pipeFull,
  'full buffers, TCP': socketFull('tcp'),
  'full buffers, UNIX': socketFull('unix'),
  'flags of messages': messageFlags,
  'blocking calls and their timeouts': blockingAccept,
  'flags of descriptors': flags,
  'the lowest free number': lowestFree,
  'no descriptors left': outOfDescriptors,
  options,
};
