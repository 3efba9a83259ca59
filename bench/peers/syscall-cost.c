/* The calls of bench/syscall-cost.ts, bare: prints nanoseconds per operation, a line each. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 100000;
  int pair[2];
  char out[64] = {0}, in[64];
  if (count < 1 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return 1;

  double start = now_ns();
  for (long i = 0; i < count; i++)
    if (fcntl(pair[0], F_GETFD, 0) < 0) return 1;
  printf("fcntl %.1f\n", (now_ns() - start) / count);

  start = now_ns();
  for (long i = 0; i < count; i++)
    if (close(-1) != -1) return 1;
  printf("close %.1f\n", (now_ns() - start) / count);

  start = now_ns();
  for (long i = 0; i < count; i++)
    if (send(pair[0], out, 64, MSG_NOSIGNAL) != 64 || recv(pair[1], in, 64, 0) != 64) return 1;
  printf("pair %.1f\n", (now_ns() - start) / count);
  return 0;
}
