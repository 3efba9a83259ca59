/** Commands run in the process of the test, for their output and status. */

import { runCommand } from '#tools/cli/program.js';
import { runClient } from '#tools/cli/textbook/client.js';
import { runServer } from '#tools/cli/textbook/server.js';
import { redirectOutput } from '#tools/terminal/output.js';
import type { Outcome } from './command.ts';

type Program = (words: readonly string[]) => Promise<number>;

/** Runs a program that does not read standard input. It may block this thread and its peers. */
async function runHere(program: Program, words: readonly string[]): Promise<Outcome> {
  const printed = [[], [], []] as Uint8Array[][];
  using _ = redirectOutput((fd, bytes) => void printed[fd]?.push(bytes.slice()));
  const status = await program(words);
  const [, outBytes = Buffer.alloc(0), errBytes] = printed.map((pieces) => Buffer.concat(pieces));
  return { status, signal: null, out: `${outBytes}`, outBytes, err: `${errBytes}` };
}

export const sockloopHere = (...words: string[]): Promise<Outcome> => runHere(runCommand, words);
export const tcpserverHere = (...words: string[]): Promise<Outcome> => runHere(runServer, words);
export const tcpclientHere = (...words: string[]): Promise<Outcome> => runHere(runClient, words);
