import { getSystemErrorMap } from 'node:util';
import type { Abi } from '../../sys/abi/abi.ts';
import { errnoName } from '../../sys/errno.ts';
import { codedError, received } from '../arguments.ts';

// Errors in the shape of node:dgram's: the same class, code, message and properties.

/** `setTTL EINVAL`. `errno` may have either sign. */
export function callError(abi: Abi, errno: number, syscall: string): Error {
  const code = errnoName(abi, errno);
  return Object.assign(new Error(`${syscall} ${code}`), {
    errno: -Math.abs(errno),
    code,
    syscall,
  });
}

/** `send EMSGSIZE 127.0.0.1:7007`. Of a connected socket neither address nor port is known. */
export function addressError(
  abi: Abi,
  errno: number,
  syscall: string,
  address: string | undefined,
  port: number | undefined,
): Error {
  const error = Object.assign(callError(abi, errno, syscall), { address });
  if (port) {
    error.message += ` ${address}:${port}`;
    return Object.assign(error, { port });
  }
  if (address !== undefined) error.message += ` ${address}`;
  return error;
}

/** SO_RCVBUF or SO_SNDBUF could not be read or set: a SystemError. */
export function bufferSizeError(abi: Abi, errno: number, syscall: string): Error {
  const code = errnoName(abi, errno);
  const negative = -Math.abs(errno);
  const [, words = code] = getSystemErrorMap().get(negative) ?? [];
  const info = { errno: negative, code, message: words, syscall };
  const message = `Could not get or set buffer size: ${syscall} returned ${code} (${words})`;
  const error = codedError(new Error(message), 'ERR_SOCKET_BUFFER_SIZE');
  Object.defineProperty(error, 'name', { value: 'SystemError' });
  return Object.assign(error, { info, errno: negative, syscall });
}

export function notRunning(): Error {
  return codedError(new Error('Not running'), 'ERR_SOCKET_DGRAM_NOT_RUNNING');
}

export function alreadyBound(): Error {
  return codedError(new Error('Socket is already bound'), 'ERR_SOCKET_ALREADY_BOUND');
}

export function alreadyConnected(): Error {
  return codedError(new Error('Already connected'), 'ERR_SOCKET_DGRAM_IS_CONNECTED');
}

export function notConnected(): Error {
  return codedError(new Error('Not connected'), 'ERR_SOCKET_DGRAM_NOT_CONNECTED');
}

export function badType(): Error {
  const message = 'Bad socket type specified. Valid types are: udp4, udp6';
  return codedError(new TypeError(message), 'ERR_SOCKET_BAD_TYPE');
}

export function badFdType(type: string): Error {
  return codedError(new TypeError(`Unsupported fd type: ${type}`), 'ERR_INVALID_FD_TYPE');
}

export function badBufferSize(): Error {
  const message = 'Buffer size must be a positive integer';
  return codedError(new TypeError(message), 'ERR_SOCKET_BAD_BUFFER_SIZE');
}

export function missing(name: string): Error {
  const message = `The "${name}" argument must be specified`;
  return codedError(new TypeError(message), 'ERR_MISSING_ARGS');
}

export function badPort(value: unknown): Error {
  const message = `Port should be > 0 and < 65536. Received ${received(value)}.`;
  return codedError(new RangeError(message), 'ERR_SOCKET_BAD_PORT');
}

export function outOfBounds(name: string): Error {
  const message = `"${name}" is outside of buffer bounds`;
  return codedError(new RangeError(message), 'ERR_BUFFER_OUT_OF_BOUNDS');
}

export function outOfRange(name: string, range: string, value: number): Error {
  // Node writes large numbers so.
  const digits = String(value);
  const shown = value > 2 ** 32 ? digits.replace(/\B(?=(\d{3})+$)/g, '_') : digits;
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${shown}`;
  return codedError(new RangeError(message), 'ERR_OUT_OF_RANGE');
}
