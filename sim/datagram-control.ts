import type { ControlMessage } from '#src/sys/control/message.js';
import { decodeControl, encodeControl } from '#src/sys/control-messages.js';
import type { Sys } from '#src/sys/sys.js';
import type { Datagram, DatagramSocket, ErrorEntry } from './datagram-sockets.ts';
import type { Kernel } from './kernel.ts';

const NS_PER_S = 1_000_000_000;
const INTERFACE_INDEX = 1;

/** The control messages that a socket has asked for, one encoded message each. */
export function controlOf(
  kernel: Kernel,
  socket: DatagramSocket,
  datagram: Datagram,
): Uint8Array[] {
  const messages = [...ofSocket(kernel, socket, datagram), ...ofHeader(kernel, socket, datagram)];
  return messages.map((message) => encodeControl(kernel.abi, [message]));
}

function ofSocket(kernel: Kernel, socket: DatagramSocket, datagram: Datagram): ControlMessage[] {
  const messages: ControlMessage[] = [];
  const seconds = Math.floor(datagram.arrivedNs / NS_PER_S);
  const nanoseconds = Math.round(datagram.arrivedNs % NS_PER_S);
  const time = { seconds, nanoseconds };
  if (socket.flag('SO_TIMESTAMPNS') && kernel.isLinux) {
    messages.push({ kind: 'SCM_TIMESTAMPNS', ...time });
  } else if (socket.flag('SO_TIMESTAMP')) {
    messages.push({ kind: 'SCM_TIMESTAMP', ...time });
  }
  if (socket.flag('SO_RXQ_OVFL') && socket.dropped > 0) {
    messages.push({ kind: 'SO_RXQ_OVFL', dropped: socket.dropped });
  }
  if (datagram.segmentBytes > 0) {
    messages.push({ kind: 'UDP_GRO', segmentSize: datagram.segmentBytes });
  }
  return messages;
}

function ofHeader({ abi }: Kernel, socket: DatagramSocket, datagram: Datagram): ControlMessage[] {
  const { to, hops, trafficClass } = datagram;
  if (to === null || to.family === 'UNIX') return [];
  const messages: ControlMessage[] = [];
  const { address } = to;
  const fields = { dscp: trafficClass >> 2, ecn: trafficClass & 3 };
  const isIPv4 = to.family === 'IPv4' || address.startsWith('::ffff:');
  const interfaceIndex = INTERFACE_INDEX;
  if (socket.flag('IPV6_RECVPKTINFO')) {
    messages.push({ kind: 'IPV6_PKTINFO', interfaceIndex, address });
  }
  if (to.family === 'IPv4' && socket.flag('IP_PKTINFO')) {
    const own = { localAddress: address, destination: address };
    messages.push({ kind: 'IP_PKTINFO', interfaceIndex, ...own });
  }
  if (to.family === 'IPv4' && socket.flag('IP_RECVDSTADDR')) {
    messages.push({ kind: 'IP_RECVDSTADDR', address });
  }
  // Linux tells an IPv6 socket of IPv4 datagrams as IPv4 does; the BSDs as IPv6 does.
  const asIPv4 = isIPv4 && (to.family === 'IPv4' || abi.behaviours.ipv4OptionsOnIPv6);
  if (asIPv4) {
    if (socket.flag('IP_RECVTTL')) messages.push({ kind: 'IP_TTL', hops });
    if (socket.flag('IP_RECVTOS')) messages.push({ kind: 'IP_TOS', ...fields });
  } else {
    if (socket.flag('IPV6_RECVHOPLIMIT')) messages.push({ kind: 'IPV6_HOPLIMIT', hops });
    if (socket.flag('IPV6_RECVTCLASS')) messages.push({ kind: 'IPV6_TCLASS', ...fields });
  }
  return messages;
}

/** The control message of an entry of the error queue. */
export function controlOfEntry({ abi }: Kernel, { to, error }: ErrorEntry): Uint8Array[] {
  const kind = to.family === 'IPv6' ? 'IPV6_RECVERR' : 'IP_RECVERR';
  return [encodeControl(abi, [{ kind, ...error }])];
}

/** Closes descriptors that came in control messages. Returns how many. */
export function closePassed(sys: Sys, memory: Uint8Array, at: number, length: number): number {
  const fds = decodeControl(sys.abi, memory.subarray(at, at + length), length).flatMap((one) =>
    one.kind === 'SCM_RIGHTS' ? one.fds : [],
  );
  for (const fd of fds) sys.close(fd);
  return fds.length;
}
