import { NEWLINE } from '../../base/bytes.ts';
import { LineBuffer } from '../../framing/line-buffer.ts';
import { LINE_BYTES_MAX } from '../limits.ts';
import { DONE } from './pull-iterator.ts';
import type { ReceivedChunks } from './received-chunks.ts';

/** Options of {@link AsyncConnection.lines}. */
export interface LineOptions {
  /** The longest line, in bytes, with its newline: 1 and up. Default: 64 KiB. */
  readonly bytesMax?: number;
}

// A byte order mark is part of the line.
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** The lines of a connection, from its chunks. */
export class LineSource {
  readonly #chunks: ReceivedChunks;
  readonly #lines: LineBuffer;

  constructor(chunks: ReceivedChunks, { bytesMax = LINE_BYTES_MAX }: LineOptions) {
    this.#chunks = chunks;
    this.#lines = new LineBuffer(bytesMax);
  }

  /** As {@link ReceivedChunks.take}. Throws a RangeError at a line that is too long. */
  take(): IteratorResult<string, undefined> | null {
    const lines = this.#lines;
    for (;;) {
      const line = lines.takeLine();
      if (line !== null) return { done: false, value: textOf(line) };
      if (lines.overlong) {
        throw new RangeError(`cannot read a line: it takes more than ${lines.lineBytesMax} bytes`);
      }
      const next = this.#chunks.take();
      if (next === null) return null;
      if (next.done === true) return this.#last();
      lines.append(next.value);
    }
  }

  /** The last line, if it has no newline. */
  #last(): IteratorResult<string, undefined> {
    if (this.#chunks.dropped || this.#lines.length === 0) return DONE;
    return { done: false, value: textOf(this.#lines.takeRest()) };
  }
}

/** A line without its end, which is a newline or CR LF. */
function textOf(line: Uint8Array): string {
  let { length } = line;
  if (line[length - 1] === NEWLINE) {
    length -= 1;
    if (line[length - 1] === CARRIAGE_RETURN) length -= 1;
  }
  return utf8.decode(line.subarray(0, length));
}

const CARRIAGE_RETURN = 13;
