import type { Abi } from '../abi/abi.ts';
import type { ControlMessage } from '../control/message.ts';
import { type ReceivedControl, receivedControl } from '../control-messages.ts';
import { formatAddress, type SocketAddress } from '../sockaddr.ts';
import type { MessageHeader } from '../sys.ts';
import * as format from './format.ts';

/** A msghdr with `bytes` of its buffer and the flags of the call, as strace(1) prints them. */
export function messageHeader(
  abi: Abi,
  message: MessageHeader,
  bytes: number,
  callFlags: number,
): string {
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
  return `{${shown.join(', ')}}, ${format.flags(abi, callFlags, format.MESSAGE_FLAGS)}`;
}

/** The arguments of recvmsg(2), which returned `result`. */
export function receivedHeader(
  abi: Abi,
  fd: number,
  message: MessageHeader,
  flags: number,
  result: number,
): string {
  if (result >= 0) return `${fd}, ${messageHeader(abi, message, result, flags)}`;
  return `${fd}, ?, ${format.flags(abi, flags, format.MESSAGE_FLAGS)}`;
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
