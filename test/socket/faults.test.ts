// Goal: rare results of calls (EINTR, short writes, failures halfway) are handled.
// Method: the real kernel behind a Sys that fails chosen calls once.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createServer, resolve, Socket } from '#src/socket/index.js';
import { nativeSys } from '#src/sys/native.js';
import type { Sys } from '#src/sys/sys.js';
import { leakCheck, openFds } from '#test/harness/leaks.js';
import { standIn, strippedAbi } from '#test/sys/stand-in.js';
import { bytesOf, closing, connected, failureOf, kinds, listening, received } from './ends.ts';

const native = nativeSys();
const { EAGAIN, EINTR, ECONNRESET, EMFILE, EINVAL = 0, ENOBUFS } = native.abi.errno;

/** How long each call is interrupted at once. */
const STORM_MS = 300;

type CallName = 'accept' | 'accept4' | 'recv' | 'send' | 'connect' | 'poll';

/** The first call of each name is interrupted; `after` runs it all the same. */
function interrupting(names: readonly CallName[], after = false, rest: Partial<Sys> = {}) {
  const calls = new Map<CallName, number>();
  const own: Record<string, unknown> = {};
  for (const name of names) {
    const call = native[name].bind(native) as (...args: unknown[]) => number;
    own[name] = (...args: unknown[]) => {
      const count = (calls.get(name) ?? 0) + 1;
      calls.set(name, count);
      if (count > 1) return call(...args);
      if (after) call(...args);
      return -EINTR;
    };
  }
  return { sys: standIn(native, { ...rest, ...own }), calls };
}

const all: readonly CallName[] = ['accept', 'accept4', 'recv', 'send', 'connect', 'poll'];

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('socket: interrupted calls', () => {
  for (const kind of kinds) {
    for (const timeoutMs of [null, 5000]) {
      const bounded = timeoutMs === null ? 'without a timeout' : 'with one';
      it(`are restarted, ${bounded}: ${kind}`, (t) => {
        leakCheck(t);
        const { sys, calls } = interrupting(all);
        const { client, accepted } = connected(t, kind, sys);
        client.setTimeout(timeoutMs);
        accepted.setTimeout(timeoutMs);
        client.sendAll(bytesOf('hello'));
        assert.equal(accepted.poll(accepted.constants.POLLIN), accepted.constants.POLLIN);
        assert.equal(received(accepted), 'hello');
        assert.deepEqual([calls.get('send'), calls.get('recv')], [2, 2]);
        if (kind !== 'pair') assert.equal(calls.get('accept4') ?? calls.get('accept'), 2);
        if (kind !== 'pair') assert.equal(calls.get('connect'), 2);
      });
    }

    it(`are errors of an interruptible socket: ${kind}`, (t) => {
      leakCheck(t);
      const { sys } = interrupting(['recv', 'send', 'poll']);
      const { client } = connected(t, kind, sys);
      client.interruptible = true;
      const calls: readonly (readonly [string, () => unknown])[] = [
        ['recv', () => client.recv(new Uint8Array(1))],
        ['send', () => client.send(new Uint8Array(1))],
        ['poll', () => client.poll(1)],
      ];
      for (const [syscall, call] of calls) {
        const error = failureOf(call);
        assert.deepEqual([error.code, error.syscall], ['EINTR', syscall]);
      }
    });
  }

  it('recvMsg() that is interrupted has all its room again', (t) => {
    leakCheck(t);
    let count = 0;
    const sys = standIn(native, {
      recvmsg: (fd, header, flags) => {
        count += 1;
        if (count > 1) return native.recvmsg(fd, header, flags);
        // As of a kernel that has written to the header by then.
        Object.assign(header, { nameLength: 0, controlLength: 0, flags: -1 });
        return -EINTR;
      },
    });
    const receiver = closing(t, new Socket('IPv6', { type: 'SOCK_DGRAM', sys }));
    receiver.bind({ address: '::1', port: 0 });
    receiver.setSockOpt('IPV6_RECVPKTINFO', true);
    const sender = closing(t, new Socket('IPv6', { type: 'SOCK_DGRAM' }));
    sender.bind({ address: '::1', port: 0 });
    sender.sendTo(bytesOf('x'), receiver.getSockName());
    const { address, control, controlTruncated, truncated } = receiver.recvMsg(new Uint8Array(8));
    assert.deepEqual(address, sender.getSockName());
    assert.deepEqual([controlTruncated, truncated], [false, false]);
    assert.deepEqual(
      control.map(({ kind }) => kind),
      ['IPV6_PKTINFO'],
    );
  });

  it('accept() and connect() of an interruptible socket are EINTR too', (t) => {
    leakCheck(t);
    const { sys } = interrupting(['accept', 'accept4', 'connect']);
    const server = listening(t, 'IPv4', { sys });
    server.interruptible = true;
    assert.equal(failureOf(() => server.accept()).code, 'EINTR');
    const client = closing(t, new Socket('IPv4', { sys }));
    client.interruptible = true;
    assert.equal(failureOf(() => client.connect(server.getSockName())).code, 'EINTR');
  });

  it('connect() that continues in the kernel is not repeated', (t) => {
    leakCheck(t);
    const poor = { abi: strippedAbi(native.abi) };
    for (const rest of [{}, poor]) {
      for (const timeoutMs of [null, 5000]) {
        const { sys, calls } = interrupting(['connect', 'poll'], true, rest);
        const server = listening(t, 'IPv4');
        const client = closing(t, new Socket('IPv4', { sys }));
        client.setTimeout(timeoutMs);
        client.connect(server.getSockName());
        assert.equal(calls.get('connect'), 1);
        client.sendAll(bytesOf('x'));
        assert.equal(received(closing(t, server.accept()[0])), 'x');
      }
    }
  });

  it('signals without end cost no core', (t) => {
    leakCheck(t);
    const endMs = native.monotonicMs() + STORM_MS;
    let interrupted = 0;
    const stormy = (): boolean => {
      const ends = native.monotonicMs() < endMs;
      if (ends) interrupted += 1;
      return ends;
    };
    const sys = standIn(native, {
      recv: (...values) => (stormy() ? -EINTR : native.recv(...values)),
    });
    const { client, accepted } = connected(t, 'IPv4', sys);
    client.sendAll(bytesOf('hello'));
    assert.equal(received(accepted), 'hello');
    // A rest takes 5 ms.
    assert.ok(interrupted > 0 && interrupted < STORM_MS, `${interrupted} calls`);
  });

  it('connect() that has no port left at once has not timed out', (t) => {
    leakCheck(t);
    const sys = standIn(native, { connect: () => -EAGAIN });
    const server = listening(t, 'IPv4');
    const client = closing(t, new Socket('IPv4', { sys }));
    client.setTimeout(5000);
    assert.equal(failureOf(() => client.connect(server.getSockName())).code, 'EAGAIN');
  });

  it('connect() that is refused after a signal is ECONNREFUSED', (t) => {
    leakCheck(t);
    const { EINPROGRESS } = native.abi.errno;
    const sys = standIn(native, {
      // As if a signal came before the answer.
      connect: (fd, address, length) => {
        const { F_GETFL, F_SETFL, O_NONBLOCK } = native.abi.constants;
        const mode = native.fcntl(fd, F_GETFL, 0);
        native.fcntl(fd, F_SETFL, mode | O_NONBLOCK);
        assert.equal(native.connect(fd, address, length), -EINPROGRESS);
        native.fcntl(fd, F_SETFL, mode);
        return -EINTR;
      },
    });
    const nobody = closing(t, new Socket('IPv4'));
    nobody.bind({ address: '127.0.0.1', port: 0 });
    const client = closing(t, new Socket('IPv4', { sys }));
    const error = failureOf(() => client.connect(nobody.getSockName()));
    assert.deepEqual([error.code, error.syscall], ['ECONNREFUSED', 'connect']);
  });

  it('close() is never repeated, and a reset that it reports is no failure', (t) => {
    leakCheck(t);
    for (const result of [-EINTR, -ECONNRESET]) {
      let closed = 0;
      const sys = standIn(native, {
        close: (fd) => {
          closed += 1;
          native.close(fd);
          return result;
        },
      });
      const socket = new Socket('IPv4', { sys });
      socket.close();
      socket.close();
      assert.equal(closed, 1);
    }
  });

  it('endless signals do not prolong a timeout', (t) => {
    leakCheck(t);
    // A profiler interrupts every millisecond, and the kernel restarts each wait.
    let calls = 0;
    const wait = (): number => {
      calls += 1;
      assert.ok(calls < 10_000, 'it never ends');
      native.poll(new Uint8Array(0), 0, 1);
      return -EINTR;
    };
    const sys = standIn(native, {
      recv: wait,
      accept: wait,
      accept4: wait,
      // poll(2) with a timeout of 0 returns in spite of signals.
      poll: (fds, count, timeoutMs) => (timeoutMs === 0 ? native.poll(fds, count, 0) : wait()),
    });
    const { client } = connected(t, 'pair', sys);
    const server = listening(t, 'IPv4', { sys });
    for (const [socket, call] of [
      [client, () => client.recv(new Uint8Array(1))],
      [client, () => client.poll(1)],
      [server, () => server.accept()],
    ] as const) {
      calls = 0;
      socket.setTimeout(30);
      const start = native.monotonicMs();
      assert.equal(failureOf(call).code, 'ETIMEDOUT');
      assert.ok(native.monotonicMs() - start < 5000);
    }
  });
});

describe('socket: short writes', () => {
  for (const kind of kinds) {
    it(`sendAll() sends on after one byte: ${kind}`, (t) => {
      leakCheck(t);
      const lengths: number[] = [];
      const sys = standIn(native, {
        send: (fd, buffer, offset, length, flags) => {
          lengths.push(length);
          return native.send(fd, buffer, offset, 1, flags);
        },
      });
      const { client, accepted } = connected(t, kind, sys);
      assert.equal(client.send(bytesOf('ab'), 1), 1);
      client.sendAll(bytesOf('hello'));
      client.sendAll(new Uint8Array(0));
      assert.deepEqual(lengths, [1, 5, 4, 3, 2, 1]);
      assert.equal(received(accepted), 'bhello');
    });
  }
});

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('socket: failures halfway', () => {
  it('the error of socket(2) names the family', (t) => {
    leakCheck(t);
    const sys = standIn(native, { socket: () => -EMFILE, socketpair: () => -EMFILE });
    assert.throws(() => new Socket('IPv4', { sys }), {
      code: 'EMFILE',
      syscall: 'socket',
      message: 'cannot open an IPv4 socket: EMFILE (too many open files)',
    });
    assert.throws(
      () => new Socket('UNIX', { sys }),
      /^SysError: cannot open a UNIX socket: EMFILE/,
    );
    assert.throws(() => Socket.pair({ sys }), {
      syscall: 'socketpair',
      message: 'cannot open a pair of UNIX sockets: EMFILE (too many open files)',
    });
  });

  /** A kernel whose setsockopt fails on descriptors that accept(2) returned. */
  function refusingOptions(result: number): Sys {
    const accepted = new Set<number>();
    const noted = (fd: number): number => {
      accepted.add(fd);
      return fd;
    };
    return standIn(native, {
      accept: (fd, address, length) => noted(native.accept(fd, address, length)),
      accept4: (fd, address, length, flags) => noted(native.accept4(fd, address, length, flags)),
      setsockopt: (fd, level, name, value, length) => {
        return accepted.has(fd) ? result : native.setsockopt(fd, level, name, value, length);
      },
    });
  }

  it('an accepted socket whose timeout cannot be set is closed', (t) => {
    leakCheck(t);
    const server = listening(t, 'IPv4', { sys: refusingOptions(-ENOBUFS) });
    server.setTimeout(5000);
    closing(t, new Socket('IPv4')).connect(server.getSockName());
    const before = openFds().size;
    assert.equal(failureOf(() => server.accept()).code, 'ENOBUFS');
    assert.equal(openFds().size, before);
  });

  it('unless macOS reports that it was reset already', (t) => {
    leakCheck(t);
    const server = listening(t, 'IPv4', { sys: refusingOptions(-EINVAL) });
    server.setTimeout(5000);
    const client = closing(t, new Socket('IPv4'));
    client.connect(server.getSockName());
    client.sendAll(bytesOf('x'));
    assert.equal(received(closing(t, server.accept()[0])), 'x');
  });

  it('an address of another family closes the accepted socket', (t) => {
    leakCheck(t);
    const foreign: Sys['accept'] = (fd, address, length) => {
      const result = native.accept(fd, address, length);
      address.fill(99, 0, 2);
      return result;
    };
    const sys = standIn(native, { accept: foreign, accept4: foreign });
    const server = listening(t, 'IPv4', { sys });
    closing(t, new Socket('IPv4')).connect(server.getSockName());
    const before = openFds().size;
    assert.throws(() => server.accept(), RangeError);
    assert.equal(openFds().size, before);
  });

  it('a server that cannot listen, or set its options, leaves nothing open', (t) => {
    leakCheck(t);
    const before = openFds().size;
    const host = '127.0.0.1';
    const deaf = standIn(native, { listen: () => -ENOBUFS });
    assert.throws(() => createServer({ host, port: 0 }, { sys: deaf }), {
      code: 'ENOBUFS',
      syscall: 'listen',
      message: /^cannot listen on 127.0.0.1:0: ENOBUFS/,
    });
    const rigid = standIn(native, { setsockopt: () => -EINVAL });
    assert.throws(() => createServer({ host, port: 0 }, { sys: rigid }), {
      message: /^cannot set SO_REUSEADDR: EINVAL/,
    });
    assert.equal(openFds().size, before);
  });

  it('a system error of the resolver is reported', (t) => {
    leakCheck(t);
    const sys = standIn(native, {
      getaddrinfo: (_node, _service, _hints, results) => {
        results.errno = EMFILE;
        return native.abi.constants.EAI_SYSTEM;
      },
    });
    assert.throws(() => resolve('localhost', 80, { sys }), {
      name: 'ResolveError',
      code: 'EMFILE',
      message: 'cannot resolve "localhost": EMFILE (too many open files)',
    });
  });
});

it('socket: a connect that the kernel gives up names no timeout of ours', (t) => {
  leakCheck(t);
  const { ETIMEDOUT } = native.abi.errno;
  const sys = standIn(native, { connect: () => -ETIMEDOUT });
  for (const timeoutMs of [null, 5000]) {
    const socket = closing(t, new Socket('IPv4', { sys }));
    socket.setTimeout(timeoutMs);
    const { message } = failureOf(() => socket.connect({ address: '127.0.0.1', port: 7 }));
    assert.match(message, /^cannot connect to 127\.0\.0\.1:7: ETIMEDOUT \((?!no answer).*\)$/);
  }
});
