import type { Abi } from './abi/abi.ts';
import { readSigned, readUnsigned, writeInteger } from './struct.ts';

// Control messages as cmsg(3) lays them out: a header, data, and padding to the next header.

/** Descriptors that are passed over a UNIX socket: unix(7). */
interface RightsMessage {
  readonly kind: 'SCM_RIGHTS';
  readonly fds: readonly number[];
}

/** A control message of a kind that has no codec. */
interface OtherMessage {
  readonly kind: 'other';
  readonly level: number;
  readonly type: number;
  readonly data: Uint8Array;
}

/** A control message of sendmsg(2) or recvmsg(2). */
export type ControlMessage = RightsMessage | OtherMessage;

/** A message that can be encoded, by its kind. */
type Known<Kind> = Extract<ControlMessage, { readonly kind: Kind }>;
type KnownKind = Exclude<ControlMessage['kind'], 'other'>;

/** How a kind of message is written and read. */
interface Codec<Message> {
  level(abi: Abi): number;
  type(abi: Abi): number;
  dataBytes(message: Message): number;
  write(message: Message, data: DataView): void;
  read(data: DataView): Message;
}

const FD_BYTES = 4;

/** A further kind is a line here and a member of {@link ControlMessage}. */
const codecs: { readonly [Kind in KnownKind]: Codec<Known<Kind>> } = {
  SCM_RIGHTS: {
    level: ({ constants }) => constants.SOL_SOCKET,
    type: ({ constants }) => constants.SCM_RIGHTS,
    dataBytes: ({ fds }) => fds.length * FD_BYTES,
    write: ({ fds }, data) => {
      for (const [index, fd] of fds.entries()) data.setInt32(index * FD_BYTES, fd, true);
    },
    read: (data) => {
      const count = Math.floor(data.byteLength / FD_BYTES);
      const fds = Array.from({ length: count }, (_, index) =>
        data.getInt32(index * FD_BYTES, true),
      );
      return { kind: 'SCM_RIGHTS', fds };
    },
  },
};

/** The room that a message with `dataBytes` takes: CMSG_SPACE. */
export function controlSpace(abi: Abi, dataBytes: number): number {
  return headerBytes(abi) + aligned(abi, dataBytes);
}

/** The room of a message with `count` descriptors. */
export function rightsSpace(abi: Abi, count: number): number {
  return controlSpace(abi, count * FD_BYTES);
}

/** Control messages for sendmsg(2), one behind the other. */
export function encodeControl(abi: Abi, messages: readonly ControlMessage[]): Uint8Array {
  const sizes = messages.map((message) => controlSpace(abi, dataBytesOf(message)));
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  for (const [index, message] of messages.entries()) {
    write(abi, message, new DataView(bytes.buffer, at, sizes[index]));
    at += sizes[index] ?? 0;
  }
  return bytes;
}

/** The messages in the first `length` bytes of `control`, without what the kernel has cut off. */
export function decodeControl(abi: Abi, control: Uint8Array, length: number): ControlMessage[] {
  const { size, fields } = abi.structs.cmsghdr;
  const messages: ControlMessage[] = [];
  const view = new DataView(control.buffer, control.byteOffset, Math.min(length, control.length));
  for (let at = 0; at + size <= view.byteLength; ) {
    const bytes = readUnsigned(view, at, fields.cmsg_len);
    if (bytes < headerBytes(abi)) break;
    const end = Math.min(at + bytes, view.byteLength);
    const dataAt = Math.min(at + headerBytes(abi), end);
    const data = new DataView(view.buffer, view.byteOffset + dataAt, end - dataAt);
    const level = readSigned(view, at, fields.cmsg_level);
    messages.push(read(abi, level, readSigned(view, at, fields.cmsg_type), data));
    at += aligned(abi, bytes);
  }
  return messages;
}

function write(abi: Abi, message: ControlMessage, view: DataView): void {
  const { fields } = abi.structs.cmsghdr;
  const dataBytes = dataBytesOf(message);
  const data = new DataView(view.buffer, view.byteOffset + headerBytes(abi), dataBytes);
  const { level, type } = message.kind === 'other' ? message : numbersOf(abi, message.kind);
  writeInteger(view, 0, fields.cmsg_len, headerBytes(abi) + dataBytes);
  writeInteger(view, 0, fields.cmsg_level, level);
  writeInteger(view, 0, fields.cmsg_type, type);
  if (message.kind === 'other') new Uint8Array(data.buffer, data.byteOffset).set(message.data);
  else codecs[message.kind].write(message, data);
}

function read(abi: Abi, level: number, type: number, data: DataView): ControlMessage {
  for (const codec of Object.values(codecs)) {
    if (codec.level(abi) === level && codec.type(abi) === type) return codec.read(data);
  }
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  return { kind: 'other', level, type, data: bytes };
}

function numbersOf(abi: Abi, kind: KnownKind): { level: number; type: number } {
  return { level: codecs[kind].level(abi), type: codecs[kind].type(abi) };
}

function dataBytesOf(message: ControlMessage): number {
  if (message.kind === 'other') return message.data.length;
  return codecs[message.kind].dataBytes(message);
}

function headerBytes(abi: Abi): number {
  return aligned(abi, abi.structs.cmsghdr.size);
}

function aligned(abi: Abi, bytes: number): number {
  const { controlAlignBytes } = abi.behaviours;
  return Math.ceil(bytes / controlAlignBytes) * controlAlignBytes;
}
