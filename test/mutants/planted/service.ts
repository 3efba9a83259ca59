import type { PlantedFile } from './planted-file.ts';

/** What starts a process, what follows it, and what it tells. */
export const service: readonly PlantedFile[] = [
  {
    kind: 'a start, a successor, a supervisor',
    path: 'dist/src/service/listen-fds.js',
    changes: [
      ['if (sockets.length > 0) noteTaken(sockets.length);', 'noteTaken(sockets.length);'],
      ['for (const { fd } of sockets) sys.fcntl(fd, F_SETFD, FD_CLOEXEC);', ''],
      ['if (predecessor === String(ppid)) return null;', 'return null;'],
      ['meant === String(pid) ? null', 'meant === String(ppid) ? null'],
    ],
  },
  {
    kind: 'a start, a successor, a supervisor',
    path: 'dist/src/service/notify.js',
    changes: [
      [
        'const lines = linesOf(notification); if (notification.ready === true)' +
          ' tellPredecessor();',
        'if (notification.ready === true) tellPredecessor(); const lines =' +
          ' linesOf(notification);',
      ],
    ],
  },
  {
    kind: 'a start, a successor, a supervisor',
    path: 'dist/src/service/predecessor.js',
    changes: [['closeSync(fd);', '']],
  },
  {
    kind: 'a start, a successor, a supervisor',
    path: 'dist/src/service/successor.js',
    changes: [
      ['signal?.throwIfAborted();', ''],
      ['String(FIRST_FD + sockets.length)', 'String(FIRST_FD + sockets.length - 1)'],
      ['[WATCHDOG_PID]: undefined,', ''],
      ['taken !== this.#sockets', 'taken < 1'],
      ["clearTimeout(this.#late); this.#child.kill('SIGTERM');", "this.#child.kill('SIGTERM');"],
      ['if (this.#failure !== null) return; this.#failure = reason;', 'this.#failure = reason;'],
      ['this.#text += piece', 'this.#text = piece'],
    ],
  },
  {
    kind: 'a start, a successor, a supervisor',
    path: 'dist/src/service/watchdog.js',
    changes: [
      ['meant !== undefined && meant !== String(process.pid)', 'meant !== String(process.pid)'],
      ['timer.unref();', ''],
      ['timer = loop.setTimer(pauseMs, next); beat();', 'loop.setTimer(pauseMs, next); beat();'],
    ],
  },
  {
    kind: 'a start, a successor, a supervisor',
    path: 'dist/src/service/notify-socket.js',
    changes: [
      ['sys.close(fd);', ''],
      ['const controlLength = control?.length ?? 0;', 'const controlLength = 0;'],
    ],
  },
];
