import type { Backend } from 'sockloop';
import { Interest } from 'sockloop/poller';
import type { Socket } from 'sockloop/socket';
import { nativeSys } from 'sockloop/sys';
import { LineBuffer } from '#src/framing/line-buffer.js';
import type { AcceptSink, Stream, StreamSink, WatchSink } from '#src/loop/backend.js';
import { ACCEPT_PAUSE_MS, LINE_BYTES_MAX, LINGER_MS } from '../../echo/limits.ts';
import { logsWait, printError } from '../../terminal/output.ts';
import { KEYBOARD, Keyboard } from './keyboard.ts';
import { Failed } from './program.ts';
import { Silence } from './silence.ts';

// The textbook's second server on io_uring, which is no poller: it takes the calls and reports
// their completions.

/** Serves a listener and the keyboard until `q` is typed. */
export class CompletionServer implements AcceptSink, WatchSink {
  readonly #backend: Backend;
  readonly #listener: Socket;
  readonly #keyboard = new Keyboard(() => this.#requests);
  /** Clients with their answer that have ended their side. */
  readonly #served: Stream[] = [];
  readonly #silence = new Silence<Client>();
  /** Clients in a lingering close, with their deadlines in ms. */
  readonly #lingering = new Map<Stream, number>();
  #requests = 0;
  #accepting = true;
  /** The final errno of the listener; 0 without one. */
  #errno = 0;

  constructor(backend: Backend, listener: Socket) {
    this.#backend = backend;
    this.#listener = listener;
  }

  run(): void {
    const backend = this.#backend;
    this.#listener.setBlocking(false);
    const subscription = backend.accept(this.#listener.detach(), this);
    this.#keyboard.prompt();
    const watch = backend.watch(KEYBOARD, Interest.read, this);
    while (!this.#keyboard.quit && this.#errno === 0) {
      backend.poll(this.#silence.waitMs(this.#waitMs()));
      for (const client of this.#silence.take()) client.silent();
      // Not earlier: a failed send is reported at the end of a turn.
      for (const stream of this.#served.splice(0)) {
        this.#lingering.delete(stream);
        stream.close();
      }
      backend.closePhase();
      if (this.#keyboard.ended) watch.unwatch();
      if (this.#accepting) continue;
      this.#accepting = true;
      subscription.resume();
    }
    backend.destroy();
    if (this.#errno !== 0) throw failed('ERROR on accept', this.#errno);
  }

  /** The longest wait. Closes clients past their deadline. */
  #waitMs(): number | null {
    const pauseMs = this.#accepting && !logsWait() ? null : ACCEPT_PAUSE_MS;
    const nowMs = nativeSys().monotonicMs();
    for (const [stream, untilMs] of this.#lingering) {
      if (untilMs > nowMs) return Math.min(untilMs - nowMs, pauseMs ?? LINGER_MS);
      this.#served.push(stream);
      this.#lingering.delete(stream);
    }
    return this.#served.length > 0 ? 0 : pauseMs;
  }

  /** The keyboard is readable. */
  ready(): void {
    this.#keyboard.read();
  }

  accepted(fd: number): void {
    this.#requests += 1;
    const ends = { served: this.#served, lingering: this.#lingering, silence: this.#silence };
    new Client(this.#backend, fd, ends);
  }

  exhausted(errno: number): void {
    failed('ERROR on accept', errno).print();
    this.#accepting = false;
  }

  failed(errno: number): void {
    this.#errno = errno;
  }

  closed(): void {
    // The listener, if it failed.
  }
}

/** The sets of clients that a connection moves itself to. */
interface ClientEnds {
  readonly served: Stream[];
  readonly lingering: Map<Stream, number>;
  readonly silence: Silence<Client>;
}

/** A connection: receives a line, then sends it back. */
class Client implements StreamSink {
  readonly #stream: Stream;
  readonly #served: Stream[];
  readonly #silence: Silence<Client>;
  readonly #lingering: Map<Stream, number>;
  readonly #input = new LineBuffer(LINE_BYTES_MAX);
  #answering = false;
  #ended = false;

  /**
   * Adds its stream to `lingering` with its deadline once it has its answer, and to `served` once
   * it is done.
   */
  constructor(backend: Backend, fd: number, { served, lingering, silence }: ClientEnds) {
    this.#served = served;
    this.#lingering = lingering;
    this.#silence = silence;
    this.#stream = backend.open(fd, this);
  }

  received(chunk: Uint8Array): void {
    if (this.#answering) return;
    this.#input.append(chunk);
    const line = this.#input.takeLine();
    if (line !== null) {
      this.#answer(line);
    } else if (this.#input.overlong) {
      printError(`ERROR, a line of more than ${LINE_BYTES_MAX} bytes`);
      this.#stream.close();
    } else {
      this.#silence.heard(this);
    }
  }

  /** Answers the incomplete line of a silent client. */
  silent(): void {
    if (!this.#answering) this.#answer(this.#input.takeRest());
  }

  ended(): void {
    this.#ended = true;
    if (this.#answering) this.#served.push(this.#stream);
    else this.#answer(this.#input.takeRest());
  }

  /** Stops reading; a long line takes several sends. */
  #answer(line: Uint8Array): void {
    this.#answering = true;
    this.#silence.forget(this);
    this.#stream.pause();
    if (line.length > 0) this.#stream.send(line, 0, line.length);
    if (this.#stream.queuedBytes === 0) this.#linger();
  }

  drained(): void {
    if (!this.#lingering.has(this.#stream)) this.#linger();
  }

  /** Lingers: a close with unread input sends a reset, which may destroy the echo. */
  #linger(): void {
    if (this.#ended) {
      this.#served.push(this.#stream);
      return;
    }
    this.#lingering.set(this.#stream, nativeSys().monotonicMs() + LINGER_MS);
    this.#stream.finish();
    this.#stream.resume();
  }

  failed(errno: number): void {
    const label = this.#answering ? 'ERROR writing to socket' : 'ERROR reading from socket';
    this.#lingering.delete(this.#stream);
    failed(label, errno).print();
  }

  closed(): void {
    this.#silence.forget(this);
  }
}

/** `ERROR on accept: Too many open files`. */
function failed(label: string, errno: number): Failed {
  return new Failed(`${label}: ${nativeSys().strerror(errno)}`);
}
