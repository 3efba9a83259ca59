/** What a listener throws is an uncaught exception, which leaves the connection open. */
export function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
