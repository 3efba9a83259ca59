import type { ServiceThread } from 'sockloop/workers';

// An echo whose every message costs some work: what bench/threads.ts serves on one thread or more.

/** Begins to serve. */
export function serve(thread: ServiceThread): void {
  const workMs = (thread.options as { readonly workUs: number }).workUs / 1000;
  thread.listen({
    chunks: 'borrowed',
    handlers: {
      data: (connection, chunk) => {
        const endMs = performance.now() + workMs;
        while (workMs > 0 && performance.now() < endMs);
        if (!connection.write(chunk)) connection.pause();
      },
      drain: (connection) => connection.resume(),
    },
  });
}
