import { readSync } from 'node:fs';
import { LineBuffer } from '#src/framing/line-buffer.js';
import { logOut, logTextOut } from '../../terminal/output.ts';

/** The descriptor of the keyboard. */
export const KEYBOARD = 0;

const PROMPT = 'server> ';
const COMMAND_BYTES_MAX = 4096;

/** The commands of the textbook's second server: `c` or `count`, `q` or `quit`. */
export class Keyboard {
  readonly #countRequests: () => number;
  readonly #typed = new LineBuffer(COMMAND_BYTES_MAX);
  #ended = false;
  #quit = false;

  /** `countRequests` returns the number of connections so far. */
  constructor(countRequests: () => number) {
    this.#countRequests = countRequests;
  }

  /** True at the end of input, which would stay readable for ever. */
  get ended(): boolean {
    return this.#ended;
  }

  /** True once `q` or `quit` was typed. */
  get quit(): boolean {
    return this.#quit;
  }

  prompt(): void {
    logTextOut(PROMPT);
  }

  /** Reads and executes commands. Returns true if there may be more. */
  read(): boolean {
    this.#typed.reserve(COMMAND_BYTES_MAX);
    const length = readKeyboard(this.#typed.bytes, this.#typed.end);
    if (length < 0) return false;
    this.#typed.commit(length);
    for (let line = this.#typed.takeLine(); line !== null; line = this.#typed.takeLine()) {
      this.#obey(line);
      if (this.#quit) return false;
    }
    if (length > 0 && !this.#typed.overlong) return true;
    const rest = this.#typed.takeRest();
    if (rest.length > 0) this.#obey(rest);
    if (length === 0) this.#ended = true;
    return length > 0 && !this.#quit;
  }

  #obey(line: Uint8Array): void {
    const command = new TextDecoder().decode(line).trim();
    if (command === 'q' || command === 'quit') {
      this.#quit = true;
      return;
    }
    if (command === 'c' || command === 'count') {
      logOut(`Received ${this.#countRequests()} connection requests so far.`);
    } else if (command !== '') logOut('ERROR: unknown command');
    this.prompt();
  }
}

/** read(2) of the keyboard: the number of bytes, 0 at its end, -1 if there are none. */
function readKeyboard(into: Uint8Array, offset: number): number {
  try {
    return readSync(KEYBOARD, into, offset, COMMAND_BYTES_MAX, null);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return -1;
    // EIO: the terminal has gone.
    return 0;
  }
}
