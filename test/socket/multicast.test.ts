// Goal: a socket hears the groups that it has joined, by the interface and of the source that it
// has named, and no others; what is wrong is named.
// Method: groups on the loopback interface; IPv6 in a network namespace that has a route for them.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { GroupOptions, Socket } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import { run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { inNamespace, reasonWithoutNamespaces } from '#test/harness/namespace.js';
import { opened, portOf, textFrom } from './datagram-ends.ts';
import { failureOf } from './ends.ts';

const isLinux = process.platform === 'linux';
const linuxOnly = isLinux ? false : 'the loopback interface of other platforms differs';
const GROUP = '239.255.77.7';
const SOURCE_GROUP = '232.255.77.7';
const index = nativeSys().if_nametoindex(isLinux ? 'lo' : 'lo0');

interface Listener {
  readonly listener: Socket;
  readonly sender: Socket;
  readonly port: number;
}

/** A socket that has joined nothing, and one that sends by the loopback interface. */
function sockets(t: TestContext): Listener {
  const listener = opened(t, 'IPv4');
  listener.bind({ address: '0.0.0.0', port: 0 });
  // What other sockets of the machine have joined does not count.
  if (isLinux) listener.setSockOpt('IP_MULTICAST_ALL', false);
  const sender = opened(t, 'IPv4');
  sender.bind({ address: '127.0.0.1', port: 0 });
  sender.setMulticastInterface(index);
  return { listener, sender, port: portOf(listener) };
}

/** Asserts that `listener` hears the group, or does not. */
function assertHears({ listener, sender, port }: Listener, address: string, hears: boolean): void {
  sender.sendTo('to the group', { address, port });
  sender.sendTo('the mark', { address: '127.0.0.1', port });
  if (hears) assert.equal(textFrom(listener), 'to the group');
  assert.equal(textFrom(listener), 'the mark');
}

test('a group is heard from joining to leaving, by any name of the interface', {
  skip: linuxOnly,
}, (t) => {
  leakCheck(t);
  const ends = sockets(t);
  const { listener } = ends;
  assertHears(ends, GROUP, false);
  for (const on of [index, 'lo', '127.0.0.1']) {
    listener.joinGroup(GROUP, { interface: on });
    assert.equal(failureOf(() => listener.joinGroup(GROUP, { interface: on })).code, 'EADDRINUSE');
    assertHears(ends, GROUP, true);
    assertHears(ends, '239.255.77.8', false);
    listener.leaveGroup(GROUP, { interface: on });
    assertHears(ends, GROUP, false);
  }
});

test('of a source that was named no other one is heard', { skip: linuxOnly }, (t) => {
  leakCheck(t);
  const ends = sockets(t);
  for (const on of [index, 'lo', '127.0.0.1']) {
    const near: GroupOptions = { interface: on, source: '127.0.0.1' };
    const other: GroupOptions = { interface: on, source: '127.0.0.2' };
    ends.listener.joinGroup(SOURCE_GROUP, other);
    assertHears(ends, SOURCE_GROUP, false);
    ends.listener.joinGroup(SOURCE_GROUP, near);
    assertHears(ends, SOURCE_GROUP, true);
    ends.listener.leaveGroup(SOURCE_GROUP, near);
    assertHears(ends, SOURCE_GROUP, false);
    ends.listener.leaveGroup(SOURCE_GROUP, other);
  }
});

test('the named options do the same, and one source can be blocked', { skip: linuxOnly }, (t) => {
  leakCheck(t);
  const ends = sockets(t);
  const { listener, sender } = ends;
  const group = { group: GROUP, interfaceIndex: index };
  const source = { group: GROUP, source: '127.0.0.1', interfaceAddress: '127.0.0.1' };
  listener.setSockOpt('IP_ADD_MEMBERSHIP', group);
  assertHears(ends, GROUP, true);
  listener.setSockOpt('IP_BLOCK_SOURCE', source);
  assertHears(ends, GROUP, false);
  listener.setSockOpt('IP_UNBLOCK_SOURCE', source);
  assertHears(ends, GROUP, true);
  listener.setSockOpt('IP_DROP_MEMBERSHIP', group);
  assertHears(ends, GROUP, false);
  sender.setSockOpt('IP_MULTICAST_LOOP', false);
  assert.equal(sender.getSockOpt('IP_MULTICAST_LOOP'), false);
  sender.setSockOpt('IP_MULTICAST_TTL', 7);
  assert.equal(sender.getSockOpt('IP_MULTICAST_TTL'), 7);
  sender.setMulticastInterface('127.0.0.1');
  assert.equal(sender.getSockOpt('IP_MULTICAST_IF'), '127.0.0.1');
  sender.setSockOpt('IP_MULTICAST_IF', '0.0.0.0');
  assert.equal(sender.getSockOpt('IP_MULTICAST_IF'), '0.0.0.0');
});

test('groups of IPv6 are joined and left by name and by index', { skip: linuxOnly }, (t) => {
  leakCheck(t);
  const socket = opened(t, 'IPv6');
  socket.bind({ address: '::', port: 0 });
  for (const on of [index, 'lo']) {
    for (const [group, source] of [['ff12::77:7'], ['ff3e::77:7', '::1']] as const) {
      const options = source === undefined ? { interface: on } : { interface: on, source };
      socket.joinGroup(group, options);
      assert.ok(
        ['EADDRINUSE', 'EADDRNOTAVAIL'].includes(
          failureOf(() => socket.joinGroup(group, options)).code,
        ),
      );
      socket.leaveGroup(group, options);
      const left = failureOf(() => socket.leaveGroup(group, options)).code;
      assert.ok(['EADDRNOTAVAIL', 'EINVAL'].includes(left), left);
    }
    socket.setMulticastInterface(on);
    assert.equal(socket.getSockOpt('IPV6_MULTICAST_IF'), index);
  }
  socket.setSockOpt('IPV6_JOIN_GROUP', { group: 'ff12::77:8', interfaceIndex: index });
  socket.setSockOpt('IPV6_LEAVE_GROUP', { group: 'ff12::77:8', interfaceIndex: index });
  socket.setSockOpt('IPV6_MULTICAST_HOPS', 7);
  assert.equal(socket.getSockOpt('IPV6_MULTICAST_HOPS'), 7);
  socket.setSockOpt('IPV6_MULTICAST_LOOP', false);
  assert.equal(socket.getSockOpt('IPV6_MULTICAST_LOOP'), false);
});

test('groups of IPv6 are heard, a segment never exceeds the MTU, no route is an error', {
  skip: reasonWithoutNamespaces,
}, async (t) => {
  leakCheck(t);
  const file = fileURLToPath(new URL('./namespace-steps.js', import.meta.url));
  const setup = 'ip link set lo mtu 1500; ip -6 route add local ff00::/8 dev lo table local';
  const words = inNamespace(setup, [process.execPath, file]);
  const { status, out, err } = await run(t, words);
  assert.equal(status, 0, err);
  const steps = JSON.parse(out);
  assert.deepEqual(steps.heard, ['ff12::77:7 by lo', 'ff12::77:7 by 1', 'ff3e::77:7 of ::1']);
  assert.match(steps.segment, /^cannot send to 127\.0\.0\.1:\d+: E(INVAL|MSGSIZE) \(/);
  assert.match(steps.noRoute, /^cannot send to 239\.1\.2\.3:9: ENETUNREACH \(/);
  assert.match(steps.noInterface, /^cannot join 239\.1\.2\.3: ENODEV \(/);
});

test('what is no group, no source and no interface is named', (t) => {
  leakCheck(t);
  const socket = opened(t, 'IPv4');
  const joined = (group: unknown, options?: unknown) => () =>
    socket.joinGroup(group as string, options as GroupOptions);
  const group = 'a group is an address of multicast such as 239.1.2.3, not';
  for (const address of ['127.0.0.1', '::1', 'group', '']) {
    assert.throws(joined(address), new RangeError(`${group} "${address}"`));
  }
  assert.throws(joined(5), /a group is a string, not 5/);
  assert.throws(
    joined(GROUP, { source: '::1' }),
    new RangeError('a source is an IPv4 address as its group is, not "::1"'),
  );
  assert.throws(joined(GROUP, { source: 5 }), /a source is a string, not 5/);
  assert.throws(
    joined(GROUP, { interface: 'nowhere0' }),
    new RangeError('an interface is its name, index or address here, not the string "nowhere0"'),
  );
  assert.throws(joined(GROUP, { interface: -1 }), /the index of an interface is a number from 0/);
  assert.throws(joined(GROUP, { interface: {} }), /an interface is a string, not an object/);
  assert.throws(
    joined('ff12::1', { interface: '127.0.0.1' }),
    new RangeError('the interface of an IPv6 group is a name or an index, not "127.0.0.1"'),
  );
  const absent = failureOf(joined(GROUP, { interface: 99_999 }));
  assert.match(absent.message, /^cannot join 239\.255\.77\.7 on 99999: E[A-Z]+ \(/);
  assert.equal(absent.syscall, 'setsockopt');
  const foreign = failureOf(joined(SOURCE_GROUP, { interface: '192.0.2.99', source: '127.0.0.1' }));
  const words = /^cannot join 232\.255\.77\.7 for 127\.0\.0\.1 on 192\.0\.2\.99: E[A-Z]+ \(/;
  assert.match(foreign.message, words);
  const never = failureOf(() => socket.leaveGroup(GROUP, { interface: index }));
  assert.match(never.message, /^cannot leave 239\.255\.77\.7 on \d+: EADDRNOTAVAIL \(/);
  assert.throws(() => opened(t, 'UNIX').setMulticastInterface(1), /a UNIX socket has no multicast/);
  assert.throws(() => socket.setMulticastInterface('nowhere0'), RangeError);
  assert.match(
    failureOf(() => socket.setMulticastInterface('192.0.2.99')).message,
    /^cannot send multicasts by 192\.0\.2\.99: E[A-Z]+ \(/,
  );
});
