/** What can be written: any view or buffer of bytes, and a string, which is sent as UTF-8. */
export type WritableChunk = string | ArrayBuffer | ArrayBufferView;

/** A WritableStream that knows its writer, to close it from within. */
export class SocketWritable extends WritableStream<WritableChunk> {
  #writer: SocketWriter | null = null;

  override getWriter(): WritableStreamDefaultWriter<WritableChunk> {
    const writer = new SocketWriter(this, () => {
      if (this.#writer === writer) this.#writer = null;
    });
    this.#writer = writer;
    return writer;
  }

  /** Closes the stream, also through its writer. Returns false if a pipe has it. */
  closeFromWithin(): boolean {
    const holder = this.locked ? this.#writer : this;
    // It is closing already, or has an error.
    holder?.close().catch(() => undefined);
    return holder !== null;
  }
}

class SocketWriter extends WritableStreamDefaultWriter<WritableChunk> {
  readonly #left: () => void;

  constructor(stream: WritableStream<WritableChunk>, left: () => void) {
    super(stream);
    this.#left = left;
  }

  override write(chunk: WritableChunk): Promise<void> {
    try {
      return super.write(chunk);
    } catch {
      // Node 20 throws an internal assertion behind the end of a stream.
      return Promise.reject(new TypeError('cannot write: the stream is closed'));
    }
  }

  override releaseLock(): void {
    super.releaseLock();
    this.#left();
  }
}
