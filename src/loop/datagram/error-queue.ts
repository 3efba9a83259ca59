import type { QueuedError } from '../../sys/control/message.ts';
import { decodeControl } from '../../sys/control-messages.ts';
import { SOCKADDR_BYTES_MAX } from '../../sys/sockaddr.ts';
import type { MessageHeader, Sys } from '../../sys/sys.ts';
import { DATAGRAM_CONTROL_BYTES } from '../limits.ts';
import type { UnreachableReport } from './contract.ts';

/** So much of the datagram that failed is read, and not used. */
const PAYLOAD_BYTES = 64;

/** Reads the next entry of the error queue of `fd`: IP_RECVERR, Linux. Null if there is none. */
export function nextErrorReport(sys: Sys, fd: number): UnreachableReport | null {
  const { MSG_ERRQUEUE = 0, MSG_DONTWAIT } = sys.abi.constants;
  const message: MessageHeader = {
    name: new Uint8Array(SOCKADDR_BYTES_MAX),
    nameLength: SOCKADDR_BYTES_MAX,
    buffer: new Uint8Array(PAYLOAD_BYTES),
    offset: 0,
    length: PAYLOAD_BYTES,
    control: new Uint8Array(DATAGRAM_CONTROL_BYTES),
    controlLength: DATAGRAM_CONTROL_BYTES,
    flags: 0,
  };
  const result = sys.recvmsg(fd, message, MSG_ERRQUEUE | MSG_DONTWAIT);
  if (result < 0 || message.name === null || message.control === null) return null;
  const error = errorIn(sys, message.control, message.controlLength);
  if (error === null) return null;
  return { to: message.name.slice(0, message.nameLength), error };
}

function errorIn(sys: Sys, control: Uint8Array, length: number): QueuedError | null {
  for (const message of decodeControl(sys.abi, control, length)) {
    if (message.kind === 'IP_RECVERR' || message.kind === 'IPV6_RECVERR') return message;
  }
  return null;
}
