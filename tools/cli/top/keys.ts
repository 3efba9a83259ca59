const CTRL_C = '\u0003';
const CTRL_Z = '\u001a';

/**
 * The keyboard of a view: q and Ctrl-C end it. A terminal in raw mode makes no signals of keys, so
 * that Ctrl-Z is one here. Nothing without a terminal.
 */
export class Keys implements Disposable {
  readonly #end: () => void;
  readonly #isTerminal = process.stdin.isTTY === true;

  constructor(end: () => void) {
    this.#end = end;
    if (!this.#isTerminal) return;
    this.#begin();
    process.stdin.on('data', this.#pressed);
    process.on('SIGCONT', this.#begin);
  }

  readonly #begin = (): void => {
    process.stdin.setRawMode(true);
    process.stdin.resume();
  };

  readonly #pressed = (bytes: Buffer): void => {
    const keys = bytes.toString('latin1');
    if (keys.includes('q') || keys.includes(CTRL_C)) {
      this.#end();
    } else if (keys.includes(CTRL_Z)) {
      process.stdin.setRawMode(false);
      process.kill(process.pid, 'SIGTSTP');
    }
  };

  [Symbol.dispose](): void {
    if (!this.#isTerminal) return;
    process.stdin.off('data', this.#pressed);
    process.off('SIGCONT', this.#begin);
    process.stdin.setRawMode(false);
    process.stdin.pause();
  }
}
