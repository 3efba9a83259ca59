/** Commands run in the process of the test, for their output and status. */

import assert from 'node:assert/strict';
import { runCommand } from '#tools/cli/program.js';
import { runClient } from '#tools/cli/textbook/client.js';
import { runServer } from '#tools/cli/textbook/server.js';
import { redirectOutput } from '#tools/terminal/output.js';
import { eventually, type Outcome, type Scope } from './command.ts';

type Program = (words: readonly string[]) => Promise<number>;

/** The output of a program so far. */
class Printed {
  readonly #pieces: [never[], Uint8Array[], Uint8Array[]] = [[], [], []];

  take(fd: 1 | 2, bytes: Uint8Array): void {
    this.#pieces[fd].push(bytes.slice());
  }

  get outBytes(): Buffer {
    return Buffer.concat(this.#pieces[1]);
  }

  get out(): string {
    return `${this.outBytes}`;
  }

  get err(): string {
    return `${Buffer.concat(this.#pieces[2])}`;
  }

  outcome(status: number): Outcome {
    const { outBytes, out, err } = this;
    return { status, signal: null, out, outBytes, err };
  }
}

/** Runs a program that does not read standard input. It may block this thread and its peers. */
async function runHere(program: Program, words: readonly string[]): Promise<Outcome> {
  const printed = new Printed();
  using _ = redirectOutput((fd, bytes) => printed.take(fd, bytes));
  return printed.outcome(await program(words));
}

export const sockloopHere = (...words: string[]): Promise<Outcome> => runHere(runCommand, words);
export const tcpserverHere = (...words: string[]): Promise<Outcome> => runHere(runServer, words);
export const tcpclientHere = (...words: string[]): Promise<Outcome> => runHere(runClient, words);

/**
 * `sockloop serve` in this process, one at a time. Its loop lets Node turn twice a second while
 * nothing happens on it: for a test that waits for a client or two.
 */
export interface ServedHere {
  readonly port: number;
  readonly out: string;
  readonly err: string;
  /** Calls the handler of SIGTERM, and waits for the end. */
  stop(): Promise<Outcome>;
}

/** Starts `sockloop serve --port 0` with `words` in this process and waits until it listens. */
export async function serveHere(scope: Scope, ...words: string[]): Promise<ServedHere> {
  const printed = new Printed();
  const redirected = redirectOutput((fd, bytes) => printed.take(fd, bytes));
  let isOver = false;
  const ended = runCommand(['serve', '--port', '0', ...words]).finally(() => {
    isOver = true;
    redirected[Symbol.dispose]();
  });
  const stop = async (): Promise<Outcome> => {
    // Its own handler, not that of the runner of the tests.
    if (!isOver) process.emit('SIGTERM', 'SIGTERM');
    return printed.outcome(await ended);
  };
  scope.after(async () => void (await stop()));
  const pattern = words.includes('--json') ? /"port":(\d+)/ : /^listening on (?:.*:(\d+)|.*) \(/m;
  await eventually(() => {
    if (isOver) assert.fail(`it ended: ${printed.err}`);
    assert.match(printed.out, pattern);
  });
  return {
    port: Number(pattern.exec(printed.out)?.[1]),
    get out() {
      return printed.out;
    },
    get err() {
      return printed.err;
    },
    stop,
  };
}
