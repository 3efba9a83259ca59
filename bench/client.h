/*
 * What the load clients share: the clock, the bytes that are sent, latencies, and how a client is
 * talked to. A client prints "ready N" once it is connected, takes commands from standard input, one
 * per line, until its end, and answers each with one line of name=value.
 */
#ifndef SOCKLOOP_CLIENT_H
#define SOCKLOOP_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  /* A prime, so that the loss of a power of two bytes shows. */
  POOL_BYTES = 65521,
  CHUNK_BYTES = 65536,
  EVENTS_MAX = 1024,
  CONNECT_SECONDS = 5,
  /* Without any progress for so long, what is under way is given up and counted as errors. */
  STALL_MS = 5000,
  /* Latencies: 64 steps per doubling of nanoseconds, so a bucket is at most 1.6 % wide. */
  STEP_BITS = 6,
  STEPS = 1 << STEP_BITS,
  BUCKETS = 64 * STEPS,
};

/* Random bytes, with their beginning once more behind them: any chunk of the round lies in one piece. */
static uint8_t pool[POOL_BYTES + CHUNK_BYTES], buffer[CHUNK_BYTES];
static uint64_t histogram[BUCKETS];
static uint64_t messages, errors, under_way;
static int epfd, source_count;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void record(uint64_t ns) {
  if (ns < STEPS) ns = STEPS;
  int power = 63 - __builtin_clzll(ns);
  histogram[power * STEPS + (int)((ns >> (power - STEP_BITS)) & (STEPS - 1))]++;
}

static void start_counting(void) {
  memset(histogram, 0, sizeof histogram);
  messages = errors = under_way = 0;
}

/* The answer to a command: buckets=INDEX:COUNT,... are the latencies, for who reads to sum up. */
static void report(uint64_t start_ns) {
  const char *separator = "";
  double seconds = (double)(now_ns() - start_ns) / 1e9;
  printf("messages=%lu seconds=%.6f errors=%lu buckets=", messages, seconds, errors);
  for (int i = 0; i < BUCKETS; i++) {
    if (histogram[i] == 0) continue;
    printf("%s%d:%lu", separator, i, histogram[i]);
    separator = ",";
  }
  printf("\n");
  fflush(stdout);
}

static void watch(int fd, int operation, uint32_t events, void *subject) {
  struct epoll_event event = {.events = events, .data.ptr = subject};
  if (epoll_ctl(epfd, operation, fd, &event) != 0) fail("epoll_ctl");
}

/*
 * A connection to 127.0.0.1, from the index-th of the source addresses, 127.0.0.2 and on: one of them
 * has ports for 28,000. Blocks until the handshake is done.
 */
static int connect_from(uint32_t index, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  struct timeval patience = {.tv_sec = CONNECT_SECONDS};
  int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (source_count > 0) {
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + index % (uint32_t)source_count);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
  }
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
  return fd;
}

static void prepare(void) {
  struct rlimit limit;
  uint64_t random = 88172645463325252u;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("setrlimit");
  for (int i = 0; i < POOL_BYTES; i++) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    pool[i] = (uint8_t)(random >> 32);
  }
  for (int i = POOL_BYTES; i < POOL_BYTES + CHUNK_BYTES; i++) pool[i] = pool[i - POOL_BYTES];
  epfd = epoll_create1(EPOLL_CLOEXEC);
  if (epfd < 0) fail("epoll_create1");
}

#endif
