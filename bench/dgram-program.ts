import * as nodeDgram from 'node:dgram';
import * as ownDgram from 'sockloop/dgram';

// What bench/dgram.ts measures, in a process of its own: an echo, a receiver, or a sender.
//
//   dgram-program.js echo|receive|send node|own PORT

const [role = '', way = '', port = '0'] = process.argv.slice(2);
const host = '127.0.0.1';
const BURST = 32;
const BYTES = Buffer.alloc(64, 'x');

const { createSocket } = (way === 'node' ? nodeDgram : ownDgram) as typeof nodeDgram;

let datagrams = 0;
const socket = createSocket({ type: 'udp4', recvBufferSize: 2 ** 20 });

function burst(): void {
  let left = BURST;
  const sent = (): void => {
    datagrams += 1;
    left -= 1;
    if (left === 0) setImmediate(burst);
  };
  for (let at = 0; at < BURST; at++) socket.send(BYTES, Number(port), host, sent);
}

socket.on('message', (message, from) => {
  datagrams += 1;
  if (role === 'echo') socket.send(message, from.port, from.address);
});
socket.bind(0, host, () => {
  if (role === 'send') burst();
  process.send?.({ port: socket.address().port });
});

process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ datagrams, cpuUs: user + system });
});
