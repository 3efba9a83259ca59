import { type ChildProcess, fork } from 'node:child_process';
import { bounded } from '#test/harness/clients.js';
import type { Scope } from '#test/harness/command.js';

/** What a child answers to a question, by its number. */
interface Answer {
  readonly number: number;
  readonly value: unknown;
}

/** A child process that answers questions. */
export class AskedChild {
  readonly child: ChildProcess;
  readonly #waiting = new Map<number, (value: unknown) => void>();
  #asked = 0;

  constructor(scope: Scope, module: URL, options: object) {
    this.child = fork(module, [JSON.stringify(options)], { stdio: 'inherit' });
    this.child.on('message', ({ number, value }: Answer) => {
      this.#waiting.get(number)?.(value);
      this.#waiting.delete(number);
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

  /** Asks for something; throws if the child ends without an answer. */
  ask<Value>(question: object): Promise<Value> {
    this.#asked += 1;
    const number = this.#asked;
    const answer = new Promise<unknown>((resolve, reject) => {
      const ended = (): void => reject(new Error('the child has ended'));
      this.child.once('exit', ended);
      this.#waiting.set(number, (value) => {
        this.child.off('exit', ended);
        resolve(value);
      });
      this.child.send({ number, ...question });
    });
    return bounded(answer, `the answer to ${JSON.stringify(question)}`) as Promise<Value>;
  }
}

/** In the child: has `answer` hear of each question, and sends back what it returns. */
export function answerQuestions<Question>(answer: (question: Question) => unknown): void {
  process.on('message', async (question: Question & { readonly number: number }) => {
    const value = await answer(question);
    process.send?.({ number: question.number, value });
  });
}
