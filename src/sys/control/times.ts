import { requireWhole } from '../../base/arguments.ts';
import type { Abi, Field } from '../abi/abi.ts';
import { readSigned, writeInteger } from '../struct.ts';
import { type Codec, socketLevel } from './codec.ts';
import type { Time } from './message.ts';

// When a datagram came: a timeval or a timespec.

const NANOSECONDS_MAX = 999_999_999;

interface TimeLayout {
  readonly size: number;
  readonly seconds: Field;
  readonly fraction: Field;
}

type TimeKind = 'SCM_TIMESTAMP' | 'SCM_TIMESTAMPNS' | 'SCM_REALTIME' | 'SCM_MONOTONIC';

function timeCodec(
  type: TimeKind,
  layoutOf: (abi: Abi) => TimeLayout,
  nanoseconds: number,
): Codec<Time> {
  return {
    level: socketLevel,
    types: ({ constants }) => [constants[type]],
    dataBytes: (abi) => layoutOf(abi).size,
    write: (abi, time, data) => {
      requireWhole('seconds', time.seconds, 0, Number.MAX_SAFE_INTEGER);
      requireWhole('nanoseconds', time.nanoseconds, 0, NANOSECONDS_MAX);
      const { seconds, fraction } = layoutOf(abi);
      writeInteger(data, 0, seconds, time.seconds);
      writeInteger(data, 0, fraction, Math.floor(time.nanoseconds / nanoseconds));
    },
    read: (abi, data) => {
      const { size, seconds, fraction } = layoutOf(abi);
      if (data.byteLength < size) return null;
      return {
        seconds: readSigned(data, 0, seconds),
        nanoseconds: readSigned(data, 0, fraction) * nanoseconds,
      };
    },
  };
}

function timeval({ structs }: Abi): TimeLayout {
  const { size, fields } = structs.timeval;
  return { size, seconds: fields.tv_sec, fraction: fields.tv_usec };
}

function timespec({ structs }: Abi): TimeLayout {
  const { size, fields } = structs.timespec;
  return { size, seconds: fields.tv_sec, fraction: fields.tv_nsec };
}

export const timestamp = timeCodec('SCM_TIMESTAMP', timeval, 1000);
export const timestampNs = timeCodec('SCM_TIMESTAMPNS', timespec, 1);
export const realtime = timeCodec('SCM_REALTIME', timespec, 1);
export const monotonic = timeCodec('SCM_MONOTONIC', timespec, 1);
