import type { Abi } from '../abi/abi.ts';
import type { ControlMessage } from '../control/message.ts';
import { type ReceivedControl, receivedControl } from '../control-messages.ts';
import type { MessageVector } from '../message-vector.ts';
import { formatAddress, type SocketAddress } from '../sockaddr.ts';
import type { MessageHeader } from '../sys.ts';
import * as format from './format.ts';

/** A msghdr with `bytes` of its buffer, as strace(1) prints it. */
export function messageHeader(abi: Abi, message: MessageHeader, bytes: number): string {
  const { name, nameLength, buffer, offset, control, controlLength, length, flags } = message;
  const iovec = `{iov_base=${format.bytesLiteral(buffer, offset, bytes)}, iov_len=${length}}`;
  const controls = control === null ? [] : receivedControl(abi, control, controlLength);
  const shown = [
    `msg_name=${name === null ? 'NULL' : format.sockaddr(abi, name, nameLength)}`,
    `msg_namelen=${name === null ? 0 : nameLength}`,
    `msg_iov=[${iovec}]`,
    'msg_iovlen=1',
    ...(controls.length === 0
      ? []
      : [`msg_control=[${controls.map((one) => controlMessage(abi, one)).join(', ')}]`]),
    `msg_controllen=${control === null ? 0 : controlLength}`,
    `msg_flags=${format.flags(abi, flags, format.MESSAGE_FLAGS)}`,
  ];
  return `{${shown.join(', ')}}`;
}

/** The msghdr of recvmsg(2), which returned `result`. */
export function receivedHeader(abi: Abi, message: MessageHeader, result: number): string {
  return result < 0 ? '?' : messageHeader(abi, message, result);
}

/** As strace by default. */
const MESSAGES_MAX = 32;

/** `count` messages from slot `first` on; of the first `done`, the kernel has written msg_len. */
export function vectorMessages(
  abi: Abi,
  messages: MessageVector,
  first: number,
  count: number,
  done: number,
): string {
  const shown: string[] = [];
  for (let index = 0; index < Math.min(count, MESSAGES_MAX); index++) {
    const slot = first + index;
    const length = index < done ? messages.length(slot) : messages.bufferLength(slot);
    const header = messageHeader(abi, headerOf(messages, slot), length);
    shown.push(index < done ? `{msg_hdr=${header}, msg_len=${length}}` : `{msg_hdr=${header}}`);
  }
  if (count > MESSAGES_MAX) shown.push('...');
  return `[${shown.join(', ')}]`;
}

function headerOf(messages: MessageVector, slot: number): MessageHeader {
  const nameLength = messages.nameLength(slot);
  const controlLength = messages.controlLength(slot);
  return {
    name: nameLength === 0 ? null : partOf(messages, messages.nameAt(slot), messages.nameBytes),
    nameLength,
    buffer: messages.bytes,
    offset: messages.bufferOffset(slot),
    length: messages.bufferLength(slot),
    control:
      controlLength === 0
        ? null
        : partOf(messages, messages.controlAt(slot), messages.controlBytes),
    controlLength,
    flags: messages.flags(slot),
  };
}

function partOf(messages: MessageVector, at: number, length: number): Uint8Array {
  return messages.bytes.subarray(at, at + length);
}

function controlMessage(abi: Abi, { length, level, message }: ReceivedControl): string {
  const shown = [
    `cmsg_len=${length}`,
    `cmsg_level=${format.symbol(abi, level, format.LEVELS)}`,
    `cmsg_type=${message.kind === 'other' ? message.type : message.kind}`,
    `cmsg_data=${controlData(message)}`,
  ];
  return `{${shown.join(', ')}}`;
}

/** `[3, 4]`, `{hops=64}`, or bytes. */
function controlData(message: ControlMessage): string {
  if (message.kind === 'SCM_RIGHTS') return `[${message.fds.join(', ')}]`;
  if (message.kind === 'other') return format.bytesLiteral(message.data, 0, message.data.length);
  const { kind, ...fields } = message;
  const parts = Object.entries(fields).map(([name, value]) => `${name}=${fieldText(value)}`);
  return `{${parts.join(', ')}}`;
}

function fieldText(value: number | string | SocketAddress | null): string {
  if (typeof value === 'number') return String(value);
  if (value === null) return 'NULL';
  return typeof value === 'string' ? value : formatAddress(value);
}
