import type { PlantedFile } from './planted-file.ts';

const kind = 'bytes of a frame';

/** Frames, lines and headers of proxies. */
export const framing: readonly PlantedFile[] = [
  {
    kind,
    path: 'dist/src/framing/receive-buffer.js',
    changes: [
      [
        'bytes < 0 || this.#end + bytes > this.bytes.length',
        'bytes < 0 || this.#end + bytes >= this.bytes.length',
      ],
      ['this.#start = 0; this.#end = 0; }', 'this.#start = 0; }'],
      ['needed > limit ? doubled : Math.min(doubled, limit)', 'doubled'],
      ['this.#end -= this.#start; this.#start = 0;', 'this.#end -= this.#start;'],
    ],
  },
  {
    kind,
    path: 'dist/src/framing/line-buffer.js',
    changes: [
      ['this.#overlong = false; this.#searched = 0;', 'this.#searched = 0;'],
      ['this.#searched = 0; return super', 'return super'],
    ],
  },
  {
    kind,
    path: 'dist/src/framing/length-prefix.js',
    changes: [
      ['offset + prefixBytes <= into.length', 'offset + prefixBytes < into.length'],
      ['length < 0 || length > lengthMax', 'length > lengthMax'],
      ['256 ** prefixBytes - 1', '256 ** prefixBytes'],
      ['super(prefixBytes + frameBytesMax)', 'super(frameBytesMax)'],
      ['this.#announced() > this.frameBytesMax', 'this.#announced() >= this.frameBytesMax'],
    ],
  },
  {
    kind,
    path: 'dist/src/framing/proxy-protocol.js',
    changes: [
      ['seen.length < PROXY_V1_BYTES_MAX', 'seen.length <= PROXY_V1_BYTES_MAX'],
      ['Number(text) <= 65535', 'Number(text) < 65535'],
      ['if (more.length > 0)', 'if (false)'],
      ["line.startsWith('UNKNOWN ')", "line.startsWith('UNKNOWN')"],
      ['bytes.subarray(0, PROXY_V1_BYTES_MAX)', 'bytes'],
    ],
  },
  {
    kind,
    path: 'dist/src/framing/proxy-v2.js',
    changes: [
      ['bytes.length < FIXED_BYTES', 'bytes.length <= FIXED_BYTES'],
      ['command > 1', 'command > 2'],
      ['!isLocal && tlvStart > byteLength', 'tlvStart > byteLength'],
      ['end < 0 ? PATH_BYTES : end', 'end'],
      ['padded.indexOf(0, 1)', 'padded.indexOf(0)'],
      ['verify(header, tlvStart);', ''],
      [
        'crc32c(header.subarray(end), crc32c(new Uint8Array(4), before))',
        'crc32c(header.subarray(end), before)',
      ],
      ['end - start !== 4', 'end - start < 4'],
      ['new Uint8Array(bytes.subarray(at + 3, end))', 'bytes.subarray(at + 3, end)'],
      ['certificateOnConnection: (flags & 0x02)', 'certificateOnConnection: (flags & 0x04)'],
    ],
  },
  {
    kind,
    path: 'dist/src/framing/proxy-encoder.js',
    changes: [
      ['path.length > PATH_BYTES', 'path.length >= PATH_BYTES'],
      ['port >= 0 && port <= 65535', 'port > 0 && port <= 65535'],
      ['2 * bytes + 2 * which', '2 * bytes'],
      ['at += 3 + value.length;', 'at += value.length;'],
      ['source === null && fields.length === 0 ? 0x20 : 0x21', 'source === null ? 0x20 : 0x21'],
    ],
  },
];
