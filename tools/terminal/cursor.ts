import { constants } from 'node:os';
import { leave } from './exit.ts';

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';

/** Signals that end a process which does not hear them, and whose end is theirs. */
const ENDING = ['SIGQUIT', 'SIGHUP'] as const;

/**
 * Hides the cursor, and gives it back however this process ends, as long as something runs at its
 * end; and for as long as it is stopped (Ctrl-Z).
 */
export class HiddenCursor implements Disposable {
  readonly #write: (text: string) => void;
  readonly #redraw: () => void;

  /** `redraw` draws anew what was on the terminal, which somebody else may have had meanwhile. */
  constructor(write: (text: string) => void, redraw: () => void) {
    this.#write = write;
    this.#redraw = redraw;
    process.on('exit', this.#show);
    process.on('SIGTSTP', this.#stop);
    process.on('SIGCONT', this.#resume);
    for (const name of ENDING) process.on(name, this.#end);
    this.#write(HIDE_CURSOR);
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#show);
    process.off('SIGTSTP', this.#stop);
    process.off('SIGCONT', this.#resume);
    for (const name of ENDING) process.off(name, this.#end);
    this.#show();
  }

  readonly #show = (): void => this.#write(SHOW_CURSOR);

  readonly #stop = (): void => {
    this.#write(`${SHOW_CURSOR}\n`);
    // What a process does that does not hear of SIGTSTP.
    process.kill(process.pid, 'SIGSTOP');
  };

  readonly #resume = (): void => {
    this.#write(HIDE_CURSOR);
    this.#redraw();
  };

  readonly #end = (name: NodeJS.Signals): void => {
    // Who hears it as well ends the process in a way of its own.
    const alone = process.listenerCount(name) === 1;
    this[Symbol.dispose]();
    if (!alone) return;
    process.kill(process.pid, name);
    // The first process of a container has no default of a signal.
    setImmediate(() => leave(128 + constants.signals[name]));
  };
}
