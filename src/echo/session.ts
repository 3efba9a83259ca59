import type { Socket } from '../socket/socket.ts';
import { SysError } from '../sys/sys-error.ts';
import { LineBuffer } from '../tcp/framing/line-buffer.ts';
import { CHUNK_BYTES, STEPS_PER_TURN } from './limits.ts';

/**
 * What the server answers: `echo` each byte as it comes (RFC 862), each `line` once it is whole,
 * or the textbook's `once`: one line, its echo, and the connection is closed.
 */
export type EchoMode = 'echo' | 'line' | 'once';

/** All modes, in the order of the usage text. */
export const ECHO_MODES: readonly EchoMode[] = ['echo', 'line', 'once'];

/** What came of a step: more to do at once, a wait that gave nothing, or the end. */
type Progress = 'more' | 'waited' | 'ended';

/**
 * One client of a blocking server: receives, answers, and keeps its place when a wait ends
 * without anything, because time is up or a signal came.
 */
export class EchoSession {
  /** Bytes that came and bytes that went. */
  received = 0;
  sent = 0;
  /** How many lines were answered, in the modes that have lines. */
  lines = 0;
  readonly #socket: Socket;
  readonly #mode: EchoMode;
  readonly #buffer: LineBuffer;
  /** What is to be sent, lent from the buffer; nothing is received before it has gone. */
  #output: Uint8Array = new Uint8Array(0);
  #outputSent = 0;
  /** Whether to end once the output has gone. */
  #last = false;
  #draining = false;

  constructor(socket: Socket, mode: EchoMode, lineBytesMax: number) {
    this.#socket = socket;
    this.#mode = mode;
    this.#buffer = new LineBuffer(lineBytesMax);
  }

  /** Receives no more; what has come is still answered. */
  drain(): void {
    this.#draining = true;
  }

  get #sending(): boolean {
    return this.#outputSent < this.#output.length;
  }

  /**
   * Serves until the client has ended ('ended'), a wait gave nothing ('waited'), or it is time
   * for the caller to look around ('more'): after `stepsMax` calls, each of which may wait.
   *
   * Throws a SysError where the connection broke, a RangeError for a line that is too long.
   */
  run(stepsMax: number = STEPS_PER_TURN): Progress {
    for (let step = 0; step < stepsMax; step++) {
      const progress = this.#sending ? this.#send() : this.#next();
      if (progress !== 'more') return progress;
    }
    return 'more';
  }

  #next(): Progress {
    if (this.#last) return 'ended';
    if (this.#mode !== 'echo' && this.#answerLine()) return 'more';
    return this.#draining ? 'ended' : this.#receive();
  }

  #receive(): Progress {
    this.#buffer.reserve(CHUNK_BYTES);
    const length = orNothing(() =>
      this.#socket.recv(this.#buffer.bytes, this.#buffer.end, CHUNK_BYTES),
    );
    if (length === null) return 'waited';
    if (length === 0) {
      // What came without a newline at the end is answered as it is.
      this.#answer(this.#buffer.takeRest());
      this.#last = true;
      return 'more';
    }
    this.received += length;
    this.#buffer.commit(length);
    if (this.#mode === 'echo') this.#answer(this.#buffer.takeRest());
    return 'more';
  }

  #answerLine(): boolean {
    const line = this.#buffer.takeLine();
    if (this.#buffer.overlong || (line?.length ?? 0) > this.#buffer.lineBytesMax) {
      throw new RangeError(`a line is longer than ${this.#buffer.lineBytesMax} bytes`);
    }
    if (line === null) return false;
    this.lines += 1;
    this.#last = this.#mode === 'once';
    this.#answer(line);
    return true;
  }

  #answer(bytes: Uint8Array): void {
    this.#output = bytes;
    this.#outputSent = 0;
  }

  #send(): Progress {
    const sent = orNothing(() => this.#socket.send(this.#output, this.#outputSent));
    if (sent === null) return 'waited';
    this.#outputSent += sent;
    this.sent += sent;
    // A send that took a part has waited for the whole timeout, and the next one would as well.
    return this.#sending ? 'waited' : 'more';
  }
}

/** What `call` returns, or null where its time was up or a signal ended it. */
function orNothing(call: () => number): number | null {
  try {
    return call();
  } catch (error) {
    if (error instanceof SysError && (error.code === 'ETIMEDOUT' || error.code === 'EINTR')) {
      return null;
    }
    throw error;
  }
}
