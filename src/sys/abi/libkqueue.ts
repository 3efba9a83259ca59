/**
 * kqueue on Linux: libkqueue 2.7. The constants are those that the BSDs share, EVFILT_USER is that
 * of FreeBSD, and the layout is that of macOS.
 */
export const libkqueue = {
  constants: {
    EVFILT_READ: -1,
    EVFILT_WRITE: -2,
    EVFILT_TIMER: -7,
    EVFILT_USER: -11,
    EV_ADD: 1,
    EV_DELETE: 2,
    EV_ENABLE: 4,
    EV_DISABLE: 8,
    EV_ONESHOT: 16,
    EV_CLEAR: 32,
    EV_RECEIPT: 64,
    EV_DISPATCH: 128,
    EV_ERROR: 16384,
    EV_EOF: 32768,
    NOTE_FFNOP: 0,
    NOTE_TRIGGER: 16777216,
  },
  structs: {
    kevent: {
      size: 32,
      fields: {
        ident: { offset: 0, size: 8 },
        filter: { offset: 8, size: 2 },
        flags: { offset: 10, size: 2 },
        fflags: { offset: 12, size: 4 },
        data: { offset: 16, size: 8 },
        udata: { offset: 24, size: 8 },
      },
    },
  },
} as const;
