import type { Socket } from 'sockloop/socket';
import { type Sys, SysError } from 'sockloop/sys';
import { LineBuffer } from '#src/framing/line-buffer.js';
import { unacknowledgedBytesOf, unreadBytesOf } from '#src/sys/socket-queues.js';
import { CHUNK_BYTES, STEPS_PER_TURN } from './limits.ts';

/**
 * What the server answers: `echo` each byte as it comes (RFC 862), each `line` once it is whole,
 * or the textbook's `once`: one line, its echo, and the connection is closed.
 */
export type EchoMode = 'echo' | 'line' | 'once';

/** All modes, in the order of the usage text. */
export const ECHO_MODES: readonly EchoMode[] = ['echo', 'line', 'once'];

/** What came of a step: more to do at once, a wait that gave nothing, or the end. */
export type Progress = 'more' | 'waited' | 'ended';

/** Where what a lingering client still sends goes. */
const discarded = new Uint8Array(CHUNK_BYTES);

/**
 * One client of a blocking server: receives, answers, and keeps its place when a wait ends
 * without anything, because time is up or a signal came.
 *
 * A client that has not ended its side is hung up on gently: the stream is shut down behind the
 * last answer, and what still comes is discarded. close(2) with input unread would send a reset,
 * which destroys answers that are still on their way.
 */
export class EchoSession {
  /** Bytes that came and bytes that went. */
  received = 0;
  sent = 0;
  /** How many lines were answered, in the modes that have lines. */
  lines = 0;
  /** Why the server hangs up, where the client is to blame. */
  failure: RangeError | null = null;
  readonly #sys: Sys;
  readonly #socket: Socket;
  readonly #mode: EchoMode;
  readonly #buffer: LineBuffer;
  /** What is to be sent, lent from the buffer; nothing is received before it has gone. */
  #output: Uint8Array = new Uint8Array(0);
  #outputSent = 0;
  /** Whether to end once the output has gone. */
  #last = false;
  #draining = false;
  #peerEnded = false;
  #lingering = false;

  constructor(sys: Sys, socket: Socket, mode: EchoMode, lineBytesMax: number) {
    this.#sys = sys;
    this.#socket = socket;
    this.#mode = mode;
    this.#buffer = new LineBuffer(lineBytesMax);
  }

  /** Receives no more; what has come is still answered. */
  drain(): void {
    this.#draining = true;
  }

  /** Whether this side has ended, and the session waits for the client to end its own. */
  get lingering(): boolean {
    return this.#lingering;
  }

  /** How many bytes of the answers the client's kernel has not acknowledged, as far as known. */
  get unacknowledgedBytes(): number {
    if (this.#socket.family === 'UNIX') return 0;
    return unacknowledgedBytesOf(this.#sys, this.#socket.fileno(), this.#lingering) ?? 0;
  }

  /** How many bytes of the answers the client has not got, as far as known. */
  get outstandingBytes(): number {
    return this.#output.length - this.#outputSent + this.unacknowledgedBytes;
  }

  /** The close that follows resets the connection where some of its output was never sent. */
  resetAtClose(): void {
    if (this.#sending) this.#socket.setSockOpt('SO_LINGER', 0);
  }

  get #sending(): boolean {
    return this.#outputSent < this.#output.length;
  }

  /**
   * Serves until the client has ended ('ended'), a wait gave nothing ('waited'), or it is time
   * for the caller to look around ('more'): after `stepsMax` calls, each of which may wait.
   *
   * Throws a SysError where the connection broke. A line that is too long is its `failure`.
   */
  run(stepsMax: number = STEPS_PER_TURN): Progress {
    for (let step = 0; step < stepsMax; step++) {
      const progress = this.#sending ? this.#send() : this.#next();
      if (progress !== 'more') return progress;
    }
    return 'more';
  }

  #next(): Progress {
    if (this.#lingering) return this.#discard();
    if (this.#last) return this.#peerEnded ? 'ended' : this.#linger();
    if (this.#mode !== 'echo' && this.#answerLine()) return 'more';
    if (!this.#draining) return this.#receive();
    return this.#nothingIsUnderWay ? 'ended' : this.#linger();
  }

  /** Whether close(2) can destroy nothing: the client has all answers, and has sent nothing new. */
  get #nothingIsUnderWay(): boolean {
    return this.unacknowledgedBytes === 0 && unreadBytesOf(this.#sys, this.#socket.fileno()) === 0;
  }

  #linger(): Progress {
    this.#lingering = true;
    try {
      this.#socket.shutdown('write');
    } catch (error) {
      // The client has reset the connection: the next receive tells.
      if (!(error instanceof SysError && error.code === 'ENOTCONN')) throw error;
    }
    return 'more';
  }

  #discard(): Progress {
    const length = orNothing(() => this.#socket.recv(discarded));
    if (length === null) return 'waited';
    return length === 0 ? 'ended' : 'more';
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
      this.#peerEnded = true;
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
      this.failure = new RangeError(`a line is longer than ${this.#buffer.lineBytesMax} bytes`);
      this.#last = true;
      return true;
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
