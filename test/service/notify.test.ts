// Goal: a supervisor hears what sd_notify(3) and sd_watchdog_enabled(3) say it hears.
// Method: a datagram socket of this process stands for systemd's; timers of loops beat.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { EventLoop, nativeSys } from 'sockloop';
import { type Notification, notify, startWatchdog } from 'sockloop/service';
import { decodeControl, rightsSpace } from '#src/sys/control-messages.js';
import { encodeSockaddr, SOCKADDR_BYTES_MAX } from '#src/sys/sockaddr.js';
import { eventually, type Scope } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { scratch } from '#test/harness/other-programs.js';

const sys = nativeSys();

/** A socket for notifications, with the environment set to it. */
function supervisor(t: Scope, place: string): () => { text: string; fds: number[] } | null {
  const { AF_UNIX, SOCK_DGRAM, SOCK_CLOEXEC = 0, MSG_DONTWAIT } = sys.abi.constants;
  const fd = sys.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const name = new Uint8Array(SOCKADDR_BYTES_MAX);
  const path = place.replace(/^@/, '\0');
  assert.equal(sys.bind(fd, name, encodeSockaddr(sys.abi, { family: 'UNIX', path }, name)), 0);
  process.env['NOTIFY_SOCKET'] = place;
  t.after(() => {
    delete process.env['NOTIFY_SOCKET'];
    sys.close(fd);
  });
  return () => {
    const [buffer, control] = [new Uint8Array(4096), new Uint8Array(rightsSpace(sys.abi, 253))];
    const room = { offset: 0, length: buffer.length, controlLength: control.length, flags: 0 };
    const message = { name: null, nameLength: 0, buffer, control, ...room };
    const length = sys.recvmsg(fd, message, MSG_DONTWAIT);
    if (length < 0) return null;
    const fds = decodeControl(sys.abi, control, message.controlLength).flatMap((one) =>
      one.kind === 'SCM_RIGHTS' ? one.fds : [],
    );
    for (const passed of fds) sys.close(passed);
    return { text: Buffer.from(buffer.subarray(0, length)).toString(), fds };
  };
}

for (const kind of ['path', 'abstract'] as const) {
  test(`a supervisor on a socket with a ${kind} hears of the service`, (t) => {
    leakCheck(t);
    const place = kind === 'path' ? join(scratch(t), 'notify') : `@sockloop ${process.pid} notify`;
    const next = supervisor(t, place);
    const told: readonly (readonly [Notification, string])[] = [
      [{ ready: true }, 'READY=1\n'],
      [
        { ready: true, status: 'serves \u{e4}', mainPid: 12 },
        'READY=1\nSTATUS=serves \u{e4}\nMAINPID=12\n',
      ],
      [{ stopping: true, status: '' }, 'STOPPING=1\nSTATUS=\n'],
      [{ watchdog: true }, 'WATCHDOG=1\n'],
      [{ unstore: 'web' }, 'FDSTOREREMOVE=1\nFDNAME=web\n'],
    ];
    for (const [notification, text] of told) {
      assert.equal(notify(notification), true);
      assert.deepEqual(next(), { text, fds: [] });
    }
    notify({ store: { fds: [0, 1], name: 'state' } });
    const stored = next();
    assert.equal(stored?.text, 'FDSTORE=1\nFDNAME=state\n');
    assert.equal(stored.fds.length, 2);
    const before = process.hrtime.bigint() / 1000n;
    notify({ reloading: true });
    const [, usec = ''] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)\n$/.exec(next()?.text ?? '') ?? [];
    assert.ok(BigInt(usec) >= before && BigInt(usec) <= process.hrtime.bigint() / 1000n);
    assert.equal(notify({}), false);
    assert.equal(next(), null);
  });
}

test('without a supervisor nothing is told, and where nobody listens that is an error', (t) => {
  leakCheck(t);
  t.after(() => delete process.env['NOTIFY_SOCKET'] as unknown as undefined);
  assert.equal(notify({ ready: true }), false);
  process.env['NOTIFY_SOCKET'] = `@sockloop ${process.pid} nobody`;
  assert.throws(() => notify({ ready: true }), {
    code: 'ECONNREFUSED',
    message: /^cannot notify .*nobody: ECONNREFUSED/,
  });
  process.env['NOTIFY_SOCKET'] = '/nowhere/notify';
  assert.throws(() => notify({ ready: true }), { code: 'ENOENT' });
  process.env['NOTIFY_SOCKET'] = 'vsock:2:1234';
  assert.throws(() => notify({ ready: true }), /NOTIFY_SOCKET is a path or an abstract name, not/);
});

test('what no supervisor would take is refused', (t) => {
  leakCheck(t);
  const next = supervisor(t, `@sockloop ${process.pid} refusing`);
  for (const wrong of [
    { status: 'two\nlines' },
    { status: 3 },
    { mainPid: 0 },
    { store: { fds: [0], name: 'a:b' } },
    { store: { fds: [0] }, unstore: 'web' },
    { unstore: '' },
  ]) {
    assert.throws(() => notify(wrong as Notification), /RangeError|TypeError/);
  }
  assert.throws(() => notify({ store: { fds: [99_999] } }), { code: 'EBADF' });
  assert.equal(next(), null);
});

test('a watchdog gets two signs of life in its time, from the loop', async (t) => {
  leakCheck(t);
  t.after(() => {
    for (const name of ['WATCHDOG_USEC', 'WATCHDOG_PID']) delete process.env[name];
  });
  using loop = new EventLoop();
  assert.equal(startWatchdog({ loop }), null);
  process.env['WATCHDOG_USEC'] = '20000';
  process.env['WATCHDOG_PID'] = '1';
  assert.equal(startWatchdog({ loop }), null, 'that of another process');
  process.env['WATCHDOG_PID'] = String(process.pid);
  const errors: unknown[] = [];
  process.env['NOTIFY_SOCKET'] = '/nowhere/notify';
  startWatchdog({ loop, onError: (error) => errors.push(error) })?.[Symbol.dispose]();
  assert.equal(errors.length, 1);
  startWatchdog()?.[Symbol.dispose]();
  const next = supervisor(t, `@sockloop ${process.pid} watchdog`);
  const watchdog = startWatchdog({ loop });
  assert.equal(watchdog?.intervalMs, 20);
  const beganMs = performance.now();
  let beats = 0;
  const look = (): void => {
    while (next()?.text === 'WATCHDOG=1\n') beats += 1;
    if (beats < 5) loop.setTimer(5, look);
    else watchdog[Symbol.dispose]();
  };
  look();
  await loop.run();
  const most = 2 + (performance.now() - beganMs) / 10;
  assert.ok(beats <= most, `${beats} signs of life, of at most ${most}`);
  using _ = startWatchdog();
  await eventually(() => assert.ok(next() !== null));
  await eventually(() => assert.ok(next() !== null));
  for (const wrong of ['soon', '0', '-5']) {
    process.env['WATCHDOG_USEC'] = wrong;
    assert.throws(() => startWatchdog({ loop }), RangeError);
  }
});

test('notify: what is no notification tells no predecessor that this process serves', (t) => {
  leakCheck(t);
  const pair = new Int32Array(2);
  assert.equal(sys.pipe(pair), 0);
  const [reader = -1, writer = -1] = pair;
  process.env['SOCKLOOP_READY_FD'] = String(writer);
  t.after(() => delete process.env['SOCKLOOP_READY_FD']);
  assert.throws(() => notify({ ready: true, status: 'two\nlines' }), TypeError);
  assert.equal(process.env['SOCKLOOP_READY_FD'], String(writer));
  assert.equal(notify({ ready: true }), false);
  const bytes = new Uint8Array(32);
  const length = sys.read(reader, bytes, 0, bytes.length);
  assert.equal(Buffer.from(bytes.subarray(0, length)).toString(), 'READY=0\n');
  assert.equal(process.env['SOCKLOOP_READY_FD'], undefined, 'told once');
  assert.equal(sys.read(reader, bytes, 0, bytes.length), 0, 'and closed');
  sys.close(reader);
});

test('watchdog: it is for this process unless another is named, and keeps none alive', (t) => {
  leakCheck(t);
  process.env['WATCHDOG_USEC'] = '60000000';
  t.after(() => {
    delete process.env['WATCHDOG_USEC'];
    delete process.env['WATCHDOG_PID'];
  });
  const timers = (): number =>
    process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  for (const [meant, isHere] of [
    [undefined, true],
    [String(process.pid), true],
    ['1', false],
  ] as const) {
    if (meant === undefined) delete process.env['WATCHDOG_PID'];
    else process.env['WATCHDOG_PID'] = meant;
    using watchdog = startWatchdog();
    assert.equal(watchdog !== null, isHere);
    assert.equal(timers(), before);
  }
});
