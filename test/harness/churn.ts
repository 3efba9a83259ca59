/** Clients that connect, have one message echoed, and close, all the time. */

import { connect, type Socket } from 'node:net';

/** How long a client waits: far longer than any wait on a busy machine. */
const ANSWER_MS = 20_000;

type Place = { readonly port: number } | { readonly path: string };

/** So many clients at a time, one after the other, until {@link end}. */
export class Churn {
  /** Messages echoed. */
  served = 0;
  /** What went wrong, by its code: ECONNREFUSED, ECONNRESET, ended, late. */
  readonly lost: string[] = [];
  readonly #place: Place;
  readonly #clients: Promise<void>[];
  #over = false;

  constructor(place: Place, clients: number) {
    this.#place = place;
    this.#clients = Array.from({ length: clients }, () => this.#client());
  }

  /** Ends the clients, each behind its message. */
  async end(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#clients);
  }

  async #client(): Promise<void> {
    while (!this.#over) await this.#exchange();
  }

  #exchange(): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', ...this.#place });
      let how = 'ended';
      socket.setTimeout(ANSWER_MS, () => {
        how = 'late';
        socket.destroy();
      });
      socket.once('connect', () => socket.write('hello'));
      socket.once('data', () => {
        how = '';
        socket.destroy();
      });
      socket.once('error', (error: NodeJS.ErrnoException) => {
        how = error.code ?? error.message;
      });
      socket.once('close', () => {
        if (how === '') this.served += 1;
        else this.lost.push(how);
        resolve();
      });
    });
  }
}

/** A connection that stays, and asks now and then. */
export class LongClient {
  readonly #socket: Socket;
  readonly #opened: Promise<void>;
  #error: Error | null = null;

  constructor(place: Place) {
    this.#socket = connect({ host: '127.0.0.1', ...place });
    this.#opened = new Promise((resolve, reject) => {
      this.#socket.once('connect', resolve).once('error', reject);
    });
    this.#socket.on('error', (error) => {
      this.#error = error;
    });
  }

  /** One message and its echo. Rejects if the connection has ended. */
  async ask(): Promise<void> {
    await this.#opened;
    await new Promise<void>((resolve, reject) => {
      const ended = (): void => reject(this.#error ?? new Error('the server has ended it'));
      this.#socket.once('close', ended).once('end', ended);
      this.#socket.once('data', () => {
        this.#socket.off('close', ended).off('end', ended);
        resolve();
      });
      this.#socket.write('hello');
    });
  }

  /** Waits for the end of the connection. */
  ended(): Promise<Error | null> {
    return new Promise((resolve) => {
      this.#socket.resume().once('close', () => resolve(this.#error));
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
