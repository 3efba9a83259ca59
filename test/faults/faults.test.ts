// Goal: the sharpest faults of `make faults` end well, and docs/faults.md has the table of a run of
// all cells that there are.
// Method: the real programs under strace; the page compared with the list.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';
import { allCells, type Cell, nameOf } from './cells.ts';
import { OUTCOMES } from './outcome.ts';
import { faultsTable, type Result } from './page.ts';
import { runCells } from './run-cells.ts';

const skip = reasonWithoutProc === false ? reasonWithout('strace') : reasonWithoutProc;

/** What an errno on an edge-triggered stream, a wait for good or a lost connection would break. */
const SHARP: readonly string[] = [
  'serve | sendto | EINTR | epoll | every 3rd',
  'serve | sendto | ENOBUFS | epoll | every 3rd',
  'serve | recvfrom | EINTR | epoll | always',
  'serve | epoll_ctl | ENOMEM | epoll | once',
  'serve | accept4 | EAGAIN | poll | always',
  'serve | select | EBADF | select | always',
  'serve | io_uring_enter | EINTR | io_uring | always',
  'serve | io_uring_enter | EINVAL | io_uring | always',
  'serve | recvfrom | ETIMEDOUT | blocking | once',
  'serve --threads | accept4 | EINVAL | epoll | once',
  'serve --threads | io_uring_enter | EINVAL | io_uring | every 3rd',
  'serve at its start | mprotect | EACCES | epoll | once',
  'serve at its start | io_uring_setup | ENOMEM | io_uring | always',
  'serve --udp | recvmmsg | EAGAIN | io_uring | always',
  'serve --udp | sendmmsg | EINTR | epoll | always',
  'serve --udp | sendmmsg | EPERM | epoll | once',
  'serve --udp | recvfrom | EAGAIN | blocking | always',
  'serve NOTIFY_SOCKET at its start | sendmsg | EINTR | epoll | always',
  'send | recvfrom | EINTR | blocking | every 3rd',
  'load | sendto | ENOBUFS | epoll | every 3rd',
];

function sharpCells(): readonly Cell[] {
  return SHARP.map((name) => {
    const cell = allCells().find((one) => nameOf(one) === name);
    assert.ok(cell !== undefined, `there is no cell ${name}`);
    return cell;
  });
}

test('the sharpest faults end in a retry, a closed connection or a sentence', {
  timeout: 240_000,
  skip,
}, async (t) => {
  leakCheck(t);
  const heard: string[] = [];
  await runCells(t, sharpCells(), ({ cell, outcome }) => {
    heard.push(nameOf(cell));
    assert.ok(!outcome.forbidden, `${nameOf(cell)}: ${outcome.word} (${outcome.detail})`);
  });
  assert.deepEqual(heard, SHARP);
});

/** The rows of a table, each as the loops in which it has an outcome. */
function shapeOf(markdown: string): string[] {
  const shape: string[] = [];
  let part = '';
  let loops: readonly string[] = [];
  for (const line of markdown.split('\n')) {
    if (line.startsWith('### ')) part = line;
    const cells = line.split(' | ').map((cell) => cell.replaceAll('|', '').trim());
    if (line.startsWith('| call ')) loops = cells.slice(2);
    else if (line.startsWith('| ') && part !== '' && !line.startsWith('| ---')) {
      const [call = '', fault = '', ...outcomes] = cells;
      for (const [at, outcome] of outcomes.entries()) {
        if (outcome !== '') shape.push(`${part}: ${call} ${fault} on ${loops[at]}`);
      }
    }
  }
  return shape.sort();
}

test('docs/faults.md has every cell, and none is forbidden', () => {
  const page = readFileSync(`${root}docs/faults.md`, 'utf8');
  const results = allCells().map(
    (cell): Result => ({ cell, outcome: { word: 'served', forbidden: false, detail: '' } }),
  );
  assert.deepEqual(shapeOf(page), shapeOf(faultsTable(results)));
  const words = page
    .split('\n')
    .filter((line) => /^\| [a-z_0-9]+ \| (E[A-Z]+|delay) \|/.test(line))
    .flatMap((line) => line.split('|').slice(3, -1))
    .flatMap((cell) => cell.split(' / '))
    .map((word) => word.trim())
    .filter((word) => word !== '');
  assert.deepEqual(
    [...new Set(words)].filter((word) => !Object.hasOwn(OUTCOMES, word)),
    [],
  );
});
