import type { Abi, Constants } from '../abi/abi.ts';
import { errnoName, gaiName } from '../errno.ts';
import { readLimit } from '../rlimit.ts';
import { decodeSockaddr } from '../sockaddr.ts';
import type { AddressHints, HostName, ResolvedAddresses, Sys } from '../sys.ts';

/** Arguments and results of system calls as strace(1) prints them. */

type ConstantName = keyof Constants;

const DOMAINS = ['AF_UNSPEC', 'AF_UNIX', 'AF_INET', 'AF_INET6'] as const;

export const MESSAGE_FLAGS = [
  'MSG_CMSG_CLOEXEC',
  'MSG_CTRUNC',
  'MSG_DONTWAIT',
  'MSG_EOR',
  'MSG_ERRQUEUE',
  'MSG_NOSIGNAL',
  'MSG_OOB',
  'MSG_PEEK',
  'MSG_TRUNC',
  'MSG_WAITALL',
] as const;

/** As strace by default. */
const STRING_BYTES_MAX = 32;

/** The name of `value` among `names`, or the number. */
export function symbol(abi: Abi, value: number, names: readonly ConstantName[]): string {
  return names.find((name) => abi.constants[name] === value) ?? String(value);
}

/** The names of the bits of `value` joined by `|`, unknown bits in hex, `0` for none. */
export function flags(abi: Abi, value: number, names: readonly ConstantName[]): string {
  return bitNames(abi.constants, value, names);
}

/** As {@link flags}, with other constants than those of all platforms. */
export function bitNames(
  constants: Readonly<Partial<Record<string, number>>>,
  value: number,
  names: readonly string[],
): string {
  const parts: string[] = [];
  let left = value;
  for (const name of names) {
    const bit = constants[name];
    // The highest bit makes the result of & negative.
    if (bit === undefined || bit === 0 || (left & bit) >>> 0 !== bit) continue;
    parts.push(name);
    left &= ~bit;
  }
  if (left !== 0) parts.push(`0x${(left >>> 0).toString(16)}`);
  return parts.length === 0 ? '0' : parts.join('|');
}

/** `SOCK_STREAM|SOCK_CLOEXEC`. */
function socketType(abi: Abi, type: number): string {
  const { SOCK_CLOEXEC = 0, SOCK_NONBLOCK = 0 } = abi.constants;
  const modifiers = type & (SOCK_CLOEXEC | SOCK_NONBLOCK);
  const name = symbol(abi, type & ~modifiers, ['SOCK_STREAM', 'SOCK_DGRAM', 'SOCK_SEQPACKET']);
  if (modifiers === 0) return name;
  return `${name}|${flags(abi, modifiers, ['SOCK_CLOEXEC', 'SOCK_NONBLOCK'])}`;
}

const PROTOCOLS = ['IPPROTO_IP', 'IPPROTO_TCP', 'IPPROTO_UDP', 'IPPROTO_MPTCP'] as const;

/** `AF_INET, SOCK_STREAM, IPPROTO_TCP`; the protocols of a UNIX socket have no names. */
export function socket(abi: Abi, domain: number, type: number, protocol: number): string {
  const isUnix = domain === abi.constants.AF_UNIX;
  const protocols = isUnix ? [] : PROTOCOLS;
  const names = [symbol(abi, domain, DOMAINS), socketType(abi, type)];
  return [...names, symbol(abi, protocol, protocols)].join(', ');
}

/** `{AF_INET, 127.0.0.1:7007}`. */
export function sockaddr(abi: Abi, bytes: Uint8Array, length: number): string {
  const known = safeDecode(abi, bytes, length);
  if (known === null) return `{${length} bytes}`;
  switch (known.family) {
    case 'IPv4':
      return `{AF_INET, ${known.address}:${known.port}}`;
    case 'IPv6':
      return `{AF_INET6, [${known.address}]:${known.port}}`;
    case 'UNIX':
      if (known.path === '') return '{AF_UNIX}';
      return known.path.startsWith('\0')
        ? `{AF_UNIX, @${textLiteral(known.path.slice(1))}}`
        : `{AF_UNIX, ${textLiteral(known.path)}}`;
  }
}

function safeDecode(abi: Abi, bytes: Uint8Array, length: number) {
  try {
    return decodeSockaddr(abi, bytes, length);
  } catch {
    return null; // Another family.
  }
}

const ESCAPES: Readonly<Record<number, string>> = {
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
  34: '\\"',
  92: '\\\\',
};

/** `"hello\n"`; bytes after the first 32 become `...`. */
export function bytesLiteral(buffer: Uint8Array, offset: number, length: number): string {
  const shown = buffer.subarray(offset, offset + Math.min(length, STRING_BYTES_MAX));
  return `${quoted(shown)}${length > STRING_BYTES_MAX ? '...' : ''}`;
}

/** A path or a name, in full, as one line of ASCII. */
export function textLiteral(text: string): string {
  return quoted(new TextEncoder().encode(text));
}

function quoted(bytes: Uint8Array): string {
  let out = '"';
  for (const [index, byte] of bytes.entries()) out += escaped(byte, bytes[index + 1]);
  return `${out}"`;
}

function escaped(byte: number, next: number | undefined): string {
  const short = ESCAPES[byte];
  if (short !== undefined) return short;
  if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
  // A digit behind a short octal escape would be read as part of it.
  const digitFollows = next !== undefined && next >= 0x30 && next <= 0x39;
  return `\\${byte.toString(8).padStart(digitFollows ? 3 : 1, '0')}`;
}

/** `SOL_SOCKET, SO_REUSEADDR, [1]`; `?` for a value that did not come. */
export function option(
  abi: Abi,
  level: number,
  option: number,
  value: Uint8Array | null,
  bytes: number,
): string {
  const [levelName, name] = optionNames(abi, level, option);
  return `${levelName}, ${name}, ${value === null ? '?' : optionValue(abi, name, value, bytes)}`;
}

/** The levels of options and of control messages. */
export const LEVELS = [
  'SOL_SOCKET',
  'IPPROTO_TCP',
  'IPPROTO_UDP',
  'IPPROTO_IP',
  'IPPROTO_IPV6',
] as const;

/** The level and name of a socket option: `['SOL_SOCKET', 'SO_REUSEADDR']`. */
function optionNames(abi: Abi, level: number, option: number): [string, string] {
  const levelName = symbol(abi, level, LEVELS);
  const prefix = {
    SOL_SOCKET: 'SO_',
    IPPROTO_TCP: 'TCP_',
    IPPROTO_IP: 'IP_',
    IPPROTO_IPV6: 'IPV6_',
    IPPROTO_UDP: 'UDP_',
  }[levelName];
  const name = Object.keys(abi.options).find(
    (key) => prefix !== undefined && key.startsWith(prefix) && abi.options[key] === option,
  );
  return [levelName, name ?? String(option)];
}

/** `[1]`, `{tv_sec=5, tv_usec=0}`, `{l_onoff=1, l_linger=0}` or the bytes. */
function optionValue(abi: Abi, name: string, value: Uint8Array, length: number): string {
  const view = new DataView(value.buffer, value.byteOffset, length);
  const { timeval, linger } = abi.structs;
  if ((name === 'SO_RCVTIMEO' || name === 'SO_SNDTIMEO') && length >= timeval.size) {
    const seconds = view.getBigInt64(timeval.fields.tv_sec.offset, true);
    return `{tv_sec=${seconds}, tv_usec=${view.getInt32(timeval.fields.tv_usec.offset, true)}}`;
  }
  if (name === 'SO_LINGER' && length >= linger.size) {
    const onOff = view.getInt32(linger.fields.l_onoff.offset, true);
    return `{l_onoff=${onOff}, l_linger=${view.getInt32(linger.fields.l_linger.offset, true)}}`;
  }
  if (name === 'SO_ERROR' && length === 4) {
    const errno = view.getInt32(0, true);
    return errno === 0 ? '[0]' : `[${errnoName(abi, errno)}]`;
  }
  return length === 4 ? `[${view.getInt32(0, true)}]` : bytesLiteral(value, 0, length);
}

/** The two descriptors that a call opened: `[3, 4]`. */
export function fdPair(pair: Int32Array, result: number): string {
  return result < 0 ? '?' : `[${pair.join(', ')}]`;
}

/** `SHUT_WR`. */
export function shutdown(abi: Abi, how: number): string {
  return symbol(abi, how, ['SHUT_RD', 'SHUT_WR', 'SHUT_RDWR']);
}

/** `[3, 4], O_CLOEXEC`. */
export function pipe(abi: Abi, pair: Int32Array, result: number, value: number): string {
  return `${fdPair(pair, result)}, ${flags(abi, value, ['O_CLOEXEC', 'O_NONBLOCK'])}`;
}

/** `F_SETFL, O_NONBLOCK`. */
export function fcntl(abi: Abi, command: number, argument: number): string {
  const name = symbol(abi, command, ['F_GETFD', 'F_SETFD', 'F_GETFL', 'F_SETFL']);
  if (name === 'F_SETFD') return `${name}, ${flags(abi, argument, ['FD_CLOEXEC'])}`;
  if (name === 'F_SETFL') return `${name}, ${flags(abi, argument, ['O_NONBLOCK'])}`;
  return name.startsWith('F_GET') ? name : `${name}, ${argument}`;
}

/** `3, FIONREAD, [5]`. */
export function ioctl(
  abi: Abi,
  fd: number,
  request: number,
  value: Int32Array,
  result: number,
): string {
  const name = symbol(abi, request, ['FIONREAD', 'SIOCOUTQ', 'FIONWRITE']);
  return `${fd}, ${name}, ${result < 0 ? '?' : `[${value[0]}]`}`;
}

/** `O_RDONLY|O_CLOEXEC`. */
export function openFlags(abi: Abi, value: number): string {
  const { O_RDONLY, O_WRONLY, O_RDWR } = abi.constants;
  const access = value & (O_RDONLY | O_WRONLY | O_RDWR);
  const name = symbol(abi, access, ['O_RDONLY', 'O_WRONLY', 'O_RDWR']);
  const others = value & ~access;
  return others === 0 ? name : `${name}|${flags(abi, others, ['O_CLOEXEC', 'O_NONBLOCK'])}`;
}

/** `{rlim_cur=1024, rlim_max=RLIM_INFINITY}`. */
export function rlimit(abi: Abi, bytes: Uint8Array): string {
  const { rlim_cur, rlim_max } = abi.structs.rlimit.fields;
  const [soft, hard] = [readLimit(bytes, rlim_cur), readLimit(bytes, rlim_max)].map((limit) =>
    limit === Number.POSITIVE_INFINITY ? 'RLIM_INFINITY' : String(limit),
  );
  return `{rlim_cur=${soft}, rlim_max=${hard}}`;
}

const HINTS = ['AI_PASSIVE', 'AI_CANONNAME', 'AI_NUMERICHOST', 'AI_NUMERICSERV'] as const;

/** `"localhost", "80", {AI_PASSIVE, AF_INET, SOCK_STREAM}, [{AF_INET, 127.0.0.1:80}]`. */
export function lookup(
  abi: Abi,
  node: string | null,
  service: string | null,
  hints: AddressHints,
  results: ResolvedAddresses,
): string {
  const wanted = [
    flags(abi, hints.flags, HINTS),
    symbol(abi, hints.family, DOMAINS),
    socketType(abi, hints.socktype),
  ];
  const found = results.addresses.map((bytes) => sockaddr(abi, bytes, bytes.length));
  return [
    node === null ? 'NULL' : textLiteral(node),
    service === null ? 'NULL' : textLiteral(service),
    `{${wanted.join(', ')}}`,
    `[${found.join(', ')}]`,
  ].join(', ');
}

const NAME_FLAGS = ['NI_NUMERICHOST', 'NI_NUMERICSERV', 'NI_NAMEREQD'] as const;

/** `"localhost", NI_NAMEREQD`; `?` for a name that was not found. */
export function hostName(abi: Abi, { host }: HostName, value: number, code: number): string {
  return `${code === 0 ? textLiteral(host) : '?'}, ${flags(abi, value, NAME_FLAGS)}`;
}

/** ` = 4`, or ` = -1 EADDRINUSE (Address already in use)`. */
export function outcome(sys: Sys, result: number): string {
  if (result >= 0) return ` = ${result}`;
  return ` = -1 ${errnoName(sys.abi, result)} (${sys.strerror(-result)})`;
}

/** ` = 0`, or ` = EAI_NONAME (Name or service not known)`. */
export function gaiOutcome(sys: Sys, code: number): string {
  return code === 0 ? ' = 0' : ` = ${gaiName(sys.abi, code)} (${sys.gai_strerror(code)})`;
}

/** The name of a resource of getrlimit(2). */
export function resource(abi: Abi, number: number): string {
  return symbol(abi, number, ['RLIMIT_NOFILE']);
}

/** A socket address that a call filled in; `?` if the call failed. */
export function filled(abi: Abi, address: Uint8Array, length: Int32Array, result: number): string {
  return result < 0 ? '?' : sockaddr(abi, address, length[0] ?? 0);
}
