import { ACCEPT_PAUSE_MS, LINE_BYTES_MAX } from '../echo/limits.ts';
import type { AcceptSink, Backend, Stream, StreamSink, WatchSink } from '../loop/backend.ts';
import { Interest } from '../poller/poller.ts';
import type { Socket } from '../socket/socket.ts';
import { nativeSys } from '../sys/native.ts';
import { LineBuffer } from '../tcp/framing/line-buffer.ts';
import { logsWait, printError } from './output.ts';
import { KEYBOARD, Keyboard } from './tcpserver-keyboard.ts';
import { Silence } from './tcpserver-silence.ts';
import { Failed } from './textbook.ts';

// The textbook's second server once more, on something that is no poller: io_uring is not asked
// who is ready, it is handed the calls, and tells what became of them.

/** Serves a listener and the keyboard until the keyboard says `q`. */
export class CompletionServer implements AcceptSink, WatchSink {
  readonly #backend: Backend;
  readonly #listener: Socket;
  readonly #keyboard = new Keyboard(() => this.#requests);
  /** Clients that have their answer, or had none to get. */
  readonly #served: Stream[] = [];
  readonly #silence = new Silence<Client>();
  #requests = 0;
  #accepting = true;
  /** The errno that broke the listener, 0 while it lives. */
  #errno = 0;

  constructor(backend: Backend, listener: Socket) {
    this.#backend = backend;
    this.#listener = listener;
  }

  run(): void {
    const backend = this.#backend;
    this.#listener.setBlocking(false);
    const accepting = backend.accept(this.#listener.detach(), this);
    this.#keyboard.prompt();
    const watch = backend.watch(KEYBOARD, Interest.read, this);
    while (!this.#keyboard.quit && this.#errno === 0) {
      const rests = !this.#accepting || logsWait();
      backend.poll(this.#silence.waitMs(rests ? ACCEPT_PAUSE_MS : null));
      for (const client of this.#silence.take()) client.ended();
      // Not earlier: a send that has just failed is told of at the end of a turn.
      for (const stream of this.#served.splice(0)) backend.close(stream);
      backend.settle();
      if (this.#keyboard.ended) watch.unwatch();
      if (this.#accepting) continue;
      this.#accepting = true;
      backend.resume(accepting);
    }
    backend.destroy();
    if (this.#errno !== 0) throw failed('ERROR on accept', this.#errno);
  }

  /** Something was typed. */
  ready(): void {
    this.#keyboard.read();
  }

  accepted(fd: number): void {
    this.#requests += 1;
    new Client(this.#backend, fd, this.#served, this.#silence);
  }

  exhausted(errno: number): void {
    failed('ERROR on accept', errno).print();
    this.#accepting = false;
  }

  failed(errno: number): void {
    this.#errno = errno;
  }

  closed(): void {
    // The listener, when it is broken.
  }
}

/** A connection: first a line comes in, then it goes out. */
class Client implements StreamSink {
  readonly #backend: Backend;
  readonly #stream: Stream;
  readonly #served: Stream[];
  readonly #silence: Silence<Client>;
  readonly #input = new LineBuffer(LINE_BYTES_MAX);
  #answering = false;

  /** Puts its stream among the `served` once there is nothing left to do for it. */
  constructor(backend: Backend, fd: number, served: Stream[], silence: Silence<Client>) {
    this.#backend = backend;
    this.#served = served;
    this.#silence = silence;
    this.#stream = backend.open(fd, this);
  }

  received(chunk: Uint8Array): void {
    this.#input.append(chunk);
    const line = this.#input.takeLine();
    if (line !== null) {
      this.#answer(line);
    } else if (this.#input.overlong) {
      printError(`ERROR, a line of more than ${LINE_BYTES_MAX} bytes`);
      this.#backend.close(this.#stream);
    } else {
      this.#silence.heard(this);
    }
  }

  /** Nothing more comes of it, or it has been silent for long enough. */
  ended(): void {
    this.#answer(this.#input.takeRest());
  }

  /** Nothing more is read of it, and a long line goes out in several steps. */
  #answer(line: Uint8Array): void {
    this.#answering = true;
    this.#silence.forget(this);
    this.#backend.pause(this.#stream);
    if (line.length > 0) this.#backend.send(this.#stream, line, 0, line.length);
    if (this.#stream.queuedBytes === 0) this.#served.push(this.#stream);
  }

  drained(): void {
    this.#served.push(this.#stream);
  }

  failed(errno: number): void {
    const label = this.#answering ? 'ERROR writing to socket' : 'ERROR reading from socket';
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
