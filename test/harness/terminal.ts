/** A terminal of a given size: its screen and keyboard. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type Scope, WAIT_MS } from './command.ts';
import { scratch } from './other-programs.ts';
import { quoted } from './programs.ts';

/** A command in a window of its own tmux server. */
export class Terminal {
  readonly #socket: string;

  constructor(scope: Scope, size: { columns: number; rows: number }, words: readonly string[]) {
    // Hooks run in order of registration: tmux ends before its socket is removed.
    scope.after(() => void this.#tmux('kill-server'));
    this.#socket = `${scratch(scope)}/tmux`;
    const { columns, rows } = size;
    // The window stays after the command has ended and shows its status.
    const command = `trap : INT; ${quoted(words)}; echo "status $?"; exec cat`;
    const area = ['-x', `${columns}`, '-y', `${rows}`];
    assert.ok(this.#tmux('new-session', '-d', ...area, 'sh', '-c', command) !== null);
  }

  /** The rows of the screen, without empty ones at its end. */
  rows(): string[] {
    const text = this.#tmux('capture-pane', '-p') ?? '';
    return text.trimEnd().split('\n');
  }

  /** Waits until the screen matches `pattern`, and returns its rows. */
  async until(pattern: RegExp): Promise<string[]> {
    const deadlineMs = performance.now() + WAIT_MS;
    for (;;) {
      const rows = this.rows();
      if (pattern.test(rows.join('\n'))) return rows;
      assert.ok(performance.now() < deadlineMs, `no ${pattern} in:\n${rows.join('\n')}`);
      await delay(50);
    }
  }

  /** True if the cursor is shown. */
  get cursorShown(): boolean {
    return this.#tmux('display-message', '-p', '#{cursor_flag}')?.trim() === '1';
  }

  /** The process of the command: Linux. */
  get pid(): number {
    const shell = this.#tmux('display-message', '-p', '#{pane_pid}')?.trim();
    return Number(readFileSync(`/proc/${shell}/task/${shell}/children`, 'utf8').trim());
  }

  press(key: string): void {
    this.#tmux('send-keys', key);
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', `${columns}`, '-y', `${rows}`);
  }

  #tmux(...words: string[]): string | null {
    const all = ['-S', this.#socket, '-f', '/dev/null', ...words];
    const { status, stdout } = spawnSync('tmux', all, { encoding: 'utf8', timeout: WAIT_MS });
    return status === 0 ? stdout : null;
  }
}
