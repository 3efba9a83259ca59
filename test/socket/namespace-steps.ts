/**
 * What multicast.test.ts does in a network namespace with nothing but a loopback interface of 1500
 * bytes and a route for the groups of IPv6: prints one JSON document.
 */

import { type GroupOptions, Socket } from '#src/socket/index.js';

const WAIT_MS = 10_000;

using listener = new Socket('IPv6', { type: 'SOCK_DGRAM' });
listener.bind({ address: '::', port: 0 });
listener.setTimeout(WAIT_MS);
const name = listener.getSockName();
const port = name.family === 'UNIX' ? 0 : name.port;
using sender = new Socket('IPv6', { type: 'SOCK_DGRAM' });
sender.setMulticastInterface('lo');

function heard(group: string, options: GroupOptions, words: string): string {
  listener.joinGroup(group, options);
  sender.sendTo(words, { address: group, port });
  const buffer = new Uint8Array(64);
  const length = listener.recv(buffer);
  listener.leaveGroup(group, options);
  return `${group} ${new TextDecoder().decode(buffer.subarray(0, length))}`;
}

function words(call: () => unknown): string {
  try {
    call();
    return 'no error';
  } catch (error) {
    return (error as Error).message;
  }
}

using plain = new Socket('IPv4', { type: 'SOCK_DGRAM' });
plain.bind({ address: '127.0.0.1', port: 0 });
const steps = {
  heard: [
    heard('ff12::77:7', { interface: 'lo' }, 'by lo'),
    heard('ff12::77:7', { interface: 1 }, 'by 1'),
    heard('ff3e::77:7', { interface: 'lo', source: '::1' }, 'of ::1'),
  ],
  segment: words(() =>
    plain.sendMsg(new Uint8Array(6000), {
      to: plain.getSockName(),
      control: [{ kind: 'UDP_SEGMENT', segmentSize: 3000 }],
    }),
  ),
  noRoute: words(() =>
    new Socket('IPv4', { type: 'SOCK_DGRAM' }).sendTo('x', { address: '239.1.2.3', port: 9 }),
  ),
  noInterface: words(() => plain.joinGroup('239.1.2.3')),
};
process.stdout.write(JSON.stringify(steps));
