import { errnoName, gaiName } from './errno.ts';
import { formatAddress, hostText, type SocketAddress } from './sockaddr.ts';
import type { Sys } from './sys.ts';

/**
 * A failed system call, in the shape of Node's own errors.
 *
 * The message says what was attempted, on what, and why it failed:
 * `cannot listen on 127.0.0.1:7007: EADDRINUSE (address already in use)`.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { Socket, SysError } from 'sockloop/socket';
 *
 * using socket = new Socket('IPv4');
 * try {
 *   socket.connect({ address: '127.0.0.1', port: 1 });
 * } catch (error) {
 *   assert(error instanceof SysError);
 *   assert.equal(error.code, 'ECONNREFUSED');
 *   assert.equal(error.syscall, 'connect');
 *   assert.equal(error.port, 1);
 * }
 * ```
 */
export class SysError extends Error {
  override readonly name = 'SysError';
  /** The name of the errno: `ECONNRESET`. */
  readonly code: string;
  /** The errno, negative as in Node's own errors. */
  readonly errno: number;
  /** The call that failed: `connect`. */
  readonly syscall: string;
  /** What the code means, in words. */
  readonly reason: string;
  /** The IP address (with its zone) or UNIX path of the call, if it has one. */
  declare readonly address?: string;
  /** The port of the call, if it has one. */
  declare readonly port?: number;

  /**
   * The error of a system call.
   *
   * @param attempt what was attempted and on what: `listen on 127.0.0.1:7007`.
   * @param failure the call, its errno and the reason.
   */
  constructor(attempt: string, failure: Failure) {
    super(`cannot ${attempt}: ${failure.code} (${failure.reason})`);
    this.code = failure.code;
    this.errno = failure.errno;
    this.syscall = failure.syscall;
    this.reason = failure.reason;
    if (failure.on === undefined) return;
    this.address = failure.on.family === 'UNIX' ? failure.on.path : hostText(failure.on);
    if (failure.on.family !== 'UNIX') this.port = failure.on.port;
  }
}

/** The facts of a failed call: the fields of a {@link SysError}. */
export interface Failure {
  /** The name of the errno. */
  readonly code: string;
  /** The errno, negative. */
  readonly errno: number;
  /** The call: `connect`. */
  readonly syscall: string;
  /** What the code means, in words. */
  readonly reason: string;
  /** The address of the call, if it has one. */
  readonly on?: SocketAddress | undefined;
}

/**
 * The error for a call that returned `result` (`-errno`).
 *
 * `attempt` completes "cannot ...", without the address: `connect to`, `close`. `on` is the address
 * of the call; without one, a preposition at the end of `attempt` is dropped. `reason` replaces the
 * words of strerror(3).
 */
export function sysError(
  sys: Sys,
  result: number,
  syscall: string,
  attempt: string,
  on?: SocketAddress,
  reason?: string,
): SysError {
  const alone = attempt.replace(/ (?:to|from|on|for)$/, '');
  return new SysError(on === undefined ? alone : `${attempt} ${formatAddress(on)}`, {
    code: errnoName(sys.abi, result),
    errno: result,
    syscall,
    reason: reason ?? lowerFirst(sys.strerror(-result)),
    on,
  });
}

/**
 * A host name that getaddrinfo(3) could not resolve:
 * `cannot resolve "nowhere.invalid": ENOTFOUND (name or service not known)`.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { ResolveError, resolve } from 'sockloop/socket';
 *
 * assert.throws(
 *   () => resolve('not a name', 80),
 *   (error) => error instanceof ResolveError && error.hostname === 'not a name',
 * );
 * ```
 */
export class ResolveError extends Error {
  override readonly name = 'ResolveError';
  readonly syscall = 'getaddrinfo';
  /**
   * The code that Node uses: `ENOTFOUND` for a name without an address, else the name of the
   * resolver's result (`EAI_AGAIN`), or of the errno of a call of the resolver.
   */
  readonly code: string;
  /** The name of the resolver's result: `EAI_NONAME`. */
  readonly answer: string;
  /** The name that was looked up. */
  readonly hostname: string;
  /** What the code means, in words. */
  readonly reason: string;

  /**
   * The error of the resolver.
   *
   * @param sys the system calls, for the name and the words of the code.
   * @param eai the result of getaddrinfo(3) or getnameinfo(3).
   * @param errno the errno behind `EAI_SYSTEM`; ignored otherwise.
   * @param hostname the name that was looked up.
   */
  constructor(sys: Sys, eai: number, errno: number, hostname: string) {
    const system = eai === sys.abi.constants.EAI_SYSTEM;
    const answer = gaiName(sys.abi, eai);
    const code = system ? errnoName(sys.abi, errno) : NOT_FOUND.has(answer) ? 'ENOTFOUND' : answer;
    const reason = lowerFirst(system ? sys.strerror(errno) : sys.gai_strerror(eai));
    super(`cannot resolve ${JSON.stringify(hostname)}: ${code} (${reason})`);
    this.code = code;
    this.answer = answer;
    this.hostname = hostname;
    this.reason = reason;
  }
}

/** The results that Node reports as ENOTFOUND. */
const NOT_FOUND: ReadonlySet<string> = new Set(['EAI_NONAME', 'EAI_NODATA']);

/** `Address already in use` for the end of a sentence; `RPC timed out` is left alone. */
export function lowerFirst(words: string): string {
  return /^[A-Z][a-z]/.test(words) ? words.charAt(0).toLowerCase() + words.slice(1) : words;
}
