import type { Abi } from '../abi/abi.ts';
import { type ControlMessage, decodeControl } from '../control-messages.ts';
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
  const controls = control === null ? [] : decodeControl(abi, control, controlLength);
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

function controlMessage(abi: Abi, message: ControlMessage): string {
  if (message.kind === 'SCM_RIGHTS') {
    const data = `[${message.fds.join(', ')}]`;
    const bytes = lengthOf(abi, message.fds.length * 4);
    return `{cmsg_len=${bytes}, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=${data}}`;
  }
  const { level, type, data } = message;
  const names = `cmsg_level=${format.symbol(abi, level, ['SOL_SOCKET'])}, cmsg_type=${type}`;
  const shown = format.bytesLiteral(data, 0, data.length);
  return `{cmsg_len=${lengthOf(abi, data.length)}, ${names}, cmsg_data=${shown}}`;
}

function lengthOf(abi: Abi, dataBytes: number): number {
  const { controlAlignBytes } = abi.behaviours;
  return Math.ceil(abi.structs.cmsghdr.size / controlAlignBytes) * controlAlignBytes + dataBytes;
}
