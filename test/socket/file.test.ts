// Goal: a server removes the file of its UNIX socket and no other; of several that start on the
// file of a dead server one wins; a server that has not called listen(2) yet is not dead.
// Method: sockets in this process, on real paths; processes for servers that start at once.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EventLoop } from '#src/net/event-loop.js';
import { createConnection, createServer } from '#src/socket/create.js';
import { Socket } from '#src/socket/socket.js';
import { nativeSys } from '#src/sys/native.js';
import { talk } from '#test/harness/clients.js';
import { eventually, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { loops } from '#test/harness/loops.js';
import { scratch } from '#test/harness/other-programs.js';
import { sockloop } from '#test/harness/programs.js';

const timeout = 60_000;
const onLinux =
  nativeSys().abi.platform.startsWith('linux-') === true
    ? (false as const)
    : 'only Linux tells a bound socket from one whose server is dead';

/** The file of a dead server. */
function leaveBehind(path: string): void {
  using socket = new Socket('UNIX');
  socket.bind({ path });
  socket.listen(1);
}

const taken = { code: 'EADDRINUSE' };

test('a listener removes its file, and not one that replaced it', (t) => {
  leakCheck(t);
  const path = `${scratch(t)}/socket`;
  using loop = new EventLoop();
  const first = loop.listen({ path, handlers: {} });
  rmSync(path);
  const second = loop.listen({ path, handlers: {} });
  first.close();
  assert.ok(existsSync(path), 'that of the second');
  using _ = createConnection({ path });
  second.close();
  assert.ok(!existsSync(path));
  // The second is closed in the kernel after the third has its file.
  const third = loop.listen({ path, handlers: {} });
  loop.turn(0);
  assert.equal(second.removeFile(), null);
  assert.ok(existsSync(path));
  third.close();
});

// The event loops share their listener.
const servers = new Set(['blocking', 'threads', 'poll']);
for (const { name, skip } of loops.filter((loop) => servers.has(loop.name))) {
  test(`serve --loop ${name}: leaves a file alone that replaced its own`, {
    timeout,
    skip,
  }, async (t) => {
    leakCheck(t);
    const path = `${scratch(t)}/socket`;
    const command = start(t, sockloop('serve', '--loop', name, '--unix', path));
    await command.until('out', /^listening/);
    rmSync(path);
    using other = createServer({ path });
    assert.equal((await command.stop()).status, 0);
    assert.ok(existsSync(path));
    assert.ok(other.fileno() >= 0);
  });
}

test('the file of a dead server is taken over, that of a bound socket is not', {
  skip: onLinux,
}, (t: TestContext) => {
  leakCheck(t);
  const path = `${scratch(t)}/socket`;
  leaveBehind(path);
  {
    using server = createServer({ path });
    assert.throws(() => createServer({ path }), taken);
    assert.ok(server.fileno() >= 0);
  }
  rmSync(path);
  using bound = new Socket('UNIX');
  bound.bind({ path });
  assert.throws(() => createServer({ path }), taken, 'it is about to listen');
  bound.listen(1);
  assert.throws(() => createServer({ path }), taken);
});

test('a bound socket is found under other names of its directory', { skip: onLinux }, (t) => {
  leakCheck(t);
  const directory = scratch(t);
  mkdirSync(`${directory}/real`);
  symlinkSync('real', `${directory}/link`);
  const paths = ['real', 'link', 'real/../real'].map((name) => `${directory}/${name}/socket`);
  for (const path of [...paths, ...paths.map((name) => relative(process.cwd(), name))]) {
    using bound = new Socket('UNIX');
    bound.bind({ path });
    for (const other of paths) assert.throws(() => createServer({ path: other }), taken, other);
    bound.close();
    rmSync(path);
    leaveBehind(path);
    createServer({ path: `${directory}/link/socket` }).close();
    rmSync(path);
  }
});

test('of servers that start at once on the file of a dead one, one wins', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const directory = scratch(t);
  const path = `${directory}/socket`;
  leaveBehind(path);
  const commands = Array.from({ length: 3 }, () =>
    start(t, sockloop('serve', '--loop', 'poll', '--unix', path)),
  );
  await eventually(() => {
    const outputs = commands.map(({ out, err }) => `${out}${err}`);
    assert.ok(
      outputs.every((text) => /\n$/.test(text)),
      outputs.join(),
    );
  });
  const winners = commands.filter(({ out }) => out.startsWith('listening'));
  assert.equal(winners.length, 1);
  assert.equal((await talk({ path }, 'hello')).toString(), 'hello');
  for (const loser of commands) {
    if (winners.includes(loser)) continue;
    const { status, err } = await loser.end();
    assert.equal(status, 1);
    assert.match(err, /^sockloop: cannot listen on .*: EADDRINUSE \(address already in use\)\n$/);
  }
  assert.equal((await winners[0]?.stop())?.status, 0);
  assert.deepEqual(readdirSync(directory), [], 'no file is left, not even of a lock');
});
