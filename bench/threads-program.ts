import { serveOnThreads } from 'sockloop/workers';

// The server of bench/threads.ts: THREADS WORK-US BALANCE LOOP.

const [threads = '', workUs = '', balance = '', backend = ''] = process.argv.slice(2);
const service = await serveOnThreads({
  module: new URL('./threads-service.js', import.meta.url),
  threads: Number(threads),
  options: { workUs: Number(workUs) },
  balance: balance === 'acceptor' ? 'acceptor' : 'kernel',
  backend: backend === 'io_uring' ? 'io_uring' : 'epoll',
  listen: { host: '127.0.0.1', port: 0, backlog: 4096 },
});
console.log(`listening ${service.port}`);
process.once('SIGTERM', () => void service.shutdown({ deadlineMs: 200 }));
