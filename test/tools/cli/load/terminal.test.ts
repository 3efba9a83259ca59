// Goal: the progress of a run is shown, a signal ends the run, and a clean summary remains.
// Method: the real command in a terminal of tmux, in one of script(1), and in pipes.

import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { peer } from '#test/harness/clients.js';
import { eventually, run, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { stateOf } from '#test/harness/process-state.js';
import { quoted, sockloop } from '#test/harness/programs.js';
import { Terminal } from '#test/harness/terminal.js';
import { load, sharedServer, shortLoad } from './load-command.ts';

const timeout = 60_000;
const LOCAL = '127.0.0.1';
const server = sharedServer();

// progress.test.ts covers the lines of other widths.
test('load: progress in a terminal that gets narrower, and Ctrl-C', {
  timeout,
  skip: reasonWithout('tmux'),
}, async (t) => {
  leakCheck(t);
  const words = shortLoad(LOCAL, server.port, '--duration', '60', '--rate', '300');
  const terminal = new Terminal(t, { columns: 100, rows: 50 }, words);
  const wide = await terminal.until(/p99 .* connections$/m);
  assert.equal(wide.length, 2, wide.join('\n'));
  terminal.resize(40, 50);
  const narrow = await terminal.until(/^measuring .{10,26} s left\n.*p99 [\d.]+ [mu]s$/m);
  assert.equal(narrow.length, 2, narrow.join('\n'));
  for (const row of narrow) assert.ok(row.length < 40, row);
  terminal.resize(100, 50);
  await terminal.until(/p99 .* connections$/m);
  terminal.press('C-c');
  const rows = await terminal.until(/^status \d+$/m);
  const text = rows.join('\n');
  // Nothing remains of the progress.
  assert.match(rows[0] ?? '', /^open loop against .*, 60 s, ended early after [\d.]+ s$/);
  assert.doesNotMatch(text, /s left|measuring/);
  assert.match(text, /^ {2}answered +[\d,]+ messages/m);
  assert.match(text, /^ {2}p50 .* [mu]s/m);
  assert.match(text, /^(IN)?VALID/m);
  assert.match(text, /^status 0$/m);
});

/** Ends the command in `terminal` by `signal`. */
async function assertEnds(terminal: Terminal, signal: NodeJS.Signals): Promise<void> {
  assert.equal(terminal.cursorShown, false);
  process.kill(terminal.pid, signal);
  await terminal.until(/^status 1\d\d$/m);
  assert.equal(terminal.cursorShown, true);
}

test('load: the cursor is shown while it is stopped, and where SIGQUIT ends it', {
  timeout,
  skip: reasonWithout('tmux') || reasonWithoutProc,
}, async (t) => {
  leakCheck(t);
  const words = shortLoad(LOCAL, server.port, '--duration', '60', '--rate', '300');
  const terminal = new Terminal(t, { columns: 80, rows: 50 }, words);
  await terminal.until(/s left/);
  const { pid } = terminal;
  process.kill(pid, 'SIGTSTP');
  await eventually(() => assert.equal(stateOf(pid), 'T'));
  await eventually(() => assert.equal(terminal.cursorShown, true));
  process.kill(pid, 'SIGCONT');
  await eventually(() => assert.equal(terminal.cursorShown, false));
  await assertEnds(terminal, 'SIGQUIT');
});

for (const command of ['load', 'compare'] as const) {
  test(`${command}: the cursor is shown where SIGHUP ends it`, {
    timeout,
    skip: reasonWithout('tmux') || reasonWithoutProc,
  }, async (t) => {
    leakCheck(t);
    const words =
      command === 'load'
        ? shortLoad(LOCAL, server.port, '--duration', '60', '--rate', '300')
        : sockloop('compare', '--loops', 'poll,select', '--rounds', '1000', '--no-report');
    const terminal = new Terminal(t, { columns: 80, rows: 50 }, words);
    await terminal.until(/s left/);
    await assertEnds(terminal, 'SIGHUP');
  });
}

test('load: in a pipe a plain line a second on standard error; SIGTERM ends it early', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const words = ['--duration', '60', '--rate', '300', '--threads', '2'];
  const command = start(t, shortLoad(LOCAL, server.port, ...words));
  await command.until('err', / measuring .* p99 /);
  const { status, out, err } = await command.stop('SIGTERM');
  assert.equal(status, 0);
  for (const line of err.trimEnd().split('\n')) {
    assert.match(line, /^ +[\d.]+ s {2}(measuring|ending) .* errors /);
  }
  assert.match(out, /^open loop against .*, 60 s, ended early after [\d.]+ s$/m);
  assert.equal(`${out}${err}`.includes('\u001b'), false);
});

test('load: ended before anything counted', { timeout }, async (t) => {
  leakCheck(t);
  const { port } = server;
  const command = start(t, shortLoad(LOCAL, port, '--warmup', '60', '--rate', '300'));
  await command.until('err', / warming up /);
  const { status, err } = await command.stop('SIGINT');
  assert.equal(status, 1);
  assert.match(err, /^sockloop: nothing was measured on .*: it was ended before/m);
});

test('load: ended while it waits for its time', { timeout }, async (t) => {
  leakCheck(t);
  let connections = 0;
  const port = await peer(t, () => {
    connections += 1;
  });
  const command = start(t, shortLoad(LOCAL, `${port}`, '--start-at', '+600'));
  await eventually(() => assert.equal(connections, 4));
  const { status, err } = await command.stop('SIGINT');
  assert.equal(status, 1);
  assert.match(err, /^sockloop: nothing was measured on .*: it was ended before/m);
});

test('load: the second signal ends it at once, with 130', { timeout }, async (t) => {
  leakCheck(t);
  // Replies that are under way are waited for, and these never come.
  const port = await peer(t, (socket) => void socket.resume());
  const report = `${scratch(t)}/report.html`;
  const words = ['--duration', '60', '--timeout', '60', '--report', report];
  const command = start(t, shortLoad(LOCAL, `${port}`, ...words));
  await command.until('err', / measuring /);
  // Two that come at once may count as one.
  const again = setInterval(() => command.child.kill('SIGINT'), 1);
  const { status, signal, out } = await command.end();
  clearInterval(again);
  assert.deepEqual([status, signal, out], [130, null, '']);
  assert.throws(() => statSync(report), { code: 'ENOENT' });
});

test('load: colours only for who wants them', {
  timeout,
  skip: reasonWithout('script'),
}, async (t) => {
  leakCheck(t);
  const { port } = server;
  const words = [
    'script',
    '-qec',
    quoted(shortLoad(LOCAL, port, '--duration', '0.6', '--rate', '300')),
  ];
  const inTerminal = async (env: NodeJS.ProcessEnv) => {
    const command = start(t, [...words, '/dev/null'], { env });
    const { status, out } = await command.end();
    assert.equal(status, 0, out);
    return out;
  };
  const { NO_COLOR: _, ...env } = process.env;
  const coloured = String.raw`\u001b\[\d+m`;
  const plain = { ...env, TERM: 'xterm', NO_COLOR: '1' };
  assert.match(await inTerminal({ ...env, TERM: 'xterm' }), new RegExp(coloured));
  const bare = await inTerminal(plain);
  assert.doesNotMatch(bare, new RegExp(coloured));
  // The lines are still drawn in place.
  assert.match(bare, /measuring .*\[K/);
  // A terminal that cannot be drawn on gets plain lines.
  const dumb = await inTerminal({ ...env, TERM: 'dumb', NO_COLOR: '1' });
  assert.equal(dumb.includes('\u001b'), false);
});

test('load: a reader of its progress that has gone does not end it', { timeout }, async (t) => {
  leakCheck(t);
  const { port } = server;
  const command = start(t, shortLoad(LOCAL, port, '--duration', '1.5', '--rate', '300'));
  command.child.stderr?.destroy();
  const { status, out } = await command.end();
  assert.equal(status, 0);
  assert.match(out, /^(IN)?VALID/m);
});

test('load: outputs that are full or gone', {
  timeout,
  skip: process.platform === 'linux' ? false : 'only Linux has /dev/full',
}, async (t) => {
  leakCheck(t);
  const { port } = server;
  const report = await load(LOCAL, port, '--rate', '300', '--report', '/dev/full');
  assert.equal(report.status, 1);
  assert.match(report.out, /^(IN)?VALID/m);
  assert.match(report.err, /^sockloop: cannot write \/dev\/full: ENOSPC \(no space left/m);
  const file = `${scratch(t)}/report.html`;
  const words = `exec ${quoted(shortLoad(LOCAL, port, '--rate', '300', '--report', file))}`;
  const full = await run(t, ['sh', '-c', `${words} > /dev/full`]);
  assert.equal(full.status, 1);
  assert.match(
    full.err,
    /^sockloop: cannot write to standard output: ENOSPC \(no space left on device\)$/m,
  );
  assert.match(readFileSync(file, 'utf8'), /^<!doctype html>/i);
  const gone = await run(t, ['sh', '-c', `${words} --duration 1.5 2> /dev/full`]);
  assert.equal(gone.status, 0);
  assert.match(gone.out, /^(IN)?VALID/m);
});
