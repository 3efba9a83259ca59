import { constants } from 'node:os';
import { leave } from './exit.ts';

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';

/** Signals whose default action ends the process. */
const ENDING = ['SIGQUIT', 'SIGHUP'] as const;

/**
 * Hides the cursor until disposed of. Shows it again when the process exits or is ended by a signal
 * that can be caught, and while it is stopped (Ctrl-Z).
 */
export class HiddenCursor implements Disposable {
  readonly #write: (text: string) => void;
  readonly #redraw: () => void;

  /** `redraw` is called after SIGCONT: another program may have used the terminal. */
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
    // The default action of SIGTSTP.
    process.kill(process.pid, 'SIGSTOP');
  };

  readonly #resume = (): void => {
    this.#write(HIDE_CURSOR);
    this.#redraw();
  };

  readonly #end = (name: NodeJS.Signals): void => {
    // Another listener ends the process itself.
    const alone = process.listenerCount(name) === 1;
    this[Symbol.dispose]();
    if (!alone) return;
    process.kill(process.pid, name);
    // PID 1 of a container has no default actions.
    setImmediate(() => leave(128 + constants.signals[name]));
  };
}
