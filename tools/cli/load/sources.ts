import { isIP } from 'node:net';
import { formatIPv4, parseIPv4 } from '#src/base/ip-address.js';
import { UsageError } from '../../terminal/exit.ts';
import { parsePort } from '../../terminal/flags.ts';

/** As many as a /16 has. */
const ADDRESSES_MAX = 65_536;

const FORM = '127.0.0.2,127.0.0.3 or 127.0.0.2-127.0.0.9';

/** The addresses of `--source-addresses`: single ones and ranges of IPv4, with commas between. */
export function parseSourceAddresses(text: string): string[] {
  const addresses = new Set<string>();
  for (const word of text.split(',')) {
    for (const address of addressesOf(word.trim(), text)) {
      if (addresses.has(address)) {
        throw new UsageError(`--source-addresses names ${address} twice`);
      }
      addresses.add(address);
    }
  }
  return [...addresses];
}

function* addressesOf(word: string, text: string): Iterable<string> {
  // The name of an interface may hold a hyphen: fe80::1%br-lan.
  if (isIP(word) !== 0) {
    yield word;
    return;
  }
  const [first = '', last, more] = word.split('-');
  if (last === undefined) {
    throw new UsageError(`--source-addresses takes ${FORM}, not "${text}"`);
  }
  const start = numberOf(first);
  const end = numberOf(last);
  if (start === null || end === null || more !== undefined) {
    throw new UsageError(`--source-addresses takes ${FORM}, not "${text}"`);
  }
  const count = end - start + 1;
  if (count < 1) throw new UsageError(`--source-addresses: ${last} comes before ${first}`);
  if (count > ADDRESSES_MAX) {
    throw new UsageError(`--source-addresses: ${word} are ${count}, of at most ${ADDRESSES_MAX}`);
  }
  for (let address = start; address <= end; address += 1) yield textOf(address);
}

/** A dotted quad as one number; null where it is none. */
function numberOf(text: string): number | null {
  const bytes = new Uint8Array(4);
  return parseIPv4(text, bytes, 0) ? new DataView(bytes.buffer).getUint32(0) : null;
}

function textOf(address: number): string {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, address);
  return formatIPv4(bytes, 0);
}

/** The first and the last port of `--source-ports`. */
export function parseSourcePorts(text: string): [first: number, last: number] {
  const [first = '', last, more] = text.split('-');
  if (last === undefined || more !== undefined) {
    throw new UsageError(`--source-ports takes a range like 20000-29999, not "${text}"`);
  }
  const range: [number, number] = [
    parsePort(first, 1, '--source-ports'),
    parsePort(last, 1, '--source-ports'),
  ];
  if (range[0] <= range[1]) return range;
  throw new UsageError(`--source-ports: ${last} comes before ${first}`);
}
