// Goal: createServer() and createConnection() take a host and a port, or a path.
// Method: real names and ports of this machine; a resolver with fixed answers.

import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import {
  createConnection,
  createServer,
  type Endpoint,
  hostName,
  resolve,
  Socket,
} from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import { encodeSockaddr, SOCKADDR_BYTES_MAX, type SocketAddress } from '#src/sys/sockaddr.js';
import type { Sys } from '#src/sys/sys.js';
import { ResolveError } from '#src/sys/sys-error.js';
import { leakCheck, openFds } from '#test/harness/leaks.js';
import { standIn } from '#test/sys/stand-in.js';
import { bytesOf, closing, failureOf, received, temporaryDirectory } from './ends.ts';

const native = nativeSys();
const { constants } = native.abi;

function portOf(socket: Socket): number {
  const name = socket.getSockName();
  assert.ok(name.family !== 'UNIX');
  return name.port;
}

/** A resolver that knows one host, with these addresses. */
function resolvingTo(...addresses: readonly SocketAddress[]): Sys {
  return standIn(native, {
    getaddrinfo: (_node, _service, _hints, results) => {
      results.addresses = addresses.map((address) => {
        const bytes = new Uint8Array(SOCKADDR_BYTES_MAX);
        return bytes.subarray(0, encodeSockaddr(native.abi, address, bytes));
      });
      return 0;
    },
  });
}

/** An address of 127.0.0.1 without a listener. */
function refusing(t: TestContext): SocketAddress {
  const socket = closing(t, new Socket('IPv4'));
  socket.bind({ address: '127.0.0.1', port: 0 });
  return socket.getSockName();
}

function assertTalk(t: TestContext, server: Socket, endpoint: Endpoint): void {
  const client = closing(t, createConnection(endpoint, { timeoutMs: 5000 }));
  const accepted = closing(t, server.accept()[0]);
  client.sendAll(bytesOf('hello'));
  assert.equal(received(accepted), 'hello');
  assert.deepEqual(client.getPeerName(), accepted.getSockName());
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('socket: createServer() and createConnection()', () => {
  for (const host of ['127.0.0.1', '::1', 'localhost']) {
    it(`talk over ${host}`, (t) => {
      leakCheck(t);
      const server = closing(t, createServer({ host, port: 0 }));
      assertTalk(t, server, { host, port: portOf(server) });
      assert.equal(server.getSockOpt('SO_REUSEADDR'), true);
    });
  }

  it('talk over all interfaces if the host is null', (t) => {
    leakCheck(t);
    const server = closing(t, createServer({ host: null, port: 0 }));
    const name = server.getSockName();
    assert.ok(name.family === 'IPv6');
    assert.equal(name.address, '::');
    // Null is the loopback address for a client; one of its two families answers.
    for (const host of ['127.0.0.1', '::1', null]) {
      const client = closing(t, createConnection({ host, port: name.port }, { timeoutMs: 5000 }));
      const [connection, peer] = server.accept();
      closing(t, connection);
      const own = client.getSockName();
      assert.ok(own.family !== 'UNIX' && peer.family === 'IPv6');
      assert.equal(peer.address, own.family === 'IPv4' ? '::ffff:127.0.0.1' : '::1');
      assert.equal(peer.port, own.port);
    }
  });

  it('listen on 0.0.0.0 without IPv6, but not if the port is in use', (t) => {
    leakCheck(t);
    const { AF_INET6 } = constants;
    const { EAFNOSUPPORT = 97 } = native.abi.errno as { EAFNOSUPPORT?: number };
    const without = standIn(native, {
      socket: (domain, type, protocol) =>
        domain === AF_INET6 ? -EAFNOSUPPORT : native.socket(domain, type, protocol),
    });
    const server = closing(t, createServer({ host: null, port: 0 }, { sys: without }));
    const name = server.getSockName();
    assert.ok(name.family === 'IPv4');
    assert.equal(name.address, '0.0.0.0');
    assert.throws(() => createServer({ host: null, port: name.port }), {
      message: `cannot listen on [::]:${name.port}: EADDRINUSE (address already in use)`,
    });
  });

  it('the timeout applies to later calls on the connection', (t) => {
    leakCheck(t);
    const server = closing(t, createServer({ host: '127.0.0.1', port: 0 }));
    const endpoint = { host: '127.0.0.1', port: portOf(server) };
    const patient = closing(t, createConnection(endpoint));
    assert.equal(patient.getSockOpt('SO_RCVTIMEO'), 0);
    const client = closing(t, createConnection(endpoint, { timeoutMs: 500 }));
    assert.equal(client.getSockOpt('SO_RCVTIMEO'), 500);
    assert.throws(() => createConnection(endpoint, { timeoutMs: 0 }), RangeError);
  });

  it('the backlog and SO_REUSEPORT are set', (t) => {
    leakCheck(t);
    const backlogs: number[] = [];
    const sys = standIn(native, {
      listen: (fd, backlog) => {
        backlogs.push(backlog);
        return native.listen(fd, backlog);
      },
    });
    const endpoint = { host: '127.0.0.1', port: 0 };
    closing(t, createServer(endpoint, { sys }));
    closing(t, createServer(endpoint, { sys, backlog: 3 }));
    assert.deepEqual(backlogs, [constants.SOMAXCONN, 3]);
    const first = closing(t, createServer(endpoint, { reusePort: true }));
    const shared = { host: '127.0.0.1', port: portOf(first) };
    closing(t, createServer(shared, { reusePort: true }));
    assert.equal(failureOf(() => createServer(shared)).code, 'EADDRINUSE');
  });

  it('try one address after another', (t) => {
    leakCheck(t);
    const server = closing(t, createServer({ host: '127.0.0.1', port: 0 }));
    const [bad, good] = [refusing(t), server.getSockName()];
    const sys = resolvingTo(bad, bad, good, bad);
    const client = closing(t, createConnection({ host: 'several', port: 1 }, { sys }));
    assert.deepEqual(client.getPeerName(), good);
    const free = { family: 'IPv4', address: '127.0.0.1', port: 0 } as const;
    const second = createServer({ host: 'several', port: 1 }, { sys: resolvingTo(good, free) });
    assert.notDeepEqual(closing(t, second).getSockName(), good);
  });

  it('throw the error of the last address, and leave nothing open', (t) => {
    leakCheck(t);
    const [first, last] = [refusing(t), refusing(t)];
    const before = openFds().size;
    const sys = resolvingTo(first, last);
    const error = failureOf(() => createConnection({ host: 'several', port: 1 }, { sys }));
    assert.ok(last.family === 'IPv4');
    assert.deepEqual([error.code, error.port], ['ECONNREFUSED', last.port]);
    const none = resolvingTo();
    assert.throws(() => createConnection({ host: 'x', port: 1 }, { sys: none }), {
      message: 'the resolver found no address',
    });
    assert.equal(openFds().size, before);
  });

  it('a port in use is one sentence', (t) => {
    leakCheck(t);
    const server = closing(t, createServer({ host: '127.0.0.1', port: 0 }));
    const port = portOf(server);
    const before = openFds().size;
    assert.throws(() => createServer({ host: '127.0.0.1', port }), {
      name: 'SysError',
      message: `cannot listen on 127.0.0.1:${port}: EADDRINUSE (address already in use)`,
      code: 'EADDRINUSE',
      address: '127.0.0.1',
      port,
    });
    assert.equal(openFds().size, before);
  });

  it('a port can be listened on again at once', (t) => {
    leakCheck(t);
    const server = closing(t, createServer({ host: '127.0.0.1', port: 0 }));
    const endpoint = { host: '127.0.0.1', port: portOf(server) };
    const client = closing(t, createConnection(endpoint));
    // The side that closes first keeps the port in TIME_WAIT.
    server.accept()[0].close();
    assert.equal(client.recv(new Uint8Array(1)), 0);
    client.close();
    server.close();
    closing(t, createServer(endpoint));
  });

  it('an invalid host, name or port leaves nothing open', (t) => {
    leakCheck(t);
    const before = openFds().size;
    const create: readonly ((endpoint: Endpoint) => Socket)[] = [createServer, createConnection];
    for (const call of create) {
      for (const port of [-1, 65536, 1.5, Number.NaN]) {
        const message = `a port is a number from 0 to 65535, not ${port}`;
        assert.throws(() => call({ host: '127.0.0.1', port }), new RangeError(message));
      }
      assert.throws(() => call({ path: 'p'.repeat(500) }), RangeError);
      assert.throws(() => call({ path: '/tmp/a\0b' }), RangeError);
      assert.throws(() => call({ host: '127.0.0.1\0.example', port: 1 }), {
        name: 'ResolveError',
        code: 'ENOTFOUND',
        hostname: '127.0.0.1\0.example',
        message: /^cannot resolve "127\.0\.0\.1\\u0000\.example": ENOTFOUND \(/,
      });
    }
    assert.equal(openFds().size, before);
  });

  it('a host that does not exist is a ResolveError', { timeout: 60_000 }, (t) => {
    leakCheck(t);
    const before = openFds().size;
    assert.throws(
      () => createConnection({ host: 'nohost.invalid', port: 1 }),
      (error) => {
        assert.ok(error instanceof ResolveError);
        // Without a name server to ask, it is EAI_AGAIN.
        assert.match(error.code, /^(ENOTFOUND|EAI_AGAIN|EAI_FAIL)$/);
        assert.equal(error.hostname, 'nohost.invalid');
        assert.match(error.message, /^cannot resolve "nohost.invalid": E[A-Z_]+ \([a-z].*\)$/);
        return true;
      },
    );
    assert.equal(openFds().size, before);
  });
});

describe('socket: UNIX servers', () => {
  it('the file of a dead server is taken over', (t) => {
    leakCheck(t);
    const path = join(temporaryDirectory(t), 'socket');
    createServer({ path }).close();
    assert.ok(lstatSync(path).isSocket());
    assertTalk(t, closing(t, createServer({ path })), { path });
  });

  it('that of a live server is not, even if its queue is full', (t) => {
    leakCheck(t);
    const path = join(temporaryDirectory(t), 'socket');
    const live = closing(t, createServer({ path }, { backlog: 0 }));
    const inode = lstatSync(path).ino;
    const before = openFds().size;
    for (let count = 0; count < 4; count++) {
      // Each attempt leaves a connection in the queue.
      assert.throws(() => createServer({ path }), {
        code: 'EADDRINUSE',
        message: `cannot listen on ${path}: EADDRINUSE (address already in use)`,
      });
    }
    assert.equal(openFds().size, before);
    assert.equal(lstatSync(path).ino, inode);
    live.accept()[0].close();
  });

  it('a file, a directory and a link are never removed', (t) => {
    leakCheck(t);
    const directory = temporaryDirectory(t);
    const [file, folder] = [join(directory, 'file'), join(directory, 'folder')];
    const [link, dead] = [join(directory, 'link'), join(directory, 'dead')];
    writeFileSync(file, 'precious');
    mkdirSync(folder);
    createServer({ path: dead }).close();
    symlinkSync(dead, link);
    for (const path of [file, folder, link]) {
      assert.throws(() => createServer({ path }), { code: 'EADDRINUSE' }, path);
    }
    assert.equal(readFileSync(file, 'utf8'), 'precious');
    assert.ok(existsSync(folder) && lstatSync(link).isSymbolicLink());
  });

  it('a path in a missing directory is ENOENT', (t) => {
    leakCheck(t);
    const path = join(temporaryDirectory(t), 'nowhere', 'socket');
    assert.throws(() => createServer({ path }), {
      code: 'ENOENT',
      syscall: 'bind',
      message: `cannot listen on ${path}: ENOENT (no such file or directory)`,
    });
  });

  it('an abstract name in use stays in use', (t) => {
    leakCheck(t);
    if (process.platform !== 'linux') return t.skip('abstract names exist on Linux only');
    const path = `\0sockloop-create-${process.pid}`;
    const server = closing(t, createServer({ path }));
    assertTalk(t, server, { path });
    assert.throws(() => createServer({ path }), { message: /^cannot listen on @sockloop-create/ });
    server.close();
    closing(t, createServer({ path }));
  });
});

describe('socket: names', () => {
  it('resolve() knows numeric addresses of both families', (t) => {
    leakCheck(t);
    const four = { family: 'IPv4', address: '127.0.0.1', port: 80 };
    const six = { family: 'IPv6', address: '::1', port: 0 };
    assert.deepEqual(resolve('127.0.0.1', 80), [four]);
    assert.deepEqual(resolve('::1', 0), [six]);
    assert.deepEqual(resolve('0:0::0:1', 0), [six]);
    assert.throws(() => resolve('::1', 80, { family: 'IPv4' }), ResolveError);
    const loopbacks = resolve(null, 80);
    assert.ok(loopbacks.length > 0);
    for (const address of loopbacks) {
      assert.ok(['127.0.0.1', '::1'].includes('address' in address ? address.address : ''));
    }
    assert.deepEqual(resolve(null, 80, { family: 'IPv4' }), [four]);
    assert.deepEqual(resolve(null, 80, { family: 'IPv6', passive: true }), [
      { family: 'IPv6', address: '::', port: 80 },
    ]);
  });

  it('resolve() understands a zone', (t) => {
    leakCheck(t);
    const loopback = ['lo', 'lo0'].find((name) => native.if_nametoindex(name) > 0);
    if (loopback === undefined) return t.skip('the loopback interface has another name');
    const [address] = resolve(`fe80::1%${loopback}`, 7);
    const scopeId = native.if_nametoindex(loopback);
    assert.deepEqual(address, { family: 'IPv6', address: 'fe80::1', port: 7, scopeId });
  });

  it('hostName() is a name that resolves back, or null', (t) => {
    leakCheck(t);
    const address = { family: 'IPv4', address: '127.0.0.1', port: 0 } as const;
    const name = hostName(address);
    assert.ok(name !== null && !/^[\d.]+$/.test(name), `${name}`);
    assert.equal(hostName({ family: 'UNIX', path: '/tmp/x' }), null);
    const nameless = standIn(native, { getnameinfo: () => constants.EAI_NONAME });
    assert.equal(hostName(address, nameless), null);
  });
});
