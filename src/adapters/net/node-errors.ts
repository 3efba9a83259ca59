import { getSystemErrorMap } from 'node:util';
import type { Abi } from '../../sys/abi/abi.ts';
import { codedError, wrongValueOf } from '../arguments.ts';

// Errors in the shape of node:net's: the same class, code and message.

/** A failed call. */
export interface CallFailure {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
}

/** The failure that `error` tells of, if it is one of a call. */
export function callFailure(error: unknown): CallFailure | null {
  const { code, errno, syscall } = error as Partial<CallFailure>;
  const isCall = typeof code === 'string' && typeof errno === 'number';
  return isCall && typeof syscall === 'string' ? { code, errno, syscall } : null;
}

/** `read ECONNRESET`, as node:net calls what broke a socket. */
export function brokenError(failure: CallFailure): Error {
  const syscall = failure.syscall === 'send' ? 'write' : 'read';
  return failed({ ...failure, syscall }, `${syscall} ${failure.code}`);
}

/** `connect ECONNREFUSED 127.0.0.1:1`; without a port `address` is a path. */
export function connectError(
  failure: CallFailure,
  address: string,
  port: number | null,
  local: string | null,
): Error {
  const where = port === null ? address : `${address}:${port}`;
  const from = local === null ? '' : ` - Local (${local})`;
  const error = failed(failure, `${failure.syscall} ${failure.code} ${where}${from}`);
  return Object.assign(error, port === null ? { address } : { address, port });
}

/** `listen EADDRINUSE: address already in use 127.0.0.1:7007`; the port of a path is -1. */
export function listenError(failure: CallFailure, address: string, port: number): Error {
  const [, words = failure.code] = getSystemErrorMap().get(failure.errno) ?? [];
  const where = port > 0 ? `${address}:${port}` : address;
  const error = failed(
    { ...failure, syscall: 'listen' },
    `listen ${failure.code}: ${words} ${where}`,
  );
  return Object.assign(error, port === 0 ? { address } : { address, port });
}

function failed({ code, errno, syscall }: CallFailure, message: string): Error {
  return Object.assign(new Error(message), { errno, code, syscall });
}

const NO_WORDS = '';

/** The errors of all attempts at the addresses of a name, with the code of the first. */
export function attemptsError(errors: readonly Error[]): AggregateError {
  const [first] = errors as readonly NodeJS.ErrnoException[];
  // Node's has no words of its own.
  return Object.assign(new AggregateError(errors, NO_WORDS), { code: first?.code });
}

/** An option that node:net has and this one does not. */
export function unsupported(name: string, value: unknown): TypeError {
  return wrongValueOf(name, value, 'is not supported by sockloop/net');
}

export function closedSocket(): Error {
  return codedError(new Error('Socket is closed'), 'ERR_SOCKET_CLOSED');
}

export function closedBeforeConnection(): Error {
  const message = 'Socket closed before the connection was established';
  return codedError(new Error(message), 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION');
}

/** A write after the peer's end has ended this side, too. */
export function endedByPeer(): Error {
  return codedError(new Error('This socket has been ended by the other party'), 'EPIPE');
}

/** Since Node 22 a write that a destruction cuts off has an error of its own. */
const TELLS_OF_CUT_WRITES = Number.parseInt(process.versions.node, 10) >= 22;

/** What the callback of a write gets whose socket is destroyed before all is sent. */
export function writeAtDestruction(abi: Pick<Abi, 'errno'>): Error | null {
  const { ECANCELED } = abi.errno;
  if (!TELLS_OF_CUT_WRITES || ECANCELED === undefined) return null;
  const failure = { code: 'ECANCELED', errno: -ECANCELED, syscall: 'write' };
  return failed(failure, 'write ECANCELED');
}
