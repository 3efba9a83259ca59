/** The numbers of the system calls of a list: a stable interface of Linux, one set per CPU. */
export interface CallNumbers {
  readonly sendto: number;
  readonly recvfrom: number;
  readonly accept4: number;
  readonly shutdown: number;
  readonly close: number;
  readonly epoll_ctl: number;
  readonly epoll_pwait: number;
  readonly ppoll: number;
  readonly pselect6: number;
}

/** arch/x86/entry/syscalls/syscall_64.tbl */
export const x64Numbers: CallNumbers = {
  sendto: 44,
  recvfrom: 45,
  accept4: 288,
  shutdown: 48,
  close: 3,
  epoll_ctl: 233,
  epoll_pwait: 281,
  ppoll: 271,
  pselect6: 270,
};

/** include/uapi/asm-generic/unistd.h */
export const arm64Numbers: CallNumbers = {
  sendto: 206,
  recvfrom: 207,
  accept4: 242,
  shutdown: 210,
  close: 57,
  epoll_ctl: 21,
  epoll_pwait: 22,
  ppoll: 73,
  pselect6: 72,
};
