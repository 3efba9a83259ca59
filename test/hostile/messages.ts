/** Letters at random, from which messages are cut. */
const LETTERS = Buffer.from(
  Array.from({ length: 8192 }, (_, at) => 97 + ((at * 7919 + (at >> 3) * 31 + (at >> 7)) % 26)),
);
const NUMBER_DIGITS = 8;
/** The lengths are spread over these, the number at the head included. */
const BYTES_MAX = 2000;

/** Message `number`: its number, letters, and a newline if it is to be a line. */
export function messageOf(number: number, isLine: boolean): Buffer {
  const length = (number * 389) % (BYTES_MAX - NUMBER_DIGITS);
  const from = (number * 61) % (LETTERS.length - BYTES_MAX);
  const head = Buffer.from(String(number).padStart(NUMBER_DIGITS, '0'));
  const tail = Buffer.from(isLine ? '\n' : '');
  return Buffer.concat([head, LETTERS.subarray(from, from + length), tail]);
}

/** The number of a message that has come back. */
export function numberOf(bytes: Buffer): number {
  return Number(bytes.subarray(0, NUMBER_DIGITS).toString('latin1'));
}
