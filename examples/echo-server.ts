// A TCP echo server in the calls of the textbook: one client at a time, blocking.
//
//   node build/examples/echo-server.js [PORT]
//
// Try it with: node build/examples/echo-client.js PORT hello

import { formatAddress, Socket } from 'sockloop/socket';

// A failure, such as a port that is in use, ends the program with a sentence and no stack.
process.on('uncaughtException', (error) => {
  console.error(error.message);
  process.exitCode = 1;
});

using listener = new Socket('IPv4');
listener.setSockOpt('SO_REUSEADDR', true);
listener.bind({ address: '127.0.0.1', port: Number(process.argv[2] ?? '7007') });
listener.listen(5);
console.log(`listening on ${formatAddress(listener.getSockName())}`);

const buffer = new Uint8Array(65536);
for (;;) {
  const [socket, address] = listener.accept();
  using client = socket;
  console.log(`connection from ${formatAddress(address)}`);
  for (let length = client.recv(buffer); length > 0; length = client.recv(buffer)) {
    client.sendAll(buffer.subarray(0, length));
  }
}
