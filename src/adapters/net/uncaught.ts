/** What a listener throws is an uncaught exception, which leaves the connection open. */
export function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}

/** Calls `act`, which calls listeners. */
export function guarded(act: () => void): void {
  try {
    act();
  } catch (error) {
    throwLater(error);
  }
}
