import type { Field } from './abi/abi.ts';

// Access to the fields of C structures. `base` is the offset of the structure in the view. All
// platforms are little-endian; fields in network byte order (ports, IPv4 addresses) are read as
// bytes instead. A field outside of the view is a RangeError of DataView.

const TWO_TO_THE_32 = 2 ** 32;

/**
 * An unsigned field of 1, 2, 4 or 8 bytes, or a bit field. 8 bytes are exact up to 2^53, and the
 * nearest double above.
 */
export function readUnsigned(view: DataView, base: number, field: Field): number {
  const whole = readWhole(view, base + field.offset, field.size);
  if (field.bits === undefined) return whole;
  const [first, last] = field.bits;
  return Math.floor(whole / 2 ** first) % 2 ** (last - first + 1);
}

/** A signed field of 1, 2, 4 or 8 bytes; 8 bytes as in {@link readUnsigned}. */
export function readSigned(view: DataView, base: number, field: Field): number {
  const at = base + field.offset;
  switch (field.size) {
    case 1:
      return view.getInt8(at);
    case 2:
      return view.getInt16(at, true);
    case 4:
      return view.getInt32(at, true);
    case 8:
      return view.getInt32(at + 4, true) * TWO_TO_THE_32 + view.getUint32(at, true);
    default:
      throw sizeError(field);
  }
}

/** An unsigned field of 8 bytes, exact. */
export function readBigUnsigned(view: DataView, base: number, field: Field): bigint {
  if (field.size !== 8) throw sizeError(field);
  return view.getBigUint64(base + field.offset, true);
}

/**
 * Writes an integer into a field of 1, 2, 4 or 8 bytes; negative numbers as two's complement.
 * Higher bits are cut off. Bit fields cannot be written.
 */
export function writeInteger(view: DataView, base: number, field: Field, value: number): void {
  if (field.bits !== undefined) throw sizeError(field);
  const at = base + field.offset;
  switch (field.size) {
    case 1:
      view.setUint8(at, value);
      break;
    case 2:
      view.setUint16(at, value, true);
      break;
    case 4:
      view.setUint32(at, value, true);
      break;
    case 8:
      // setUint32 takes its argument modulo 2^32, and Math.floor keeps the sign in the upper half.
      view.setUint32(at, value, true);
      view.setUint32(at + 4, Math.floor(value / TWO_TO_THE_32), true);
      break;
    default:
      throw sizeError(field);
  }
}

/** Writes an unsigned field of 8 bytes, exactly. */
export function writeBigUnsigned(view: DataView, base: number, field: Field, value: bigint): void {
  if (field.size !== 8) throw sizeError(field);
  view.setBigUint64(base + field.offset, value, true);
}

function readWhole(view: DataView, at: number, size: number): number {
  switch (size) {
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true);
    case 4:
      return view.getUint32(at, true);
    case 8:
      return view.getUint32(at + 4, true) * TWO_TO_THE_32 + view.getUint32(at, true);
    default:
      throw new RangeError(`a field of ${size} bytes is no integer`);
  }
}

function sizeError(field: Field): RangeError {
  const kind = field.bits === undefined ? `${field.size} bytes` : 'bits';
  return new RangeError(`a field of ${kind} cannot be taken this way`);
}
