import { writeInteger } from '#src/sys/struct.js';
import type { Arm } from '../arm.ts';
import { epollEvent, epollState, noteState, pollState, selectState } from '../states.ts';
import type { Scenario } from './connections.ts';

function bits(arm: Arm) {
  const { EPOLLIN = 0, EPOLLOUT = 0, EPOLLET = 0, EPOLLONESHOT = 0 } = arm.sys.abi.constants;
  const { EPOLL_CTL_ADD = 0, EPOLL_CTL_DEL = 0, EPOLL_CTL_MOD = 0 } = arm.sys.abi.constants;
  return { EPOLLIN, EPOLLOUT, EPOLLET, EPOLLONESHOT, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD };
}

/** epoll_ctl(2) with the descriptor as its data. */
function control(
  arm: Arm,
  epoll: number,
  operation: 'EPOLL_CTL_ADD' | 'EPOLL_CTL_DEL' | 'EPOLL_CTL_MOD',
  fd: number,
  events: number,
): number {
  return arm.sys.epoll_ctl(epoll, bits(arm)[operation], fd, epollEvent(arm.sys, fd, events));
}

function registration(arm: Arm): void {
  const { EPOLLIN, EPOLLOUT } = bits(arm);
  const epoll = arm.keep('epoll', arm.sys.epoll_create1(0));
  const [left] = arm.unixPair();
  const none = arm.own(arm.sys.open('/dev/null', 0));
  arm.note('MOD before', control(arm, epoll, 'EPOLL_CTL_MOD', left, EPOLLIN));
  arm.note('DEL before', control(arm, epoll, 'EPOLL_CTL_DEL', left, 0));
  arm.note('ADD', control(arm, epoll, 'EPOLL_CTL_ADD', left, EPOLLIN));
  arm.note('ADD again', control(arm, epoll, 'EPOLL_CTL_ADD', left, EPOLLOUT));
  arm.note('quiet', epollState(arm.sys, epoll));
  arm.note('MOD', control(arm, epoll, 'EPOLL_CTL_MOD', left, EPOLLOUT));
  arm.note('writable', epollState(arm.sys, epoll));
  arm.note('MOD to nothing', control(arm, epoll, 'EPOLL_CTL_MOD', left, 0));
  arm.note('quiet', epollState(arm.sys, epoll));
  arm.note('DEL', control(arm, epoll, 'EPOLL_CTL_DEL', left, 0));
  arm.note('DEL again', control(arm, epoll, 'EPOLL_CTL_DEL', left, 0));
  arm.note('ADD a file', control(arm, epoll, 'EPOLL_CTL_ADD', none, EPOLLIN));
  arm.note('ADD a closed one', control(arm, epoll, 'EPOLL_CTL_ADD', 999, EPOLLIN));
  arm.note('ADD itself', control(arm, epoll, 'EPOLL_CTL_ADD', epoll, EPOLLIN));
  arm.note('on a socket', control(arm, left, 'EPOLL_CTL_ADD', epoll, EPOLLIN));
  arm.note('on a closed one', control(arm, 999, 'EPOLL_CTL_ADD', left, EPOLLIN));
  arm.note('wait for none', arm.sys.epoll_wait(epoll, new Uint8Array(64), 0, 0));
  arm.note('wait on a socket', arm.sys.epoll_wait(left, new Uint8Array(64), 1, 0));
}

function closing(arm: Arm): void {
  const { EPOLLIN, EPOLLOUT } = bits(arm);
  const epoll = arm.own(arm.sys.epoll_create1(0));
  const [left, right] = arm.unixPair();
  control(arm, epoll, 'EPOLL_CTL_ADD', left, EPOLLIN | EPOLLOUT);
  arm.send(right, 'a');
  arm.note('open', epollState(arm.sys, epoll));
  arm.close(left);
  arm.note('closed', epollState(arm.sys, epoll));
  const [third] = arm.unixPair();
  arm.requireReuse(third, left);
  arm.note('ADD', control(arm, epoll, 'EPOLL_CTL_ADD', third, EPOLLOUT));
  arm.note('open', epollState(arm.sys, epoll));
}

function closingWithDup(arm: Arm): void {
  const { EPOLLIN, EPOLLOUT } = bits(arm);
  const epoll = arm.own(arm.sys.epoll_create1(0));
  const [left, right] = arm.unixPair();
  const twin = arm.keep('dup', arm.sys.dup(left));
  control(arm, epoll, 'EPOLL_CTL_ADD', left, EPOLLIN);
  arm.send(right, 'a');
  arm.close(left);
  const names = new Map([
    [left, 'left'],
    [twin, 'twin'],
  ]);
  arm.note('closed, its dup lives', epollState(arm.sys, epoll, names));
  arm.note('DEL', control(arm, epoll, 'EPOLL_CTL_DEL', left, 0));
  const [again] = arm.unixPair();
  arm.requireReuse(again, left);
  arm.note('ADD', control(arm, epoll, 'EPOLL_CTL_ADD', again, EPOLLOUT));
  arm.note('both', epollState(arm.sys, epoll, names));
  arm.note('ADD of the dup', control(arm, epoll, 'EPOLL_CTL_ADD', twin, EPOLLIN));
  arm.note('all three', epollState(arm.sys, epoll, names));
  arm.close(twin);
  arm.note('the dup is closed', epollState(arm.sys, epoll, names));
}

function edges(arm: Arm): void {
  const { EPOLLIN, EPOLLET, EPOLLONESHOT } = bits(arm);
  const epoll = arm.own(arm.sys.epoll_create1(0));
  const [left, right] = arm.unixPair();
  control(arm, epoll, 'EPOLL_CTL_ADD', left, EPOLLIN | EPOLLET);
  arm.note('nothing', epollState(arm.sys, epoll));
  arm.send(right, 'a');
  arm.note('edge', epollState(arm.sys, epoll));
  arm.note('no edge', epollState(arm.sys, epoll));
  arm.send(right, 'b');
  arm.note('another edge', epollState(arm.sys, epoll));
  arm.note('no edge', epollState(arm.sys, epoll));
  control(arm, epoll, 'EPOLL_CTL_MOD', left, EPOLLIN | EPOLLET);
  arm.note('armed again', epollState(arm.sys, epoll));
  control(arm, epoll, 'EPOLL_CTL_MOD', left, EPOLLIN | EPOLLONESHOT);
  arm.note('once', epollState(arm.sys, epoll));
  arm.send(right, 'c');
  arm.note('not twice', epollState(arm.sys, epoll));
  control(arm, epoll, 'EPOLL_CTL_MOD', left, EPOLLIN | EPOLLONESHOT);
  arm.note('once more', epollState(arm.sys, epoll));
}

function hangUps(arm: Arm): void {
  const epoll = arm.own(arm.sys.epoll_create1(0));
  const [left, right] = arm.unixPair();
  control(arm, epoll, 'EPOLL_CTL_ADD', left, 0);
  arm.note('nothing asked, nothing said', epollState(arm.sys, epoll));
  arm.close(right);
  arm.note('hang-ups are always said', epollState(arm.sys, epoll));
  const [reader, writer] = arm.pipe();
  arm.close(reader);
  const other = arm.own(arm.sys.epoll_create1(0));
  control(arm, other, 'EPOLL_CTL_ADD', writer, 0);
  arm.note('errors too', epollState(arm.sys, other));
}

function nested(arm: Arm): void {
  const { EPOLLIN } = bits(arm);
  const inner = arm.own(arm.sys.epoll_create1(0));
  const outer = arm.own(arm.sys.epoll_create1(0));
  const [left, right] = arm.unixPair();
  control(arm, inner, 'EPOLL_CTL_ADD', left, EPOLLIN);
  arm.note('ADD', control(arm, outer, 'EPOLL_CTL_ADD', inner, EPOLLIN));
  arm.note('quiet', epollState(arm.sys, outer));
  arm.note('quiet for poll', pollState(arm.sys, inner));
  arm.send(right, 'a');
  arm.note('ready', epollState(arm.sys, outer));
  arm.note('ready for poll', pollState(arm.sys, inner));
  arm.note('the inner one', epollState(arm.sys, inner));
}

function shortList(arm: Arm): void {
  const { EPOLLOUT } = bits(arm);
  const epoll = arm.own(arm.sys.epoll_create1(0));
  const fds = [...arm.unixPair(), ...arm.unixPair()];
  const names = new Map(fds.map((fd, index) => [fd, String(index)]));
  for (const fd of fds) control(arm, epoll, 'EPOLL_CTL_ADD', fd, EPOLLOUT);
  for (let turn = 0; turn < 4; turn += 1) {
    arm.note(`turn ${turn}`, epollState(arm.sys, epoll, names, 3));
  }
}

function pollOdds(arm: Arm): void {
  const { pollfd } = arm.sys.abi.structs;
  const { POLLIN } = arm.sys.abi.constants;
  arm.note('closed', pollState(arm.sys, 999));
  arm.note('negative', pollState(arm.sys, -1));
  // Linux ignores numbers beyond its table, so this one is within.
  const gone = arm.socket();
  arm.close(gone);
  arm.note('closed for select', selectState(arm.sys, gone));
  const none = arm.own(arm.sys.open('/dev/null', 0));
  arm.note('a file', pollState(arm.sys, none));
  arm.note('a file for select', selectState(arm.sys, none));
  const [left, right] = arm.unixPair();
  const bytes = new Uint8Array(pollfd.size);
  const view = new DataView(bytes.buffer);
  writeInteger(view, 0, pollfd.fields.fd, left);
  writeInteger(view, 0, pollfd.fields.events, POLLIN);
  arm.note('times out', arm.sys.poll(bytes, 1, 15));
  arm.note('no interest', arm.sys.poll(bytes, 0, 0));
  const twin = arm.own(arm.sys.dup(right));
  arm.close(right);
  arm.note('a dup keeps it open', arm.sys.poll(bytes, 1, 0));
  arm.close(twin);
  noteState(arm, 'both closed', left);
}

function selectTimes(arm: Arm): void {
  const { fd_set, timeval } = arm.sys.abi.structs;
  const [left, right] = arm.unixPair();
  const set = new Uint8Array(fd_set.size);
  set[left >> 3] = 1 << (left & 7);
  const timeout = new Uint8Array(timeval.size);
  const view = new DataView(timeout.buffer);
  writeInteger(view, 0, timeval.fields.tv_usec, 15_000);
  arm.note('times out', arm.sys.select(left + 1, set, null, timeout));
  arm.note(
    'the set is empty',
    set.every((byte) => byte === 0),
  );
  arm.note(
    'no time is left',
    timeout.every((byte) => byte === 0),
  );
  writeInteger(view, 0, timeval.fields.tv_sec, 50);
  set[left >> 3] = 1 << (left & 7);
  arm.send(right, 'a');
  arm.note('ready', arm.sys.select(left + 1, set, null, timeout));
  arm.note('time is left', view.getInt32(0, true) >= 49);
  writeInteger(view, 0, timeval.fields.tv_sec, -1);
  arm.note('negative', arm.sys.select(left + 1, set, null, timeout));
  arm.note('negative count', arm.sys.select(-1, null, null, timeout));
}

function waitingForLater(arm: Arm): void {
  const { fd, address } = arm.listener();
  const client = arm.socket();
  arm.connect(client, address);
  const server = arm.keep('accept', arm.accept(fd));
  const before = arm.sys.monotonicMs();
  arm.note('waits', pollState(arm.sys, client, 0));
  arm.sys.epoll_wait(arm.own(arm.sys.epoll_create1(0)), new Uint8Array(64), 1, 25);
  arm.note('and time passes', arm.sys.monotonicMs() - before >= 25);
  arm.send(server, 'a');
  arm.note('ready', pollState(arm.sys, client, -1));
}

/** Scenarios of poll, select and epoll beyond reports. */
export const pollingScenarios: Readonly<Record<string, Scenario>> = {
  'epoll: registration': registration,
  'epoll: close': closing,
  'epoll: close with a dup': closingWithDup,
  'epoll: edges': edges,
  'epoll: hang-ups': hangUps,
  'epoll: nested': nested,
  'epoll: a short list': shortList,
  'poll and select: odd descriptors': pollOdds,
  'select: its timeout': selectTimes,
  'waiting takes time': waitingForLater,
};
