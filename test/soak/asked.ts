import { type ChildProcess, fork } from 'node:child_process';
import { bounded } from '#test/harness/clients.js';
import type { Scope } from '#test/harness/command.js';

/** What a child answers to a question, by its number. */
interface Answer {
  readonly number: number;
  readonly value?: unknown;
  /** Why there is no value. */
  readonly failure?: string;
}

/** A child process that answers questions. */
export class AskedChild {
  readonly child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #asked = 0;

  constructor(scope: Scope, module: URL, options: object) {
    this.child = fork(module, [JSON.stringify(options)], { stdio: 'inherit' });
    this.child.on('message', (answer: Answer) => {
      this.#waiting.get(answer.number)?.(answer);
      this.#waiting.delete(answer.number);
    });
    const ended = new Promise<void>((resolve) => this.child.once('close', () => resolve()));
    scope.after(async () => {
      if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill();
      await bounded(ended, 'the end of a child');
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Asks for something; throws if the child fails, or ends without an answer. */
  ask<Value>(question: object): Promise<Value> {
    this.#asked += 1;
    const number = this.#asked;
    const answer = new Promise<unknown>((resolve, reject) => {
      const ended = (): void => reject(new Error('the child has ended'));
      this.child.once('exit', ended);
      this.#waiting.set(number, ({ value, failure }) => {
        this.child.off('exit', ended);
        if (failure === undefined) resolve(value);
        else reject(new Error(failure));
      });
      this.child.send({ number, ...question });
    });
    return bounded(answer, `the answer to ${JSON.stringify(question)}`) as Promise<Value>;
  }
}

/** In the child: has `answer` hear of each question, and sends back what it returns or throws. */
export function answerQuestions<Question>(answer: (question: Question) => unknown): void {
  process.on('message', async (question: Question & { readonly number: number }) => {
    const { number } = question;
    try {
      const value = await answer(question);
      process.send?.({ number, value } satisfies Answer);
    } catch (error) {
      process.send?.({ number, failure: (error as Error).message } satisfies Answer);
    }
  });
}
