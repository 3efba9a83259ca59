import type { Abi } from './abi/abi.ts';
import * as addresses from './control/addresses.ts';
import type { Codec } from './control/codec.ts';
import * as unix from './control/descriptors.ts';
import * as errors from './control/errors.ts';
import type {
  ControlFields,
  ControlKind,
  ControlMessage,
  ControlMessageOf,
} from './control/message.ts';
import * as numbers from './control/numbers.ts';
import * as times from './control/times.ts';
import { readSigned, readUnsigned, writeInteger } from './struct.ts';

// Control messages as cmsg(3) lays them out: a header, data, and padding to the next header.

/** A kind that has a codec. */
type KnownKind = Exclude<ControlKind, 'other'>;

/**
 * A further kind is a line here and a member of `ControlFields`. Where two kinds of a platform have
 * one number, the first is decoded.
 */
const codecs: { readonly [Kind in KnownKind]: Codec<ControlFields[Kind]> } = {
  SCM_RIGHTS: unix.rights,
  SCM_CREDENTIALS: unix.credentials,
  SCM_CREDS: unix.creds,
  SCM_CREDS2: unix.creds2,
  SCM_TIMESTAMP: times.timestamp,
  SCM_TIMESTAMPNS: times.timestampNs,
  SCM_REALTIME: times.realtime,
  SCM_MONOTONIC: times.monotonic,
  SO_RXQ_OVFL: numbers.overflow,
  IP_PKTINFO: addresses.packetInfo,
  IPV6_PKTINFO: addresses.packetInfoIPv6,
  IP_RECVDSTADDR: addresses.destination,
  IP_SENDSRCADDR: addresses.source,
  IP_TTL: numbers.ttl,
  IPV6_HOPLIMIT: numbers.hopLimit,
  IP_TOS: numbers.tos,
  IPV6_TCLASS: numbers.trafficClass,
  UDP_SEGMENT: numbers.segment,
  UDP_GRO: numbers.gro,
  IP_RECVERR: errors.error,
  IPV6_RECVERR: errors.errorIPv6,
};

/** A message with the numbers of its header, and the codec of its kind if it has one. */
interface Numbered {
  readonly level: number;
  readonly type: number;
  readonly dataBytes: number;
  readonly write: (data: DataView) => void;
}

/** The room that a message with `dataBytes` takes: CMSG_SPACE. */
export function controlSpace(abi: Abi, dataBytes: number): number {
  return headerBytes(abi) + aligned(abi, dataBytes);
}

/** The room of a message with `count` descriptors. */
export function rightsSpace(abi: Abi, count: number): number {
  return controlSpace(abi, count * unix.FD_BYTES);
}

/**
 * Control messages for sendmsg(2), one behind the other.
 *
 * @throws RangeError for a kind that the platform lacks, RangeError or TypeError for a wrong field.
 */
export function encodeControl(abi: Abi, messages: readonly ControlMessage[]): Uint8Array {
  const parts = messages.map((message) => numbered(abi, message));
  const sizes = parts.map(({ dataBytes }) => controlSpace(abi, dataBytes));
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  const { fields } = abi.structs.cmsghdr;
  let at = 0;
  for (const [index, { level, type, dataBytes, write }] of parts.entries()) {
    const view = new DataView(bytes.buffer, at, sizes[index]);
    writeInteger(view, 0, fields.cmsg_len, headerBytes(abi) + dataBytes);
    writeInteger(view, 0, fields.cmsg_level, level);
    writeInteger(view, 0, fields.cmsg_type, type);
    write(new DataView(view.buffer, view.byteOffset + headerBytes(abi), dataBytes));
    at += view.byteLength;
  }
  return bytes;
}

/** A control message as it came, with the numbers of its header. */
export interface ReceivedControl {
  /** `cmsg_len`. */
  readonly length: number;
  /** `cmsg_level`. */
  readonly level: number;
  readonly message: ControlMessage;
}

/** The messages in the first `length` bytes of `control`, without what the kernel has cut off. */
export function decodeControl(abi: Abi, control: Uint8Array, length: number): ControlMessage[] {
  return receivedControl(abi, control, length).map(({ message }) => message);
}

/** As {@link decodeControl}, with the headers. */
export function receivedControl(
  abi: Abi,
  control: Uint8Array,
  length: number,
): readonly ReceivedControl[] {
  const { size, fields } = abi.structs.cmsghdr;
  const received: ReceivedControl[] = [];
  const room = Math.max(0, Math.min(length, control.length));
  const view = new DataView(control.buffer, control.byteOffset, room);
  for (let at = 0; at + size <= view.byteLength; ) {
    const bytes = readUnsigned(view, at, fields.cmsg_len);
    if (bytes < headerBytes(abi)) break;
    const end = Math.min(at + bytes, view.byteLength);
    const dataAt = Math.min(at + headerBytes(abi), end);
    const data = new DataView(view.buffer, view.byteOffset + dataAt, end - dataAt);
    const level = readSigned(view, at, fields.cmsg_level);
    const message = read(abi, level, readSigned(view, at, fields.cmsg_type), data);
    received.push({ length: bytes, level, message });
    at += aligned(abi, bytes);
  }
  return received;
}

function read(abi: Abi, level: number, type: number, data: DataView): ControlMessage {
  const kind = kindsOf(abi).get(`${level} ${type}`);
  const message = kind === undefined ? null : readKnown(abi, kind, data);
  if (message !== null) return message;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  return { kind: 'other', level, type, data: bytes };
}

function readKnown<Kind extends KnownKind>(
  abi: Abi,
  kind: Kind,
  data: DataView,
): ControlMessage | null {
  const codec: Codec<ControlFields[Kind]> = codecs[kind];
  const fields = codec.read(abi, data);
  return fields === null ? null : ({ kind, ...fields } as unknown as ControlMessage);
}

const kinds = new WeakMap<Abi, ReadonlyMap<string, KnownKind>>();

/** The kinds of a platform by level and type. */
function kindsOf(abi: Abi): ReadonlyMap<string, KnownKind> {
  const known = kinds.get(abi);
  if (known !== undefined) return known;
  const found = new Map<string, KnownKind>();
  for (const kind of Object.keys(codecs) as KnownKind[]) {
    for (const type of codecs[kind].types(abi)) {
      const numbers = `${codecs[kind].level(abi)} ${type}`;
      if (type !== undefined && !found.has(numbers)) found.set(numbers, kind);
    }
  }
  kinds.set(abi, found);
  return found;
}

function numbered(abi: Abi, message: ControlMessage): Numbered {
  if (!isKnown(message)) {
    const { level, type, data } = message;
    const write = (view: DataView): void => new Uint8Array(view.buffer, view.byteOffset).set(data);
    return { level, type, dataBytes: data.length, write };
  }
  return numberedKnown(abi, message.kind, message);
}

function numberedKnown<Kind extends KnownKind>(
  abi: Abi,
  kind: Kind,
  message: ControlMessageOf<Kind>,
): Numbered {
  const codec: Codec<ControlFields[Kind]> = codecs[kind];
  const level = codec.level(abi);
  const [type] = codec.types(abi);
  if (level === undefined || type === undefined) {
    throw new RangeError(`${kind} does not exist on ${abi.platform}`);
  }
  const write = (data: DataView): void => codec.write(abi, message, data);
  return { level, type, dataBytes: codec.dataBytes(abi, message), write };
}

function isKnown(message: ControlMessage): message is ControlMessageOf<KnownKind> {
  const kind: ControlKind = message.kind;
  if (kind === 'other') return false;
  if (Object.hasOwn(codecs, kind)) return true;
  throw new TypeError(`${String(kind)} is not a kind of control message that sockloop knows`);
}

function headerBytes(abi: Abi): number {
  return aligned(abi, abi.structs.cmsghdr.size);
}

function aligned(abi: Abi, bytes: number): number {
  const { controlAlignBytes } = abi.behaviours;
  return Math.ceil(bytes / controlAlignBytes) * controlAlignBytes;
}
