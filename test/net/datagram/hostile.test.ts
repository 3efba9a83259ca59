// Goal: what a network or a peer does against the rules is counted, and ends no socket.
// Method: on every loop, a namespace with a small MTU, no route, and packets of raw sockets; and
// options that make the kernel cut control messages off.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nativeSys } from '#src/sys/native.js';
import { run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { inNamespace, reasonWithoutNamespaces } from '#test/harness/namespace.js';
import { closeAll, overLoops, recorded, until } from './drive.ts';

const sys = nativeSys();
const { constants } = sys.abi;

test('datagrams: a small MTU, a group without a route, forged senders', {
  skip: reasonWithoutNamespaces,
  timeout: 60_000,
}, async (t) => {
  leakCheck(t);
  const file = fileURLToPath(new URL('./hostile-steps.js', import.meta.url));
  const words = inNamespace('ip link set lo mtu 576', [process.execPath, file]);
  const { status, out, err } = await run(t, words);
  assert.equal(status, 0, err);
  const seen = Object.entries(JSON.parse(out) as Record<string, Record<string, unknown>>);
  assert.ok(seen.length > 0);
  const lengths = [...new Array(30).fill(1200), 500, 100, 100];
  for (const [name, { longerThanMtu, withoutRoute, forged }] of seen) {
    const expected = { lengths, sent: 33, sendErrors: {}, peerErrors: {} };
    assert.deepEqual(longerThanMtu, expected, name);
    const { joining, ...counts } = withoutRoute as { joining: string };
    assert.deepEqual(counts, { sendErrors: { ENETUNREACH: 1 }, peerErrors: {} }, name);
    assert.match(joining, /^cannot join 239\.1\.2\.3: ENODEV \(/, name);
    const answered = {
      asked: ['of port 0', 'a question'],
      sendErrors: { EINVAL: 1 },
      answers: ['a question'],
      events: ['close null'],
    };
    assert.deepEqual(forged, answered, name);
  }
});

/** Options of Linux that add control messages which no loop asks for. */
const IPPROTO_IPV6 = 41;
const IPV6_2292PKTINFO = 2;
const IPV6_2292HOPLIMIT = 8;
const IPV6_RECVORIGDSTADDR = 74;
const SO_TIMESTAMPING = 37;
const SOFTWARE_TIMES = (1 << 3) | (1 << 4);

overLoops('control messages that are cut off are counted, and those before are read', (loop) => {
  if (constants.UDP_GRO === undefined) return;
  const told: string[] = [];
  const server = recorded(loop, {
    host: '::1',
    info: ['local', 'ecn', 'ttl', 'timestamp'],
    handlers: {
      datagrams: (_, batch) => {
        for (let index = 0; index < batch.length; index++) {
          assert.equal(batch.truncated(index), false);
          const ageMs = Date.now() - batch.timestampMs(index);
          assert.ok(Math.abs(ageMs) < 20_000, `${ageMs} ms old`);
          told.push(`${batch.local(index)} ecn ${batch.ecn(index)} ttl ${batch.ttl(index)}`);
        }
      },
    },
  });
  for (const [level, option, value] of [
    [constants.SOL_SOCKET, SO_TIMESTAMPING, SOFTWARE_TIMES],
    [IPPROTO_IPV6, IPV6_2292PKTINFO, 1],
    [IPPROTO_IPV6, IPV6_2292HOPLIMIT, 1],
    [IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1],
  ] as const) {
    const bytes = new Uint8Array(Int32Array.of(value).buffer);
    assert.equal(sys.setsockopt(server.socket.fd, level, option, bytes, bytes.length), 0);
  }
  const client = recorded(loop, { host: '::1' });
  const to = server.socket.address;
  client.socket.sendMany(['one', 'two', 'three'], { to, ecn: 1 });
  until(loop, () => told.length === 3, 'all have come');
  assert.deepEqual(
    server.came.map(({ text }) => text),
    ['one', 'two', 'three'],
  );
  assert.equal(server.socket.stats().controlTruncated, 3);
  assert.deepEqual(told, new Array(3).fill(`${to} ecn 1 ttl 64`));
  closeAll(loop, server, client);
});
