import { requireWhole, shown } from '../base/arguments.ts';
import type { ControlMessage } from '../sys/control/message.ts';
import { decodeControl, encodeControl } from '../sys/control-messages.ts';
import { decodeSockaddr, SOCKADDR_BYTES_MAX, type SocketAddress } from '../sys/sockaddr.ts';
import type { MessageHeader, Sys } from '../sys/sys.ts';
import type { AddressInput } from './address.ts';

// The headers of sendmsg(2) and recvmsg(2), from what a program says and to what it reads.

/** Room for what all options ask for together, and for 253 descriptors. */
const CONTROL_BYTES = 2048;
const CONTROL_BYTES_MAX = 65_536;

/** What goes with the bytes of {@link BaseSocket.sendMsg}. */
export interface SendMsgOptions {
  /** The receiver; of a connected socket its peer. */
  readonly to?: AddressInput;
  /** Control messages: descriptors, a source address, the length of segments. */
  readonly control?: readonly ControlMessage[];
  /** `MSG_*` of the socket's `constants`. */
  readonly flags?: number;
}

/** How {@link BaseSocket.recvMsg} receives. */
export interface RecvMsgOptions {
  /** Room for control messages: 0 to 65536, 2048 by default. */
  readonly controlBytes?: number;
  /** `MSG_*` of the socket's `constants`: `MSG_PEEK`, `MSG_ERRQUEUE`, ... */
  readonly flags?: number;
}

/** What recvmsg(2) received. */
export interface ReceivedMessage {
  /**
   * How many bytes are in the buffer; 0 for an empty datagram, and at the end of a connection. With
   * `MSG_TRUNC` in the flags, Linux says how many there were.
   */
  readonly length: number;
  /** The sender; of the error queue the receiver. Null where the kernel names none: of TCP. */
  readonly address: SocketAddress | null;
  /** The control messages; the caller owns the descriptors among them, which are closed on exec. */
  readonly control: readonly ControlMessage[];
  /** The flags of the kernel: `MSG_EOR`, ... */
  readonly flags: number;
  /** The datagram was longer than the buffer: `MSG_TRUNC`. */
  readonly truncated: boolean;
  /** Control messages were lost for lack of room: `MSG_CTRUNC`. */
  readonly controlTruncated: boolean;
}

/** The header of a message that is sent to the sockaddr in `name`; null for none. */
export function headerToSend(
  sys: Sys,
  bytes: Uint8Array,
  name: Uint8Array | null,
  control: readonly ControlMessage[],
): MessageHeader {
  if (!Array.isArray(control)) {
    throw new TypeError(`control messages are an array, not ${shown(control)}`);
  }
  const encoded = control.length === 0 ? null : encodeControl(sys.abi, control);
  return {
    name,
    nameLength: name?.length ?? 0,
    buffer: bytes,
    offset: 0,
    length: bytes.length,
    control: encoded,
    controlLength: encoded?.length ?? 0,
    flags: 0,
  };
}

/** The header of a message that is received into `bytes`. */
export function headerToReceive(bytes: Uint8Array, controlBytes = CONTROL_BYTES): MessageHeader {
  requireWhole('the room for control messages', controlBytes, 0, CONTROL_BYTES_MAX);
  return {
    name: new Uint8Array(SOCKADDR_BYTES_MAX),
    nameLength: SOCKADDR_BYTES_MAX,
    buffer: bytes,
    offset: 0,
    length: bytes.length,
    control: controlBytes === 0 ? null : new Uint8Array(controlBytes),
    controlLength: controlBytes,
    flags: 0,
  };
}

/** Makes `header` fit to receive again. */
export function resetHeader(header: MessageHeader): void {
  header.nameLength = header.name?.length ?? 0;
  header.controlLength = header.control?.length ?? 0;
  header.flags = 0;
}

/** What recvmsg(2) has filled into `header`, and its result. */
export function receivedMessage(
  sys: Sys,
  header: MessageHeader,
  length: number,
  unnamed: SocketAddress | null,
): ReceivedMessage {
  const { MSG_TRUNC, MSG_CTRUNC, MSG_CMSG_CLOEXEC } = sys.abi.constants;
  const { control, controlLength } = header;
  // Linux hands it back.
  const flags = header.flags & ~(MSG_CMSG_CLOEXEC ?? 0);
  const messages = control === null ? [] : decodeControl(sys.abi, control, controlLength);
  if (MSG_CMSG_CLOEXEC === undefined) closeOnExec(sys, messages);
  return {
    length,
    address: senderOf(sys, header, unnamed),
    control: messages,
    flags,
    truncated: (flags & MSG_TRUNC) !== 0,
    controlTruncated: (flags & MSG_CTRUNC) !== 0,
  };
}

function senderOf(
  sys: Sys,
  { name, nameLength }: MessageHeader,
  unnamed: SocketAddress | null,
): SocketAddress | null {
  if (name === null || nameLength === 0) return unnamed;
  return sockaddrOrNull(sys, name, Math.min(nameLength, name.length));
}

/** The address in `name`; null for another family, as the error queue has for time stamps. */
function sockaddrOrNull({ abi }: Sys, name: Uint8Array, length: number): SocketAddress | null {
  const { AF_INET, AF_INET6, AF_UNIX } = abi.constants;
  const { offset, size } = abi.structs.sockaddr.fields.sa_family;
  const view = new DataView(name.buffer, name.byteOffset, name.byteLength);
  const family = size === 1 ? view.getUint8(offset) : view.getUint16(offset, true);
  return [AF_INET, AF_INET6, AF_UNIX].includes(family) ? decodeSockaddr(abi, name, length) : null;
}

/** macOS passes descriptors without close-on-exec. */
function closeOnExec(sys: Sys, messages: readonly ControlMessage[]): void {
  const { F_SETFD, FD_CLOEXEC } = sys.abi.constants;
  for (const message of messages) {
    if (message.kind !== 'SCM_RIGHTS') continue;
    for (const fd of message.fds) sys.fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
}
