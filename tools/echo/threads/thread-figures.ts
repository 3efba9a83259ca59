import type { ThreadService } from 'sockloop/workers';
import type { ServerFigures } from '../figures.ts';
import type { FiguresRequest } from './loop-shared.ts';

/** How long a thread may take to answer: one that is held up has to be seen, too. */
const ANSWER_MS = 500;

/** A question that not all threads have answered. */
interface Question {
  /** The threads whose answer is awaited. */
  readonly awaited: Set<number>;
  done(): void;
}

/** Asks the threads of a server what they have done. */
export class ThreadFigures {
  #request = 0;
  readonly #last: (ServerFigures | null)[] = [];
  readonly #questions = new Map<number, Question>();

  /** The answers, by thread. Of one that is late, the last one that it gave; null without any. */
  async ask(service: ThreadService): Promise<readonly (ServerFigures | null)[]> {
    const { threads } = service;
    const serving = threads.filter(({ phase }) => phase === 'serving' || phase === 'ending');
    const request = ++this.#request;
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, ANSWER_MS);
      const done = (): void => {
        clearTimeout(late);
        resolve();
      };
      const awaited = new Set(serving.map(({ index }) => index));
      this.#questions.set(request, { awaited, done });
      if (awaited.size === 0) done();
      for (const index of awaited) {
        service.post({ kind: 'figures', request } satisfies FiguresRequest, index);
      }
    });
    this.#questions.delete(request);
    return threads.map(({ index }) => this.#last[index] ?? null);
  }

  /** A thread has answered. */
  answered(index: number, request: number, figures: ServerFigures): void {
    this.#last[index] = figures;
    const question = this.#questions.get(request);
    question?.awaited.delete(index);
    if (question?.awaited.size === 0) question.done();
  }
}
