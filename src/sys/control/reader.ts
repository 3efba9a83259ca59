import type { Abi } from '../abi/abi.ts';

/** Finds control messages in place: it allocates nothing, as the codecs do. */
export class ControlReader {
  readonly #headerBytes: number;
  readonly #alignBytes: number;
  readonly #lengthWord: number;
  readonly #levelWord: number;
  readonly #typeWord: number;

  constructor({ structs, behaviours }: Abi) {
    const { size, fields } = structs.cmsghdr;
    this.#alignBytes = behaviours.controlAlignBytes;
    this.#headerBytes = this.#aligned(size);
    this.#lengthWord = fields.cmsg_len.offset >> 2;
    this.#levelWord = fields.cmsg_level.offset >> 2;
    this.#typeWord = fields.cmsg_type.offset >> 2;
  }

  #aligned(bytes: number): number {
    return (bytes + this.#alignBytes - 1) & -this.#alignBytes;
  }

  /**
   * The offset of the data of the first message of (`level`, `type`) with at least `dataBytes`,
   * among the `length` bytes of control messages at `at` of the memory `words`; -1 if there is
   * none.
   */
  find(
    words: Int32Array,
    at: number,
    length: number,
    level: number,
    type: number,
    dataBytes: number,
  ): number {
    const end = at + length;
    for (let header = at; header + this.#headerBytes <= end; ) {
      const word = header >> 2;
      const bytes = words[word + this.#lengthWord] ?? 0;
      if (bytes < this.#headerBytes) return -1;
      const isIt = words[word + this.#levelWord] === level && words[word + this.#typeWord] === type;
      const holds = bytes >= this.#headerBytes + dataBytes && header + bytes <= end;
      if (isIt && holds) return header + this.#headerBytes;
      header += this.#aligned(bytes);
    }
    return -1;
  }
}
