// Goal: a process takes the sockets that it was started with, and no others.
// Method: environments that tell the truth and such that lie, over descriptors of this process; a
// child that systemd-socket-activate starts.

import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer, nativeSys, Socket } from 'sockloop';
import { listenFds } from 'sockloop/service';
import type { Environment } from '#src/service/environment.js';
import { activatedSockets } from '#src/service/listen-fds.js';
import { dial, heard } from '#test/harness/clients.js';
import { start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';

const sys = nativeSys();
const { F_GETFD, FD_CLOEXEC, F_SETFD } = sys.abi.constants;

/** Descriptors one behind the other: those of `openers`, where there is room for all. */
function inARow(close: (fd: number) => void, fds: readonly number[]): number {
  for (let base = 200; ; base += 50) {
    if (fds.some((_, index) => sys.fcntl(base + index, F_GETFD, 0) >= 0)) continue;
    for (const [index, fd] of fds.entries()) {
      // F_DUPFD takes the first free descriptor from its argument on.
      const copy = sys.fcntl(fd, 0, base + index);
      assert.equal(copy, base + index);
      close(copy);
    }
    return base;
  }
}

function rowOf(t: { after(step: () => void): void }, fds: readonly number[]): number {
  return inARow((fd) => t.after(() => void sys.close(fd)), fds);
}

const own: Environment = { LISTEN_PID: '12' };
const reader = (firstFd: number) => ({ pid: 12, ppid: 11, firstFd });

test('sockets of every family are taken, with their names', (t) => {
  leakCheck(t);
  const path = join(scratch(t), 'socket');
  using four = createServer({ host: '127.0.0.1', port: 0 });
  using six = createServer({ host: '::1', port: 0 });
  using unix = createServer({ path });
  using abstract = createServer({ path: `\0sockloop ${process.pid} activated` });
  const { AF_INET, SOCK_DGRAM } = sys.abi.constants;
  const udp = sys.socket(AF_INET, SOCK_DGRAM, 0);
  t.after(() => void sys.close(udp));
  const sockets = [four, six, unix, abstract];
  const firstFd = rowOf(t, [...sockets.map((socket) => socket.fileno()), udp]);
  for (let fd = firstFd; fd < firstFd + 5; fd++) sys.fcntl(fd, F_SETFD, 0);
  const environment = { ...own, LISTEN_FDS: '5', LISTEN_FDNAMES: 'web:web6:local::udp' };
  const taken = activatedSockets(sys, environment, reader(firstFd));
  assert.deepEqual(
    taken.map(({ fd, name, type }) => [fd - firstFd, name, type]),
    [
      [0, 'web', 'stream'],
      [1, 'web6', 'stream'],
      [2, 'local', 'stream'],
      [3, '', 'stream'],
      [4, 'udp', 'datagram'],
    ],
  );
  assert.deepEqual(
    taken.slice(0, 4).map(({ address }) => address),
    sockets.map((socket) => socket.getSockName()),
  );
  for (const { fd } of taken) assert.equal(sys.fcntl(fd, F_GETFD, 0), FD_CLOEXEC);
  const unnamed = activatedSockets(sys, { ...own, LISTEN_FDS: '2' }, reader(firstFd));
  assert.deepEqual(
    unnamed.map(({ name }) => name),
    ['unknown', 'unknown'],
  );
  const predecessor = { LISTEN_FDS: '1', SOCKLOOP_PREDECESSOR: '11' };
  assert.equal(activatedSockets(sys, predecessor, reader(firstFd)).length, 1);
});

test('an environment that lies is refused in a sentence', (t) => {
  leakCheck(t);
  using listener = createServer({ host: '127.0.0.1', port: 0 });
  using idle = new Socket('IPv4');
  const file = openSync('/dev/null', 'r');
  t.after(() => closeSync(file));
  const [listening, plain, nothing] = [listener.fileno(), idle.fileno(), file];
  const refused: readonly (readonly [Environment, number[], string])[] = [
    [{ ...own, LISTEN_FDS: 'x' }, [listening], 'x: it is not a number'],
    [{ ...own, LISTEN_FDS: '-1' }, [listening], '-1: it is not a number'],
    [{ LISTEN_FDS: '1' }, [listening], '1: LISTEN_PID is missing'],
    [
      { LISTEN_FDS: '1', LISTEN_PID: '13' },
      [listening],
      '1: LISTEN_PID is 13, and this is process 12',
    ],
    [
      { ...own, LISTEN_FDS: '1', SOCKLOOP_PREDECESSOR: '13' },
      [listening],
      '1: SOCKLOOP_PREDECESSOR is 13, and the parent of this process is 11',
    ],
    [{ ...own, LISTEN_FDS: '2' }, [listening], '2: descriptor N+1 is not open'],
    [
      { ...own, LISTEN_FDS: '999999999999' },
      [listening],
      '999999999999: descriptor N+1 is not open',
    ],
    [{ ...own, LISTEN_FDS: '2' }, [listening, nothing], '2: descriptor N+1 is no socket'],
    [{ ...own, LISTEN_FDS: '1' }, [plain], '1: descriptor N+0 is a socket that does not listen'],
    [
      { ...own, LISTEN_FDS: '1', LISTEN_FDNAMES: 'a:b' },
      [listening],
      '1: LISTEN_FDNAMES=a:b has another number of names',
    ],
  ];
  for (const [environment, fds, words] of refused) {
    const firstFd = rowOf(t, fds);
    const shown = words.replace(/N\+(\d)/, (_, index) => String(firstFd + Number(index)));
    assert.throws(() => activatedSockets(sys, environment, reader(firstFd)), {
      message: `cannot take the sockets of LISTEN_FDS=${shown}`,
    });
  }
  for (const none of [{}, { LISTEN_FDS: '' }, { ...own, LISTEN_FDS: '0' }]) {
    assert.deepEqual(activatedSockets(sys, none, reader(3)), []);
  }
});

test('the variables of this process are removed, unless they lie', (t) => {
  leakCheck(t);
  t.after(() => {
    for (const name of ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES']) delete process.env[name];
  });
  process.env['LISTEN_FDS'] = '0';
  process.env['LISTEN_PID'] = String(process.pid);
  assert.deepEqual(listenFds({ keepEnvironment: true }), []);
  assert.equal(process.env['LISTEN_FDS'], '0');
  assert.deepEqual(listenFds(), []);
  assert.equal(process.env['LISTEN_FDS'], undefined);
  assert.equal(process.env['LISTEN_PID'], undefined);
  process.env['LISTEN_FDS'] = '1';
  assert.throws(() => listenFds(), /LISTEN_PID is missing/);
  assert.equal(process.env['LISTEN_FDS'], '1');
  assert.throws(() => listenFds({ keepEnvironment: 1 as never }), TypeError);
});

const PROGRAM = `
import { EventLoop } from 'sockloop';
import { listenFds } from 'sockloop/service';
const [socket, more] = listenFds();
const loop = new EventLoop();
const listener = loop.listen({
  fd: socket.fd,
  handlers: {
    open: (client) => client.end(socket.name + ' ' + more),
    close: () => listener.close(),
  },
});
await loop.run();
`;

const skip = reasonWithout('systemd-socket-activate');
test('systemd-socket-activate starts a program with its socket', { skip }, async (t) => {
  leakCheck(t);
  using probe = createServer({ host: '127.0.0.1', port: 0 });
  const address = probe.getSockName();
  assert.ok(address.family === 'IPv4');
  const { port } = address;
  probe.close();
  const node = [process.execPath, '--input-type=module', '--eval', PROGRAM];
  const words = [
    'systemd-socket-activate',
    '--listen',
    `127.0.0.1:${port}`,
    '--fdname=web',
    ...node,
  ];
  const command = start(t, words, { cwd: root });
  await command.until('err', /Listening on/);
  const client = await dial({ port });
  assert.equal(String(await heard(client)), 'web undefined');
  client.destroy();
  assert.equal((await command.end()).status, 0);
});
