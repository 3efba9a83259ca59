// Goal: the zone of a link-local address is kept on its way in and out, in the library and by load.
// Method: an address of the loopback interface in a namespace of its own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zonesRestored } from '#src/net/addresses.js';
import { nativeSys } from '#src/sys/native.js';
import { encodeSockaddr, type SocketAddress } from '#src/sys/sockaddr.js';
import type { Sys } from '#src/sys/sys.js';
import { run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { inNamespace, reasonWithoutNamespaces } from '#test/harness/namespace.js';
import { root, sockloop } from '#test/harness/programs.js';
import { standIn } from '#test/sys/stand-in.js';

const HOST = 'fe80::1%lo';
const LINK_LOCAL = 'ip -6 addr add fe80::1/64 dev lo nodad';

/** Serves HOST, connects from HOST, and runs load against itself; prints what it saw. */
const PROGRAM = `
  import { spawn } from 'node:child_process';
  import { createConnection, EventLoop, formatAddress } from '${root}dist/src/index.js';
  const [host, file, ...words] = process.argv.slice(1);
  const seen = [];
  const loop = new EventLoop();
  const listener = loop.listen({ host, port: 0, handlers: {
    open: (connection) => { seen.push(formatAddress(connection.remoteAddress)); },
    data: (connection, chunk) => { connection.write(chunk); },
  } });
  const { port } = listener.address;
  createConnection({ host, port }).close();
  loop.connect({ host, port, localAddress: host, handlers: {
    open: (connection) => {
      seen.push(formatAddress(connection.localAddress));
      connection.end();
      const load = spawn(file, words.map((word) => word.replace('PORT', port)));
      load.stderr.pipe(process.stderr);
      load.on('close', (status) => {
        console.log(JSON.stringify({ status, seen: seen.slice(0, 3) }));
        loop.close();
      });
    },
  } });
  await loop.run();
`;

test('zones: fe80::1%lo listens, connects, is connected from and measured', {
  timeout: 60_000,
  skip: reasonWithoutNamespaces,
}, async (t) => {
  leakCheck(t);
  const flags = ['--connections', '2', '--duration', '0.2', '--warmup', '0', '--json'];
  const load = sockloop('load', HOST, 'PORT', '--source-addresses', HOST, ...flags);
  const words = [process.execPath, '--input-type=module', '-e', PROGRAM, HOST, ...load];
  const { out, err } = await run(t, inNamespace(LINK_LOCAL, words));
  assert.match(out, /^\{.*\}\n$/, err);
  const { status, seen } = JSON.parse(out) as { status: number; seen: string[] };
  assert.equal(status, 0, err);
  assert.equal(seen.length, 3);
  for (const address of seen) assert.match(address, /^\[fe80::1%1\]:\d+$/);
});

test('zones: load names an interface that is not here', {
  timeout: 60_000,
  skip: reasonWithoutNamespaces,
}, async (t) => {
  leakCheck(t);
  const to = sockloop('load', '::1', '7', '--source-addresses', 'fe80::1%br-none0');
  const { status, err } = await run(t, to);
  assert.equal(status, 1);
  assert.equal(
    err,
    'sockloop: "fe80::1%br-none0" names an interface that is not here: "br-none0"\n',
  );
});

/** A Sys whose resolver knows `found`, or returns `code`. */
function resolving(found: readonly SocketAddress[], code = 0): Sys {
  const native = nativeSys();
  return standIn(native, {
    getaddrinfo: (_node, _service, _hints, results) => {
      results.addresses = found.map((address) => {
        const bytes = new Uint8Array(128);
        return bytes.subarray(0, encodeSockaddr(native.abi, address, bytes));
      });
      return code;
    },
  });
}

test('zones: a name that resolves to a link-local address keeps the zone', (t) => {
  leakCheck(t);
  const sys = resolving([
    { family: 'IPv6', address: 'fe80::1', port: 0, scopeId: 3 },
    { family: 'IPv4', address: '192.0.2.1', port: 0 },
  ]);
  const restored = zonesRestored('printer.local', ['fe80::1', '192.0.2.1'], sys);
  assert.deepEqual(restored, ['fe80::1%3', '192.0.2.1']);
  const failing = resolving([], sys.abi.constants.EAI_AGAIN);
  assert.deepEqual(zonesRestored('printer.local', ['fe80::1'], failing), ['fe80::1']);
});

test('zones: the resolver is not asked again for other addresses', (t) => {
  leakCheck(t);
  const sys = standIn(nativeSys(), { getaddrinfo: () => assert.fail('asked') });
  const addresses = ['2001:db8::1', '192.0.2.1', 'fe80::1%2'];
  assert.equal(zonesRestored('host', addresses, sys), addresses);
});
