/** IP addresses as text and as bytes, both ways: inet_pton(3), inet_ntop(3) and RFC 5952. */

/**
 * Writes the four bytes of a dotted quad into `into` at `at`.
 *
 * As strict as inet_pton(3): four decimal numbers from 0 to 255 without leading zeros. Returns
 * false, and leaves `into` alone, for any other text.
 */
export function parseIPv4(text: string, into: Uint8Array, at: number): boolean {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return false;
  const parts = match.slice(1);
  if (!parts.every((part) => Number(part) <= 255 && String(Number(part)) === part)) return false;
  into.set(parts.map(Number), at);
  return true;
}

/**
 * Writes the sixteen bytes of an IPv6 address (RFC 4291, section 2.2, without a zone) into `into`
 * at `at`. Returns false, and leaves `into` alone, for any other text.
 */
export function parseIPv6(text: string, into: Uint8Array, at: number): boolean {
  const halves = text.split('::');
  if (halves.length > 2) return false;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (head === null || tail === null) return false;
  const written = head.length + tail.length;
  // "::" stands for at least one group of zeros.
  if (halves.length === 1 ? written !== 16 : written > 14) return false;
  into.fill(0, at, at + 16);
  into.set(head, at);
  into.set(tail, at + 16 - tail.length);
  return true;
}

/** The bytes of colon-separated groups; the last may be a dotted quad if `quadAllowed`. */
function parseGroups(text: string, quadAllowed: boolean): number[] | null {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
      continue;
    }
    const quad = new Uint8Array(4);
    if (!quadAllowed || index !== groups.length - 1 || !parseIPv4(group, quad, 0)) return null;
    bytes.push(...quad);
  }
  return bytes;
}

/** The dotted quad of the four bytes at `at`. */
export function formatIPv4(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/**
 * The text of the sixteen bytes at `at` as in RFC 5952: lower case, the longest run of two or more
 * zero groups (the first of equals) as `::`, IPv4-mapped addresses with a dotted quad.
 */
export function formatIPv6(bytes: Uint8Array, at: number): string {
  const groups: number[] = [];
  for (let i = 0; i < 8; i++) {
    groups.push(((bytes[at + 2 * i] ?? 0) << 8) | (bytes[at + 2 * i + 1] ?? 0));
  }
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${formatIPv4(bytes, at + 12)}`;
  }
  const run = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (run.length < 2) return hex.join(':');
  return `${hex.slice(0, run.start).join(':')}::${hex.slice(run.start + run.length).join(':')}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  }
  return best;
}
