import type { PlantedFile } from './planted-file.ts';

const kind = 'a start, a successor, a supervisor';

/** What starts a process, what follows it, and what it tells. */
export const service: readonly PlantedFile[] = [
  {
    kind,
    path: 'dist/src/service/listen-fds.js',
    changes: [
      ['if (sockets.length > 0) noteTaken(sockets.length);', 'noteTaken(sockets.length);'],
      ['reader.firstFd + index', 'reader.firstFd'],
      ['for (const { fd } of sockets) sys.fcntl(fd, F_SETFD, FD_CLOEXEC);', ''],
      ['names.length === count ? names : null', 'names'],
      ['if (predecessor === String(ppid)) return null;', 'return null;'],
      [
        '[LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES, PREDECESSOR]',
        '[LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES]',
      ],
      ['meant === String(pid) ? null', 'meant === String(ppid) ? null'],
    ],
  },
  {
    kind,
    path: 'dist/src/service/notify.js',
    changes: [
      ['if (notification.ready === true) tellPredecessor();', ''],
      [
        'const lines = linesOf(notification); if (notification.ready === true) tellPredecessor();',
        'if (notification.ready === true) tellPredecessor(); const lines = linesOf(notification);',
      ],
    ],
  },
  {
    kind,
    path: 'dist/src/service/predecessor.js',
    changes: [
      ['delete process.env[READY_FD];', ''],
      ['closeSync(fd);', ''],
      ['/^READY=(\\d+)\\n/', '/^READY=(\\d+)/'],
    ],
  },
  {
    kind,
    path: 'dist/src/service/successor.js',
    changes: [
      ['signal?.throwIfAborted();', ''],
      ["signal?.removeEventListener('abort', aborted);", ''],
      ['String(FIRST_FD + sockets.length)', 'String(FIRST_FD + sockets.length - 1)'],
      ['[LISTEN_PID]: undefined,', ''],
      ['[WATCHDOG_PID]: undefined,', ''],
      ['taken === null || this.#failure !== null', 'taken === null'],
      ['taken !== this.#sockets', 'taken < 1'],
      ['this.#child.unref();', ''],
      ["clearTimeout(this.#late); this.#child.kill('SIGTERM');", "this.#child.kill('SIGTERM');"],
      ["this.#kill = setTimeout(() => this.#child.kill('SIGKILL'), END_GRACE_MS);", ''],
      ['if (this.#failure !== null) return; this.#failure = reason;', 'this.#failure = reason;'],
      ['if (this.#kill !== null) clearTimeout(this.#kill);', ''],
      ['this.#text += piece', 'this.#text = piece'],
      ['clearTimeout(this.#late); if (this.#kill', 'if (this.#kill'],
    ],
  },
  {
    kind,
    path: 'dist/src/service/watchdog.js',
    changes: [
      ['meant !== undefined && meant !== String(process.pid)', 'meant !== String(process.pid)'],
      ['everyOfNode(intervalMs / 2, beat)', 'everyOfNode(intervalMs, beat)'],
      ['timer.unref();', ''],
      ['timer = loop.setTimer(pauseMs, next); beat();', 'beat();'],
      ['timer = loop.setTimer(pauseMs, next); beat();', 'loop.setTimer(pauseMs, next); beat();'],
      ['usec === null || usec === 0', 'usec === null'],
    ],
  },
  {
    kind,
    path: 'dist/src/service/notify-socket.js',
    changes: [
      ['sys.close(fd);', ''],
      ['result !== -sys.abi.errno.EINTR || sys.monotonicMs() >= deadlineMs', 'true'],
      ['const controlLength = control?.length ?? 0;', 'const controlLength = 0;'],
      ["writeNamed(sys, fd, 'SO_SNDTIMEO', SEND_TIMEOUT_MS);", ''],
    ],
  },
];
