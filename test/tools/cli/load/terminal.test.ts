// Goal: whoever looks on sees how a run goes, may end it, and is left with a clean summary.
// Method: the real command in a terminal of tmux, in one of script(1), and in pipes.

import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { peer } from '#test/harness/clients.js';
import { eventually, run, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { stateOf } from '#test/harness/process-state.js';
import { quoted, serve, sockloop } from '#test/harness/programs.js';
import { Terminal } from '#test/harness/terminal.js';
import type { LoadDocument } from '#tools/load/document.js';
import { load, sharedServer, shortLoad } from './load-command.ts';

const timeout = 60_000;
const LOCAL = '127.0.0.1';
const server = sharedServer();

// The lines of other widths are cases of progress.test.ts.
test('load: progress in a terminal of 40 columns', {
  timeout,
  skip: reasonWithout('tmux'),
}, async (t) => {
  leakCheck(t);
  const columns = 40;
  const { port } = server;
  const words = shortLoad(LOCAL, port, '--duration', '4', '--rate', '300');
  const terminal = new Terminal(t, { columns, rows: 50 }, words);
  for (const phase of [/^measuring .*s left$/m, /p99 [\d.]+ [mu]s/]) {
    const rows = await terminal.until(phase);
    assert.equal(rows.length, 2, rows.join('\n'));
    for (const row of rows) assert.ok(row.length < columns, row);
  }
  const rows = await terminal.until(/^status 0$/m);
  // Nothing is left of the progress, and nothing stands above the summary.
  assert.match(rows[0] ?? '', /^open loop against/);
  assert.doesNotMatch(rows.join('\n'), /s left|measuring/);
  assert.match(rows.join('\n'), /^ {2}p50 .* [mu]s/m);
  assert.match(rows.join('\n'), /^(IN)?VALID/m);
});

test('load: a terminal that gets narrower in the middle', {
  timeout,
  skip: reasonWithout('tmux'),
}, async (t) => {
  leakCheck(t);
  const { port } = server;
  const words = shortLoad(LOCAL, port, '--duration', '4', '--rate', '300');
  const terminal = new Terminal(t, { columns: 100, rows: 50 }, words);
  await terminal.until(/p99 .* connections$/m);
  terminal.resize(40, 50);
  const narrow = await terminal.until(/^measuring .{10,26} s left\n.*p99 [\d.]+ [mu]s$/m);
  assert.equal(narrow.length, 2, narrow.join('\n'));
  const rows = await terminal.until(/^status 0$/m);
  assert.match(rows[0] ?? '', /^open loop against/);
});

for (const command of ['load', 'compare'] as const) {
  test(`${command}: the cursor is shown while it is stopped, and where a signal ends it`, {
    timeout,
    skip: reasonWithout('tmux') || reasonWithoutProc,
  }, async (t) => {
    leakCheck(t);
    const { port } = server;
    const words =
      command === 'load'
        ? shortLoad(LOCAL, port, '--duration', '60', '--rate', '300')
        : sockloop('compare', '--loops', 'poll,select', '--rounds', '1000', '--no-report');
    for (const signal of ['SIGQUIT', 'SIGHUP', 'SIGTSTP'] as const) {
      const terminal = new Terminal(t, { columns: 80, rows: 50 }, words);
      await terminal.until(/s left/);
      const { pid } = terminal;
      assert.equal(terminal.cursorShown, false);
      if (signal !== 'SIGTSTP') {
        process.kill(pid, signal);
        await terminal.until(/^status 1\d\d$/m);
        assert.equal(terminal.cursorShown, true, signal);
        continue;
      }
      process.kill(pid, 'SIGTSTP');
      await eventually(() => assert.equal(stateOf(pid), 'T'));
      await eventually(() => assert.equal(terminal.cursorShown, true));
      process.kill(pid, 'SIGCONT');
      await eventually(() => assert.equal(terminal.cursorShown, false));
      process.kill(pid, 'SIGTERM');
      await terminal.until(/^status \d+$/m);
      assert.equal(terminal.cursorShown, true);
    }
  });
}

test('load: Ctrl-C ends it early, and what was measured is reported', {
  timeout,
  skip: reasonWithout('tmux'),
}, async (t) => {
  leakCheck(t);
  const { port } = server;
  const words = shortLoad(LOCAL, port, '--duration', '60', '--rate', '300');
  const terminal = new Terminal(t, { columns: 80, rows: 50 }, words);
  await terminal.until(/p99 /);
  terminal.press('C-c');
  const rows = await terminal.until(/^status \d+$/m);
  const text = rows.join('\n');
  assert.match(text, /^open loop against .*, 60 s, ended early after [\d.]+ s$/m);
  assert.match(text, /^ {2}answered +[\d,]+ messages/m);
  assert.match(text, /^status 0$/m);
});

test('load: a signal ends it early, also in a pipe; the document says so', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const { port } = server;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const times = ['--duration', '60', '--rate', '300'];
    const words = shortLoad('--json', LOCAL, port, ...times, '--threads', '2');
    const command = start(t, words);
    await command.until('err', / measuring .* p99 /);
    const { status, out } = await command.stop(signal);
    assert.equal(status, 0);
    const { endedEarly, counts, measuredMs } = JSON.parse(out) as LoadDocument;
    assert.equal(endedEarly, true);
    assert.ok(counts.messages > 0);
    assert.ok(measuredMs > 500 && measuredMs < 30_000, `${measuredMs}`);
  }
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
  const { port, command: server } = await serve(t, '--verbose');
  const command = start(t, shortLoad(LOCAL, `${port}`, '--start-at', '+600'));
  await server.until('out', /connection 4 from/);
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
    quoted(shortLoad(LOCAL, port, '--duration', '1', '--rate', '300')),
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
  // It is drawn in place all the same.
  assert.match(bare, /measuring .*\[K/);
  // A terminal that cannot be drawn on gets plain lines.
  const dumb = await inTerminal({ ...env, TERM: 'dumb', NO_COLOR: '1' });
  assert.equal(dumb.includes('\u001b'), false);
});

test('load: in a pipe a plain line a second on standard error, the summary on the other', {
  timeout,
}, async (t) => {
  leakCheck(t);
  const { port } = server;
  const { status, out, err } = await load(t, LOCAL, port, '--duration', '2.5');
  assert.equal(status, 0);
  const lines = err.trimEnd().split('\n');
  assert.ok(lines.length >= 1 && lines.length <= 3, err);
  for (const line of lines) assert.match(line, /^ +[\d.]+ s {2}(measuring|ending) .* errors /);
  assert.match(out, /^closed loop against/);
  assert.equal(`${out}${err}`.includes('\u001b'), false);
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
  const report = await load(t, LOCAL, port, '--report', '/dev/full');
  assert.equal(report.status, 1);
  assert.match(report.out, /^(IN)?VALID/m);
  assert.match(report.err, /^sockloop: cannot write \/dev\/full: ENOSPC \(no space left/m);
  const file = `${scratch(t)}/report.html`;
  const words = `exec ${quoted(shortLoad(LOCAL, port, '--report', file))}`;
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
