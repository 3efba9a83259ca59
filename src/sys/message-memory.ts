import type { Abi } from './abi/abi.ts';
import { isStable } from './stable-address.ts';
import { readUnsigned, writeInteger } from './struct.ts';
import type { MessageHeader } from './sys.ts';

/** A buffer that V8 may move has at most 64 bytes: {@link isStable}. */
const COPY_BYTES = 64;

/** The parts that a msghdr points to. */
const PARTS = ['name', 'buffer', 'control'] as const;
type Part = (typeof PARTS)[number];

/** The msghdr and the iovec of sendmsg(2) and recvmsg(2), in memory that is never moved. */
export class MessageMemory {
  /** The msghdr. */
  readonly header: Uint8Array;
  readonly #abi: Abi;
  readonly #addressOf: (buffer: Uint8Array) => bigint;
  readonly #memory: Uint8Array;
  readonly #view: DataView;
  readonly #address: number;
  readonly #iovecAt: number;
  readonly #copiesAt: number;

  constructor(abi: Abi, addressOf: (buffer: Uint8Array) => bigint) {
    const { msghdr, iovec } = abi.structs;
    this.#abi = abi;
    this.#addressOf = addressOf;
    this.#iovecAt = msghdr.size;
    this.#copiesAt = this.#iovecAt + iovec.size;
    this.#memory = new Uint8Array(this.#copiesAt + PARTS.length * COPY_BYTES);
    this.#view = new DataView(this.#memory.buffer);
    this.#address = Number(addressOf(this.#memory));
    this.header = this.#memory.subarray(0, msghdr.size);
  }

  /** Writes `message` down, which has to stay as it is until the call is over. */
  write(message: MessageHeader): void {
    const { name, nameLength, buffer, offset, length, control, controlLength } = message;
    const { fields: header } = this.#abi.structs.msghdr;
    const { fields: iovec } = this.#abi.structs.iovec;
    const view = this.#view;
    writeInteger(view, 0, header.msg_name, this.#addressFor('name', name));
    writeInteger(view, 0, header.msg_namelen, name === null ? 0 : nameLength);
    writeInteger(view, 0, header.msg_iov, this.#address + this.#iovecAt);
    writeInteger(view, 0, header.msg_iovlen, 1);
    writeInteger(view, 0, header.msg_control, this.#addressFor('control', control));
    writeInteger(view, 0, header.msg_controllen, control === null ? 0 : controlLength);
    writeInteger(view, 0, header.msg_flags, 0);
    const bytesAt = this.#addressFor('buffer', buffer) + offset;
    writeInteger(view, this.#iovecAt, iovec.iov_base, bytesAt);
    writeInteger(view, this.#iovecAt, iovec.iov_len, length);
  }

  /** Writes what recvmsg(2) has filled in into `message`. */
  read(message: MessageHeader): void {
    const { fields } = this.#abi.structs.msghdr;
    for (const part of PARTS) {
      const buffer = message[part];
      if (buffer === null || isStable(buffer)) continue;
      const at = this.#copyAt(part);
      buffer.set(this.#memory.subarray(at, at + buffer.length));
    }
    message.nameLength = readUnsigned(this.#view, 0, fields.msg_namelen);
    message.controlLength = readUnsigned(this.#view, 0, fields.msg_controllen);
    message.flags = readUnsigned(this.#view, 0, fields.msg_flags);
  }

  /** The address of a part: of the buffer itself, or of a copy where V8 may move it. */
  #addressFor(part: Part, buffer: Uint8Array | null): number {
    if (buffer === null) return 0;
    if (isStable(buffer)) return Number(this.#addressOf(buffer));
    const at = this.#copyAt(part);
    this.#memory.set(buffer, at);
    return this.#address + at;
  }

  #copyAt(part: Part): number {
    return this.#copiesAt + PARTS.indexOf(part) * COPY_BYTES;
  }
}
