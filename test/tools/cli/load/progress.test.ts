// Goal: progress is redrawn in place, in a terminal of any width, and leaves nothing behind.
// Method: the lines for every width; a fake screen that keeps what is written to it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgressView, progressLines } from '#tools/cli/load/progress.js';
import type { LoadProgress } from '#tools/load/engine/run.js';
import type { ProgressScreen } from '#tools/terminal/progress-screen.js';

const now: LoadProgress = {
  phase: 'measuring',
  elapsedMs: 5000,
  totalMs: 11_000,
  messages: 500_000,
  errors: 0,
  perSecond: 182_331.4,
  p50Us: 243.4,
  p99Us: 1213,
  connections: 50,
};

/** A terminal that understands what {@link ProgressView} makes use of, and wraps. */
class Screen implements ProgressScreen {
  readonly terminal: boolean;
  readonly color: boolean;
  #columns: number;
  rows: string[] = [''];
  #row = 0;
  #column = 0;
  cursorShown = true;
  written = '';

  constructor(columns: number, options: { terminal?: boolean; color?: boolean } = {}) {
    this.#columns = columns;
    this.terminal = options.terminal ?? true;
    this.color = options.color ?? false;
  }

  columns(): number {
    return this.#columns;
  }

  write(text: string): void {
    this.written += text;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences of a terminal.
    for (const [word] of text.matchAll(/\u001b\[[?\d;]*[A-Za-z]|[\s\S]/g)) this.#take(word);
  }

  hideCursor(): Disposable {
    this.write('\u001b[?25l');
    return { [Symbol.dispose]: () => this.write('\u001b[?25h') };
  }

  #take(word: string): void {
    const up = /^.\[(\d+)A$/.exec(word)?.[1];
    if (up !== undefined) this.#row = Math.max(0, this.#row - Number(up));
    else if (word.endsWith('[K')) this.#set((this.rows[this.#row] ?? '').slice(0, this.#column));
    else if (word.endsWith('[J')) {
      this.#set((this.rows[this.#row] ?? '').slice(0, this.#column));
      this.rows.length = this.#row + 1;
    } else if (word.endsWith('?25l')) this.cursorShown = false;
    else if (word.endsWith('?25h')) this.cursorShown = true;
    else if (word === '\r') this.#column = 0;
    else if (word === '\n') this.#next();
    else if (!word.startsWith('\u001b')) this.#print(word);
  }

  #print(letter: string): void {
    if (this.#column >= this.#columns) this.#next();
    const row = (this.rows[this.#row] ?? '').padEnd(this.#column);
    this.#set(row.slice(0, this.#column) + letter + row.slice(this.#column + 1));
    this.#column += 1;
  }

  #next(): void {
    this.#row += 1;
    this.#column = 0;
    this.rows[this.#row] ??= '';
  }

  #set(text: string): void {
    this.rows[this.#row] = text;
  }

  /** As a terminal does it that gets narrower: what is too long goes on in the next row. */
  shrink(columns: number): void {
    this.rows = this.rows.flatMap((row) =>
      row === '' ? [''] : (row.match(new RegExp(`.{1,${columns}}`, 'g')) ?? ['']),
    );
    this.#columns = columns;
    this.#row = this.rows.length - 1;
    this.#column = this.rows.at(-1)?.length ?? 0;
  }
}

test('progress: two lines that fit, the last column left free', () => {
  const table: LoadProgress[] = [
    now,
    { ...now, phase: 'connecting', elapsedMs: 0, connections: 0, p50Us: 0, p99Us: 0 },
    { ...now, phase: 'ending', elapsedMs: 11_000, errors: 123_456_789 },
    { ...now, perSecond: 1e7, p50Us: 3.6e9, p99Us: 3.6e9, connections: 1e6, errors: 1 },
    { ...now, totalMs: 2_592_000_000 },
  ];
  for (const progress of table) {
    for (let columns = 24; columns <= 200; columns += 1) {
      const lines = progressLines(progress, columns);
      assert.equal(lines.length, 2);
      for (const line of lines) assert.ok(line.length < columns, `${columns}: ${line}`);
    }
  }
});

test('progress: what a terminal of 80, of 40 and of 24 columns shows', () => {
  assert.deepEqual(progressLines(now, 80), [
    'measuring  [========================>                              ] 6.0 s left',
    '182,331/s   p50 243 us   p99 1.21 ms   no errors   50 connections',
  ]);
  assert.deepEqual(progressLines(now, 40), [
    'measuring  [======>        ] 6.0 s left',
    '182,331/s  p50 243 us  p99 1.21 ms',
  ]);
  assert.deepEqual(progressLines(now, 24), ['measuring  6.0 s left', '182,331/s  p99 1.21 ms']);
});

test('progress: errors push less important figures out', () => {
  const failing = { ...now, errors: 12 };
  assert.equal(progressLines(failing, 40)[1], '182,331/s  p99 1.21 ms  12 errors');
  assert.equal(
    progressLines(failing, 80)[1],
    '182,331/s   p50 243 us   p99 1.21 ms   12 errors   50 connections',
  );
});

test('progress: nothing is claimed before it is measured', () => {
  const early = { ...now, phase: 'warmup', perSecond: 0, p50Us: 0, p99Us: 0 } as const;
  assert.equal(progressLines(early, 80)[1], 'no errors   50 connections');
  const waiting = { ...early, phase: 'connecting', elapsedMs: 0 } as const;
  assert.deepEqual(progressLines(waiting, 80, 12_300), [
    'begins in 12.3 s',
    'no errors   50 connections',
  ]);
});

test('progress: is redrawn in place and leaves an empty row', () => {
  const screen = new Screen(60);
  screen.write('$ sockloop load\n');
  const view = new ProgressView(screen);
  for (let elapsedMs = 0; elapsedMs <= 11_000; elapsedMs += 500) {
    view.show({ ...now, elapsedMs, errors: elapsedMs > 5000 ? 3 : 0 });
    assert.equal(screen.rows.length, 3);
    assert.match(screen.rows[1] ?? '', /^measuring {2}\[=*>? *\] [\d.]+ s left$/);
    assert.match(screen.rows[2] ?? '', /^182,331\/s /);
  }
  assert.equal(screen.cursorShown, false);
  view.note('SIGINT: ending early');
  assert.equal(screen.rows[2], 'SIGINT: ending early');
  view.clear();
  assert.deepEqual(screen.rows, ['$ sockloop load', '']);
  assert.equal(screen.cursorShown, true);
  view.clear();
  assert.deepEqual(screen.rows, ['$ sockloop load', '']);
});

test('progress: a terminal that gets narrower keeps nothing of what was drawn', () => {
  for (let columns = 24; columns < 100; columns += 1) {
    const screen = new Screen(100);
    const view = new ProgressView(screen);
    view.show(now);
    screen.shrink(columns);
    view.show(now);
    assert.deepEqual(screen.rows, progressLines(now, columns), `${columns} columns`);
    view.clear();
    assert.deepEqual(screen.rows, ['']);
  }
});

test('progress: colours only where they are wanted', () => {
  for (const color of [false, true]) {
    const screen = new Screen(80, { color });
    const view = new ProgressView(screen);
    view.show({ ...now, errors: 7 });
    view.clear();
    assert.equal(screen.written.includes('[36m'), color);
    assert.equal(screen.written.includes('[31m'), color);
  }
});

test('progress: in a pipe one plain line for each second', () => {
  const screen = new Screen(80, { terminal: false });
  const view = new ProgressView(screen);
  for (const elapsedMs of [0, 0, 480, 980, 1480, 1980, 2490, 2990, 3490, 3990, 5100, 5600]) {
    view.show({ ...now, elapsedMs });
  }
  view.note('not for a pipe');
  view.clear();
  const rest = '  measuring   182,331/s   p50 243 us   p99 1.21 ms   no errors   50 connections';
  const lines = ['1.5', '2.5', '3.5', '5.1'].map((at) => `${at} s`.padStart(8) + rest);
  assert.equal(screen.written, `${lines.join('\n')}\n`);
});

test('progress: the wait for its time, said once in a pipe', () => {
  const waiting = { ...now, phase: 'connecting', elapsedMs: 0, p50Us: 0, p99Us: 0 } as const;
  for (const terminal of [true, false]) {
    const screen = new Screen(80, { terminal });
    const view = new ProgressView(screen, Date.now() + 60_000);
    view.show(waiting);
    view.show(waiting);
    assert.match(screen.rows[0] ?? '', /^begins in (59\.\d|60\.0) s$/);
    const second = terminal ? 'no errors   50 connections' : '';
    assert.deepEqual(screen.rows.slice(1), [second]);
  }
});

test('progress: a screen that cannot be written ends the words, not the run', () => {
  let writes = 0;
  const view = new ProgressView({
    terminal: true,
    color: false,
    columns: () => 80,
    write: () => {
      writes += 1;
      throw new Error('EPIPE');
    },
  });
  view.show(now);
  view.show(now);
  view.clear();
  assert.equal(writes, 1);
});
