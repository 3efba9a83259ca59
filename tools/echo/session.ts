import type { Socket } from 'sockloop/socket';
import { type Sys, SysError } from 'sockloop/sys';
import { LineBuffer } from '#src/framing/line-buffer.js';
import { isLateEnd } from '#src/socket/blocking-call.js';
import { restIfHurried } from '#src/socket/wait.js';
import { unacknowledgedBytesOf, unreadBytesOf } from '#src/sys/socket-queues.js';
import { CHUNK_BYTES, STEPS_PER_TURN } from './limits.ts';

/**
 * What the server answers: `echo` each byte as it comes (RFC 862), each `line` once it is whole,
 * or the textbook's `once`: one line, its echo, and the connection is closed.
 */
export type EchoMode = 'echo' | 'line' | 'once';

/** All modes, in the order of the usage text. */
export const ECHO_MODES: readonly EchoMode[] = ['echo', 'line', 'once'];

/** The outcome of a step: more to do at once, a wait without result, or the end. */
export type Progress = 'more' | 'waited' | 'ended';

/** Receives the input of lingering clients. */
const discarded = new Uint8Array(CHUNK_BYTES);

/**
 * One client of a blocking server: receives, answers, and keeps its place across a timeout or an
 * interrupted call.
 *
 * Closes with a lingering close if the client has not ended its side: the stream is shut down
 * behind the last answer, and input is discarded. close(2) with unread input sends a reset, which
 * destroys answers in flight.
 */
export class EchoSession {
  /** Bytes received and sent. */
  received = 0;
  sent = 0;
  /** Lines answered, in the modes `line` and `once`. */
  lines = 0;
  /** Why the server hangs up on the client; null if it does not. */
  failure: RangeError | null = null;
  readonly #sys: Sys;
  readonly #socket: Socket;
  readonly #mode: EchoMode;
  readonly #buffer: LineBuffer;
  /** The pending output, borrowed from the buffer until it is sent: nothing is received before. */
  #output: Uint8Array = new Uint8Array(0);
  #outputSent = 0;
  /** True to end after the output. */
  protected last = false;
  #draining = false;
  #peerEnded = false;
  #lingering = false;

  constructor(sys: Sys, socket: Socket, mode: EchoMode, lineBytesMax: number) {
    this.#sys = sys;
    this.#socket = socket;
    this.#mode = mode;
    this.#buffer = new LineBuffer(lineBytesMax);
  }

  /** Stops receiving; input received so far is answered. */
  drain(): void {
    this.#draining = true;
  }

  /** True once this side is shut down and the session waits for the client's end. */
  get lingering(): boolean {
    return this.#lingering;
  }

  /** Bytes sent that the peer has not acknowledged, as far as known. */
  get unacknowledgedBytes(): number {
    if (this.#socket.family === 'UNIX') return 0;
    return unacknowledgedBytesOf(this.#sys, this.#socket.fileno(), this.#lingering) ?? 0;
  }

  /** Bytes unsent or unacknowledged, as far as known. */
  get outstandingBytes(): number {
    return this.unsentBytes + this.unacknowledgedBytes;
  }

  /** Bytes of the output that the kernel has not taken. */
  protected get unsentBytes(): number {
    return this.#output.length - this.#outputSent;
  }

  /** Makes the following close a reset if output remains unsent. */
  resetAtClose(): void {
    if (this.#sending) this.#socket.setSockOpt('SO_LINGER', 0);
  }

  get #sending(): boolean {
    return this.#outputSent < this.#output.length;
  }

  /**
   * Serves until the client has ended ('ended'), a wait timed out ('waited'), or `stepsMax` calls
   * were made ('more'), each of which may wait.
   *
   * Throws a SysError if the connection broke. A line that is too long sets `failure`.
   */
  run(stepsMax: number = STEPS_PER_TURN): Progress {
    for (let step = 0; step < stepsMax; step++) {
      const progress = this.#sending ? this.send() : this.#next();
      if (progress !== 'more') return progress;
    }
    return 'more';
  }

  #next(): Progress {
    if (this.#lingering) return this.#discard();
    if (this.last) return this.#peerEnded ? 'ended' : this.hangUp();
    if (this.#mode !== 'echo' && this.#answerLine()) return 'more';
    if (!this.#draining) return this.#receive();
    return this.#nothingIsUnderWay ? 'ended' : this.hangUp();
  }

  /** True if close(2) destroys nothing: all output is acknowledged and no input is unread. */
  get #nothingIsUnderWay(): boolean {
    return this.unacknowledgedBytes === 0 && unreadBytesOf(this.#sys, this.#socket.fileno()) === 0;
  }

  /** Ends this side behind the last answer. */
  protected hangUp(): Progress {
    this.#lingering = true;
    try {
      this.#socket.shutdown('write');
    } catch (error) {
      // The client has reset the connection: the next receive reports it.
      if (!(error instanceof SysError && error.code === 'ENOTCONN')) throw error;
    }
    return 'more';
  }

  #discard(): Progress {
    const length = orNothing(this.#sys, () => this.#socket.recv(discarded));
    if (length === null) return 'waited';
    return length === 0 ? 'ended' : 'more';
  }

  #receive(): Progress {
    this.#buffer.reserve(CHUNK_BYTES);
    const length = orNothing(this.#sys, () =>
      this.#socket.recv(this.#buffer.bytes, this.#buffer.end, CHUNK_BYTES),
    );
    if (length === null) return 'waited';
    if (length === 0) {
      // A last line without a newline is answered as it is.
      this.answer(this.#buffer.takeRest());
      this.last = true;
      this.#peerEnded = true;
      return 'more';
    }
    this.received += length;
    this.#buffer.commit(length);
    if (this.#mode === 'echo') this.answer(this.#buffer.takeRest());
    return 'more';
  }

  #answerLine(): boolean {
    const line = this.#buffer.takeLine();
    if (this.#buffer.overlong || (line?.length ?? 0) > this.#buffer.lineBytesMax) {
      this.failure = new RangeError(`a line is longer than ${this.#buffer.lineBytesMax} bytes`);
      this.last = true;
      return true;
    }
    if (line === null) return false;
    this.lines += 1;
    this.last = this.#mode === 'once';
    this.answer(line);
    return true;
  }

  /** Sends the answer to a message; it is borrowed from the buffer. */
  protected answer(bytes: Uint8Array): void {
    this.#output = bytes;
    this.#outputSent = 0;
  }

  /** Sends the output, or `length` bytes of it. */
  protected send(length = this.unsentBytes): Progress {
    const sent = orNothing(this.#sys, () =>
      this.#socket.send(this.#output, this.#outputSent, length),
    );
    if (sent === null) return 'waited';
    this.#outputSent += sent;
    this.sent += sent;
    // A short write has waited for the whole timeout, and the next one would as well.
    return sent < length ? 'waited' : 'more';
  }
}

/**
 * The result of `call`; null if it timed out or was interrupted. The ETIMEDOUT of a connection that
 * the network has lost is no such end.
 */
function orNothing(sys: Sys, call: () => number): number | null {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof SysError) || !(isLateEnd(error) || error.code === 'EINTR')) throw error;
    restIfHurried(sys);
    return null;
  }
}
