import { type Command, type Scope, start } from '#test/harness/command.js';

/** The calls that a process answers, by name. */
export type Calls = Readonly<Record<string, (argument: never) => unknown>>;

interface Request {
  readonly number: number;
  readonly name: string;
  readonly argument: unknown;
}

interface Answer {
  readonly number: number;
  readonly value?: unknown;
  readonly failure?: string;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Answers the calls of the process that has started this one, and ends when it does. */
export function answerCalls(calls: Calls): void {
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.on('message', async ({ number, name, argument }: Request) => {
    try {
      const value = await (calls[name] as (argument: unknown) => unknown)(argument);
      process.send?.({ number, value } satisfies Answer);
    } catch (error) {
      process.send?.({ number, failure: String(error) } satisfies Answer);
    }
  });
}

/** Another process, which answers calls. */
export class Remote<Known extends Calls> {
  readonly command: Command;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;

  constructor(scope: Scope, words: readonly string[]) {
    const stdio = ['pipe', 'pipe', 'pipe', 'ipc'] as const;
    this.command = start(scope, words, { stdio: [...stdio] });
    const { child } = this.command;
    child.on('message', ({ number, value, failure }: Answer) => {
      const waiting = this.#waiting.get(number);
      this.#waiting.delete(number);
      if (failure === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(failure));
    });
    child.on('exit', () => {
      const error = new Error(`${words[1]} has ended: ${this.command.err}`);
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    });
  }

  call<Name extends keyof Known & string>(
    name: Name,
    argument: Parameters<Known[Name]>[0],
  ): Promise<Awaited<ReturnType<Known[Name]>>> {
    const number = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve: resolve as (value: unknown) => void, reject });
      this.command.child.send({ number, name, argument } satisfies Request);
    });
  }
}
