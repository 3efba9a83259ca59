// Goal: the demo shows a conversation, every loop and a comparison, and says what fails.
// Method: the real program, once on a terminal for its whole output, then with programs that fail.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { run, start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { loops } from '#test/harness/loops.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';
import { demo, quoted } from '#test/harness/programs.js';
import { runLoops } from '#tools/cli/demo/loops.js';
import { redirectOutput } from '#tools/terminal/output.js';

const timeout = 120_000;
/** The demo starts a dozen programs. */
const DEMO_MS_MAX = 150_000;
const COLUMNS = 80;

/** The demo with a comparison that takes a second, and its report at `report`. */
function shortDemo(report: string): string[] {
  const places = ['--loops', 'poll,select', '--connections', '2', '--idle', 'none'];
  return demo(...places, '--rounds', '1', '--duration', '0.02', '--report', report);
}

test('demo: shows both sides in colours, and ends by itself', {
  timeout: 2 * DEMO_MS_MAX,
  skip: reasonWithout('script'),
}, async (t) => {
  leakCheck(t);
  const directory = scratch(t);
  const report = `${directory}/report.html`;
  const { NO_COLOR: _, ...env } = process.env;
  // Standard output is a terminal, standard error is not.
  const shell = `${quoted(shortDemo(report))} 2> ${directory}/err`;
  const command = start(t, ['script', '-qec', shell, '/dev/null'], { env });
  const { status, out: painted } = await command.end(DEMO_MS_MAX);
  const err = readFileSync(`${directory}/err`, 'utf8');
  assert.equal(status, 0, err);
  assert.ok(painted.includes('\u{1b}[1m'), 'the commands are bold');
  const out = stripVTControlCharacters(painted).replaceAll('\r', '');
  // Standard error has the progress of the comparison, and nothing else.
  assert.doesNotMatch(err, /sockloop|demo/);
  assertConversation(out);
  assertLoops(out);
  assertComparison(out);
  assert.match(out, new RegExp(`^report: ${report}\\n$`, 'm'));
  assert.match(readFileSync(report, 'utf8'), /^<!doctype html>/i);
  const [, second = ''] = out.split('both ends closed.');
  for (const line of second.split('\n')) {
    assert.ok(line.length <= COLUMNS || line.includes(report), line);
  }
});

function assertConversation(out: string): void {
  assert.match(out, /^server \| listening on 127\.0\.0\.1:\d+ \(blocking, line\)$/m);
  assert.match(out, /^server \| accept4\(.*\) = \d+$/m);
  assert.match(out, /^server \| recv\(\d+, "hello\\n", 65536, 0\) = 6$/m);
  assert.match(out, /^client \| connect\(.*\) = 0$/m);
  assert.match(out, /^client \| hello$/m);
  assert.match(out, /^client \| the same bytes come back: gr\u{fc}\u{df}e$/mu);
  assert.match(out, /^server \| served 1 connection: 40 bytes in, 40 out$/m);
  assert.match(out, /^2 lines went out, the same 2 came back, and both ends closed\.$/m);
}

function assertLoops(out: string): void {
  assert.match(out, /^loop +answered +calls +accept +recv +send +waits with$/m);
  for (const { name, skip } of loops) {
    const row = skip === false ? `${name} +6 of 6 .*\\d` : `${name} +not here: \\w`;
    assert.match(out, new RegExp(`^${row}`, 'm'));
  }
  assert.match(out, /^epoll .* epoll_wait \d+, epoll_ctl \d+$|^kqueue .* kevent \d+$/m);
  // The calls of its clients are in the queues, and in the trace behind the call that moved them.
  const ring = /^io_uring +6 of 6 +\d+ +0 +0 +0 {2}io_uring_enter \d+$|^io_uring +not here/m;
  assert.match(out, ring);
}

function assertComparison(out: string): void {
  assert.match(out, /^busy \+ idle +loop +msg\/s +CPU us +user +system +p50 +p99 +calls$/m);
  const us = ' +\\d+\\.\\d\\d'.repeat(3);
  const row = ` +(poll|select) +[\\d,]+${us} +[\\d.]+ \\ws +[\\d.]+ \\ws +[\\d.-]+\n`;
  assert.match(out, new RegExp(`^ +2${row}${row}`, 'm'));
  assert.match(out, /^(poll|select) and \w+ do not differ /m);
}

test('demo: fails where its server or its client does', { timeout }, async (t) => {
  leakCheck(t);
  const table: [command: string, death: string, told: RegExp][] = [
    [
      'serve',
      "process.kill(process.pid,'SIGKILL')",
      /^demo: the server ended too soon: SIGKILL\n$/,
    ],
    ['send', 'process.exit(3)', /^\nThe demo failed: what came back is not what went out\.\n$/],
  ];
  for (const [command, death, told] of table) {
    const env = running(`if (process.argv[2] === '${command}') { ${death} }`);
    const { status, out, err } = await run(t, demo(), '', { env });
    assert.equal(status, 1);
    assert.match(err, told);
    assert.ok(!out.includes('both ends closed'));
  }
});

/** An environment in which every Node.js process runs `code` first. */
function running(code: string): NodeJS.ProcessEnv {
  const url = `data:text/javascript,${encodeURIComponent(code)}`;
  return { ...process.env, NODE_OPTIONS: `--import ${url}` };
}

test('demo: fails where a loop does not answer', { timeout }, async (t) => {
  leakCheck(t);
  // One line that goes out is not the one that is expected back. Only the first loop has a server.
  const env = running(`
    import { Socket } from 'node:net';
    const { argv } = process;
    if (argv.includes('--loop') && !argv.includes('blocking')) process.exit(3);
    const { write } = Socket.prototype;
    Socket.prototype.write = function (text, ...rest) {
      return write.call(this, text === 'line 1 of 2\\n' ? 'another\\n' : text, ...rest);
    };`);
  const { status, err } = await run(t, demo(), '', { env });
  assert.equal(status, 1);
  assert.equal(err, '\nThe demo failed: with --loop blocking, 5 of 6 lines came back.\n');
});

test('demo: a loop without a server is named', { timeout }, async (t) => {
  leakCheck(t);
  const { NODE_OPTIONS } = running("if (process.argv.includes('--loop')) process.exit(3)");
  const before = process.env['NODE_OPTIONS'];
  t.after(() => {
    if (before === undefined) delete process.env['NODE_OPTIONS'];
    else process.env['NODE_OPTIONS'] = before;
  });
  process.env['NODE_OPTIONS'] = NODE_OPTIONS;
  using _ = redirectOutput(() => undefined);
  const message = 'the server with --loop blocking ended too soon: status 3';
  await assert.rejects(runLoops(), { message });
});
