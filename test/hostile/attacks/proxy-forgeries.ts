import { encodeProxyHeader } from '#src/framing/proxy-encoder.js';
import type { Attack } from '../attack.ts';
import { PROXIED } from '../conditions.ts';

const SIGNATURE = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10];
const text = (words: string): Uint8Array => new TextEncoder().encode(words);

/** Headers that no proxy sends. Each is followed by bytes that must not be echoed. */
const FORGERIES: readonly Uint8Array[] = [
  text('PROXY TCP4 999.0.0.1 127.0.0.1 1 2\r\nx'),
  text('PROXY TCP4 1.2.3.4 127.0.0.1 99999 2\r\nx'),
  text(`PROXY ${'A'.repeat(200)}\r\nx`),
  text('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\nx'),
  text('PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\nx'),
  text('GET / HTTP/1.1\r\n\r\n'),
  // A version, a family and a length that cannot be.
  Uint8Array.from([...SIGNATURE, 0x31, 0x11, 0, 12, ...new Uint8Array(13)]),
  Uint8Array.from([...SIGNATURE, 0x21, 0x11, 0, 4, ...new Uint8Array(13)]),
  Uint8Array.from([...SIGNATURE, 0x21, 0x11, 0xff, 0xff, ...new Uint8Array(9000)]),
  Uint8Array.from([...SIGNATURE, 0x2f, 0x11, 0, 12, ...new Uint8Array(13)]),
];

const HONEST = encodeProxyHeader({
  version: 2,
  source: { family: 'IPv4', address: '192.0.2.7', port: 4711 },
  destination: { family: 'IPv4', address: '192.0.2.1', port: 443 },
});

/** Headers that break the rules, that come from elsewhere, and that never come to their end. */
export const proxyForgeries: Attack = {
  name: 'PROXY forgeries',
  idea: 'headers that break the rules, whole ones from an address that is no proxy, endless ones',
  on: [PROXIED],
  quickOn: PROXIED,
  quickPeers: 20,
  peers: 200,
  isStill: false,
  mayDelay: 'accepting and closing takes the time of the loop, 32 connections a turn',
  run: async (field) => {
    for (let peer = 0; peer < field.target.peers; peer += 1) {
      field.push(field.dial(), HONEST.subarray(0, 1 + (peer % (HONEST.length - 1))));
    }
    field.stands();
    while (!field.isOver) {
      const forged = FORGERIES.map((bytes) => {
        const fd = field.dial();
        field.push(fd, bytes);
        return fd;
      });
      const elsewhere = field.open();
      field.connect(elsewhere, { address: '127.0.0.2', port: 0 });
      field.push(elsewhere, Uint8Array.from([...HONEST, 120]));
      await field.pause(10);
      for (const [kind, fd] of [...forged, elsewhere].entries()) {
        if ((field.pull(fd)?.length ?? 0) > 0) field.findings.push(`forgery ${kind} is answered`);
        field.reset(fd);
      }
    }
  },
};
