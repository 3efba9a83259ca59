import type { Abi } from './abi/abi.ts';
import type { CLibrary } from './c-library.ts';
import type { AddressHints, HostName, ResolvedAddresses } from './sys.ts';

/** getaddrinfo(3), its list copied into `results` and freed. */
export function lookUp(
  c: CLibrary,
  abi: Abi,
  [node, service]: readonly [node: string | null, service: string | null],
  hints: AddressHints,
  results: ResolvedAddresses,
): number {
  const { size, fields } = abi.structs.addrinfo;
  const hint = new DataView(new ArrayBuffer(size));
  hint.setInt32(fields.ai_flags.offset, hints.flags, true);
  hint.setInt32(fields.ai_family.offset, hints.family, true);
  hint.setInt32(fields.ai_socktype.offset, hints.socktype, true);
  hint.setInt32(fields.ai_protocol.offset, hints.protocol, true);
  const list = new BigUint64Array(1);
  const code = c.getaddrinfo(node, service, new Uint8Array(hint.buffer), list);
  results.errno = c.errno();
  results.addresses = [];
  results.canonicalName = null;
  if (code !== 0) return code;
  const head = list[0] ?? 0n;
  copyAddresses(c, abi, head, results);
  c.freeaddrinfo(head);
  return 0;
}

function copyAddresses(c: CLibrary, abi: Abi, head: bigint, results: ResolvedAddresses): void {
  const { size, fields } = abi.structs.addrinfo;
  for (let at = head; at !== 0n; ) {
    const bytes = c.view(at, size).slice();
    const info = new DataView(bytes.buffer, bytes.byteOffset);
    const address = info.getBigUint64(fields.ai_addr.offset, true);
    const length = info.getUint32(fields.ai_addrlen.offset, true);
    if (address !== 0n) results.addresses.push(c.view(address, length).slice());
    const name = info.getBigUint64(fields.ai_canonname.offset, true);
    if (name !== 0n) results.canonicalName = c.text(name);
    at = info.getBigUint64(fields.ai_next.offset, true);
  }
}

/** getnameinfo(3) of the sockaddr in `address`. */
export function lookUpName(
  c: CLibrary,
  abi: Abi,
  address: Uint8Array,
  flags: number,
  results: HostName,
): number {
  const host = new Uint8Array(abi.constants.NI_MAXHOST);
  const code = c.getnameinfo(address, address.length, host, host.length, null, 0, flags);
  results.errno = c.errno();
  results.host = code === 0 ? new TextDecoder().decode(host.subarray(0, host.indexOf(0))) : '';
  return code;
}
