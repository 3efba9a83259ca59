/** What has to be undone however the bench ends: by itself, by an error, by Ctrl-C. */

const undoing = new Set<() => void>();

/** Runs `undo` when the process ends, unless what is returned was called before. */
export function atEnd(undo: () => void): () => void {
  undoing.add(undo);
  return () => undoing.delete(undo);
}

function undoAll(): void {
  for (const undo of undoing) undo();
  undoing.clear();
}

process.on('exit', undoAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // A process that dies of a signal gets no exit event. Once the handler is gone it does die of it.
  process.once(signal, () => {
    undoAll();
    process.kill(process.pid, signal);
  });
}
