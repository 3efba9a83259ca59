// Goal: a client does not take itself for a server if nobody listens on a port of the ephemeral
// range. The conformance suite has the cases of the event loops.
// Method: a socket bound to the address that it connects to; a namespace with eight ports.

import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { createConnection, createServer, Socket, SysError } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { run } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { inNamespace, reasonWithoutNamespaces } from '#test/harness/namespace.js';
import { sockloop } from '#test/harness/programs.js';
import { standIn } from '#test/sys/stand-in.js';

const native = nativeSys();

/** A kernel that binds every socket to the address that it connects to. */
function unlucky(): Sys {
  return standIn(native, {
    connect: (fd, address, length) => {
      const bound = native.bind(fd, address, length);
      return bound < 0 ? bound : native.connect(fd, address, length);
    },
  });
}

function freePort(host: string): number {
  using server = createServer({ host, port: 0 });
  const name = server.getSockName();
  assert.ok(name.family !== 'UNIX');
  return name.port;
}

describe('self-connection: createConnection()', () => {
  for (const host of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    for (const options of [{}, { timeoutMs: 5000 }]) {
      const bound = 'timeoutMs' in options ? ' within a time' : '';
      it(`refuses to talk to itself at ${host}${bound}`, (t) => {
        leakCheck(t);
        const port = freePort(host);
        assert.throws(
          () => createConnection({ host, port }, { ...options, sys: unlucky() }),
          (error) => {
            assert.ok(error instanceof SysError);
            assert.equal(error.code, 'ECONNREFUSED');
            assert.equal(error.port, port);
            assert.match(error.message, /\(nobody listens: the socket connected to itself\)$/);
            return true;
          },
        );
        // The port is free at once.
        createServer({ host, port }).close();
      });
    }
  }

  it('Socket.connect() is connect(2), and meets itself', (t) => {
    leakCheck(t);
    const address = { address: '127.0.0.1', port: freePort('127.0.0.1') };
    using socket = new Socket('IPv4');
    socket.bind(address);
    socket.connect(address);
    assert.deepEqual(socket.getSockName(), socket.getPeerName());
    socket.setSockOpt('SO_LINGER', 0);
  });
});

/** So few that a client soon connects to itself. */
const EIGHT_PORTS = 'echo 42000 42007 > /proc/sys/net/ipv4/ip_local_port_range';
const TARGET = ['127.0.0.1', '42002'];

test('self-connection: load and send find nobody where nobody listens', {
  timeout: 60_000,
  skip: reasonWithoutNamespaces,
}, async (t) => {
  leakCheck(t);
  const flags = ['--connections', '3', '--duration', '30', '--warmup', '0', '--json'];
  const load = await run(t, inNamespace(EIGHT_PORTS, sockloop('load', ...TARGET, ...flags)));
  assert.equal(load.status, 1, load.err);
  assert.match(load.err, /connections were refused: does a server listen there\?\n$/);
  const words = sockloop('send', '--threads', '12', ...TARGET, 'hello');
  const send = await run(t, inNamespace(EIGHT_PORTS, words));
  assert.equal(send.status, 1);
  assert.equal(send.out, '');
  assert.match(send.err, /^12 threads \(12 failed\), 0 of 12 messages, 0 replies/m);
});
