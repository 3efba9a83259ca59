// A TCP client in the calls of the textbook: one line out, its echo back.
//
//   node build/examples/echo-client.js PORT MESSAGE

import { Socket } from 'sockloop/socket';

const [port = '7007', message = 'hello'] = process.argv.slice(2);

// A failure, such as a refused connection, ends the program with a sentence and no stack.
process.on('uncaughtException', (error) => {
  console.error(error.message);
  process.exitCode = 1;
});

using socket = new Socket('IPv4');
socket.setTimeout(5000);
socket.connect({ address: '127.0.0.1', port: Number(port) });

const line = new TextEncoder().encode(`${message}\n`);
socket.sendAll(line);

// A stream has no messages: the echo may come in any number of pieces.
const echo = new Uint8Array(line.length);
for (let got = 0; got < echo.length; ) {
  const length = socket.recv(echo, got);
  if (length === 0) throw new Error(`the server closed after ${got} of ${echo.length} bytes`);
  got += length;
}
console.log(`Echo from server: ${new TextDecoder().decode(echo)}`.trimEnd());
