import type { RemoteInfo, SocketOptions, SocketType } from './options.ts';
import { Socket } from './socket.ts';

/**
 * Makes a socket, as `dgram.createSocket` does.
 *
 * @param type the family, `udp4` or `udp6`, or the options.
 * @param listener hears of each message.
 * @returns the socket, which is not bound.
 * @throws TypeError or RangeError for a wrong option, with the code of Node's.
 */
export function createSocket(
  type: SocketType | SocketOptions,
  listener?: (message: Buffer, info: RemoteInfo) => void,
): Socket {
  return new Socket(type, listener);
}

export type {
  BindOptions,
  Lookup,
  Message,
  RemoteInfo,
  SendCallback,
  SocketEvents,
  SocketOptions,
  SocketType,
} from './options.ts';
export { Socket } from './socket.ts';
