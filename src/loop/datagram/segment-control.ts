import type { Abi } from '../../sys/abi/abi.ts';
import { controlSpace } from '../../sys/control-messages.ts';
import type { MessageVector } from '../../sys/message-vector.ts';

/** The control message UDP_SEGMENT, written in place: an encoder would allocate. */
export class SegmentControl {
  /** CMSG_SPACE of its 16 bits. */
  readonly spaceBytes: number;
  readonly #lengthBytes: number;
  readonly #level: number;
  readonly #type: number;
  readonly #lengthWord: number;
  readonly #levelWord: number;
  readonly #typeWord: number;
  readonly #dataWord: number;

  constructor(abi: Abi) {
    const { fields } = abi.structs.cmsghdr;
    const headerBytes = controlSpace(abi, 0);
    this.spaceBytes = controlSpace(abi, SEGMENT_DATA_BYTES);
    this.#lengthBytes = headerBytes + SEGMENT_DATA_BYTES;
    this.#level = abi.constants.IPPROTO_UDP;
    this.#type = abi.constants.UDP_SEGMENT ?? 0;
    this.#lengthWord = fields.cmsg_len.offset >> 2;
    this.#levelWord = fields.cmsg_level.offset >> 2;
    this.#typeWord = fields.cmsg_type.offset >> 2;
    this.#dataWord = headerBytes >> 2;
  }

  /** Whether the platform has it: Linux. */
  static exists(abi: Abi): boolean {
    return abi.constants.UDP_SEGMENT !== undefined;
  }

  /** Writes it behind the first `behindBytes` of the control messages of a slot, as the last. */
  write(messages: MessageVector, slot: number, behindBytes: number, segmentBytes: number): void {
    const { words } = messages;
    const word = (messages.controlAt(slot) + behindBytes) >> 2;
    // Zero in its upper half, where cmsg_len has 64 bits.
    words[word + 1] = 0;
    words[word + this.#lengthWord] = this.#lengthBytes;
    words[word + this.#levelWord] = this.#level;
    words[word + this.#typeWord] = this.#type;
    words[word + this.#dataWord] = segmentBytes;
    messages.setControlLength(slot, behindBytes + this.spaceBytes);
  }
}

const SEGMENT_DATA_BYTES = 2;
