// Goal: a backlog counts each byte once, holds and sheds no more than it has to, and lets go again.
// Method: connections that are made up, on a loop that is a list of tasks.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Loop } from '#src/loop/loop.js';
import { Backlog, type Backlogged } from '#src/net/guards/backlog.js';
import type { GuardPlan } from '#src/net/guards/guards.js';

class Member implements Backlogged {
  backlogIndex = -1;
  countedBytes = 0;
  queuedNow = 0;
  progressMs = 0;
  readonly serial: number;
  readonly log: string[] = [];

  constructor(serial: number) {
    this.serial = serial;
  }

  queueBegan(): void {
    this.log.push('began');
  }

  look(): void {
    this.log.push('look');
  }

  hold(): void {
    this.log.push('hold');
  }

  release(): void {
    this.log.push('release');
  }

  shed(): void {
    this.log.push('shed');
  }
}

function backlogOf(whenQueueFull: GuardPlan['whenQueueFull'], count: number) {
  const tasks: (() => void)[] = [];
  const loop = { closed: false, defer: (task: () => void) => void tasks.push(task) };
  const plan = { queuedBytesMax: 100, whenQueueFull };
  const backlog = new Backlog(loop as unknown as Loop, plan as GuardPlan);
  const members = Array.from({ length: count }, (_, serial) => new Member(serial));
  return {
    backlog,
    members: members as [Member, Member, ...Member[]],
    grow: (member: Member, bytes: number): void => {
      member.queuedNow = bytes;
      backlog.grew(member, bytes);
    },
    leave: (member: Member): void => {
      member.queuedNow = 0;
      backlog.left(member);
    },
    settle: (): void => {
      for (const task of tasks.splice(0)) task();
    },
  };
}

test('backlog: it holds above its limit, and lets go once, at half of it', () => {
  const { members, grow, leave, settle } = backlogOf('wait', 3);
  const [one, other] = members;
  grow(one, 40);
  grow(other, 60);
  settle();
  assert.deepEqual(one.log, ['began'], 'the limit itself is no excess');
  grow(other, 61);
  settle();
  assert.deepEqual(
    [one.log, other.log],
    [
      ['began', 'hold'],
      ['began', 'hold'],
    ],
  );
  // What grows while it holds counts once.
  grow(one, 45);
  leave(other);
  settle();
  assert.deepEqual(one.log.slice(-2), ['hold', 'release']);
  const third = members[2] as Member;
  grow(third, 10);
  leave(one);
  settle();
  assert.deepEqual(third.log, ['began'], 'it holds nobody any more');
});

test('backlog: members leave in any order, and the others are still counted', () => {
  for (const order of [
    [0, 2, 1],
    [2, 0, 1],
    [1, 0, 2],
  ] as const) {
    const { members, grow, leave, settle } = backlogOf('wait', 4);
    for (const member of members.slice(0, 3)) grow(member, 20);
    for (const at of order) leave(members[at] as Member);
    assert.deepEqual(
      members.map(({ backlogIndex }) => backlogIndex),
      [-1, -1, -1, -1],
    );
    settle();
    const last = members[3] as Member;
    grow(last, 100);
    settle();
    assert.deepEqual(last.log, ['began']);
    grow(last, 101);
    settle();
    assert.deepEqual(
      members.map(({ log }) => log.includes('hold')),
      [false, false, false, true],
      'those that have left are held no more',
    );
  }
});

test('backlog: what was taken meanwhile is counted before one is shed, and the newest goes', () => {
  const { members, grow, settle } = backlogOf('shedNewest', 3);
  for (const member of members) grow(member, 60);
  // The kernel has taken most of two of them.
  for (const member of members.slice(0, 2)) member.queuedNow = 20;
  settle();
  assert.deepEqual(
    members.map(({ log }) => log.includes('shed')),
    [false, false, false],
  );
  for (const member of members) member.queuedNow = 60;
  grow(members[0], 61);
  settle();
  assert.deepEqual(
    members.map(({ log }) => log.includes('shed')),
    [false, true, true],
  );
});

test('backlog: the slowest is the one that took bytes longest ago, of these the fullest', () => {
  const { members, grow, settle } = backlogOf('closeSlowest', 3);
  for (const [index, progressMs] of [5, 3, 3].entries()) {
    (members[index] as Member).progressMs = progressMs;
  }
  grow(members[0], 30);
  grow(members[1], 30);
  grow(members[2] as Member, 50);
  settle();
  assert.deepEqual(
    members.map(({ log }) => log.includes('shed')),
    [false, false, true],
  );
  assert.ok(members.every(({ log }) => log.includes('look')));
});
