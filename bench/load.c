/*
 * The load client of the measurements: N connections in one thread, a closed loop on each.
 *
 *   load PORT CONNECTIONS BYTES IN_FLIGHT [SOURCES]
 *
 * It connects to 127.0.0.1 (from SOURCES addresses in turn: 127.0.0.2 and on), prints "ready N", and
 * takes commands from standard input, one per line, until its end:
 *
 *   run MS      keeps IN_FLIGHT messages of BYTES under way on every connection for MS milliseconds
 *   each K      sends K messages on every connection
 *
 * Each waits until everything sent has come back, and answers with one line of name=value. The
 * connections stay between commands, so a slice of a measurement holds messages and nothing else, and
 * a client that gets no command is what holds idle connections.
 *
 * Every byte is checked. What a connection sends is a stream that runs round and round through one
 * pool of random bytes from a start of its own: nothing has to be written before a send, and bytes
 * that are lost, doubled or another connection's do not match.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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
  /* Latencies: 16 steps per doubling of nanoseconds, so a bucket is at most 6 % wide. */
  STEPS = 16,
  BUCKETS = 64 * STEPS,
};

struct connection {
  int fd;
  int wants_write;
  uint32_t start;     /* of its stream in the pool */
  uint64_t sent;      /* bytes */
  uint64_t received;  /* bytes */
  uint64_t allowed;   /* bytes it may have sent by now */
  uint64_t left;      /* messages it may still begin, in "each" */
  uint64_t *begun_ns; /* when a message was begun: a ring of IN_FLIGHT */
};

static uint8_t pool[POOL_BYTES + CHUNK_BYTES], buffer[CHUNK_BYTES];
static struct connection *connections;
static uint64_t histogram[BUCKETS];
static uint64_t messages, errors, under_way, deadline_ns;
static uint64_t connection_count, message_bytes, in_flight;
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
  histogram[power * STEPS + (int)((ns >> (power - 4)) & (STEPS - 1))]++;
}

/* The upper end of the bucket in which the quantile lies, in microseconds. */
static double quantile_us(double quantile) {
  uint64_t rank = (uint64_t)(quantile * (double)messages), seen = 0;
  for (int i = 0; i < BUCKETS; i++) {
    seen += histogram[i];
    if (seen <= rank && seen < messages) continue;
    return (double)((uint64_t)(STEPS + i % STEPS + 1) << (i / STEPS - 4)) / 1000;
  }
  return 0;
}

static void watch(struct connection *c, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(epfd, operation, c->fd, &event) != 0) fail("epoll_ctl");
}

/* The connection is of no use any more: what it owes counts as lost. */
static void give_up(struct connection *c, const char *why) {
  if (errors < 3) fprintf(stderr, "load: connection %ld: %s\n", (long)(c - connections), why);
  errors++;
  under_way -= (c->allowed - c->received + message_bytes - 1) / message_bytes;
  close(c->fd);
  c->fd = -1;
}

static void want_write(struct connection *c, int wants) {
  if (c->wants_write == wants) return;
  c->wants_write = wants;
  watch(c, EPOLL_CTL_MOD, wants ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void send_allowed(struct connection *c) {
  while (c->sent < c->allowed) {
    uint64_t length = c->allowed - c->sent;
    if (length > CHUNK_BYTES) length = CHUNK_BYTES;
    ssize_t sent = send(c->fd, pool + (c->start + c->sent) % POOL_BYTES, length, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return want_write(c, 1);
    if (sent < 0) return give_up(c, strerror(errno));
    c->sent += (uint64_t)sent;
  }
  if (c->wants_write) want_write(c, 0);
}

static void begin(struct connection *c, uint64_t count, uint64_t at_ns) {
  if (count > c->left) count = c->left;
  if (count == 0) return;
  uint64_t number = c->allowed / message_bytes;
  for (uint64_t i = 0; i < count; i++) c->begun_ns[(number + i) % in_flight] = at_ns;
  c->left -= count;
  c->allowed += count * message_bytes;
  under_way += count;
  send_allowed(c);
}

static void on_readable(struct connection *c) {
  ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got < 0) return give_up(c, strerror(errno));
  if (got == 0) return give_up(c, "closed by the server");
  if (c->received + (uint64_t)got > c->sent) return give_up(c, "more came back than was sent");
  if (memcmp(buffer, pool + (c->start + c->received) % POOL_BYTES, (size_t)got) != 0)
    return give_up(c, "bytes came back that were not sent");
  uint64_t at_ns = now_ns(), first = c->received / message_bytes;
  c->received += (uint64_t)got;
  uint64_t done = c->received / message_bytes - first;
  for (uint64_t i = 0; i < done; i++) record(at_ns - c->begun_ns[(first + i) % in_flight]);
  messages += done;
  under_way -= done;
  if (at_ns < deadline_ns) begin(c, done, at_ns);
}

/* Until everything that was begun has come back. */
static void drive(void) {
  static struct epoll_event events[EVENTS_MAX];
  while (under_way > 0) {
    int count = epoll_wait(epfd, events, EVENTS_MAX, STALL_MS);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    if (count == 0) {
      for (uint64_t i = 0; i < connection_count; i++) {
        struct connection *c = &connections[i];
        if (c->fd >= 0 && c->received < c->allowed) give_up(c, "no answer");
      }
    }
    for (int i = 0; i < count; i++) {
      struct connection *c = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) send_allowed(c);
      if (c->fd >= 0 && events[i].events & ~(uint32_t)EPOLLOUT) on_readable(c);
    }
  }
}

static void perform(uint64_t duration_ms, uint64_t count) {
  memset(histogram, 0, sizeof histogram);
  messages = errors = under_way = 0;
  uint64_t start_ns = now_ns();
  deadline_ns = duration_ms == 0 ? UINT64_MAX : start_ns + duration_ms * 1000000u;
  for (uint64_t i = 0; i < connection_count; i++) {
    struct connection *c = &connections[i];
    c->left = count;
    if (c->fd >= 0) begin(c, in_flight, now_ns());
    else errors++;
  }
  drive();
  double seconds = (double)(now_ns() - start_ns) / 1e9;
  printf("messages=%lu seconds=%.6f errors=%lu", messages, seconds, errors);
  printf(" p50=%.1f p90=%.1f p99=%.1f", quantile_us(0.5), quantile_us(0.9), quantile_us(0.99));
  printf(" p999=%.1f max=%.1f\n", quantile_us(0.999), quantile_us(1));
  fflush(stdout);
}

/* Blocking, one after the other: the next begins when this one's handshake is done. */
static void connect_one(struct connection *c, int port, uint32_t index) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  struct timeval patience = {.tv_sec = CONNECT_SECONDS};
  int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0) fail("socket");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (source_count > 0) {
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + index % (uint32_t)source_count);
    if (bind(c->fd, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
  }
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
  if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
  watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static void connect_all(int port) {
  struct timespec pause = {.tv_nsec = 1000000};
  uint64_t *rings = calloc(connection_count * in_flight, sizeof *rings);
  connections = calloc(connection_count, sizeof *connections);
  if (connections == NULL || rings == NULL) fail("calloc");
  for (uint64_t i = 0; i < connection_count; i++) {
    struct connection *c = &connections[i];
    c->begun_ns = rings + i * in_flight;
    c->start = (uint32_t)(i * 2654435761u % POOL_BYTES);
    connect_one(c, port, (uint32_t)i);
    /* The server gets to accept them before its backlog is full. */
    if (i % 32 == 31) nanosleep(&pause, NULL);
  }
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

int main(int argc, char **argv) {
  char line[64];
  unsigned long amount;
  if (argc < 5 || argc > 6) {
    fprintf(stderr, "usage: load PORT CONNECTIONS BYTES IN_FLIGHT [SOURCES]\n");
    return 2;
  }
  connection_count = strtoul(argv[2], NULL, 10);
  message_bytes = strtoul(argv[3], NULL, 10);
  in_flight = strtoul(argv[4], NULL, 10);
  source_count = argc == 6 ? atoi(argv[5]) : 0;
  if (connection_count == 0 || message_bytes == 0 || in_flight == 0) return 2;
  prepare();
  connect_all(atoi(argv[1]));
  printf("ready %lu\n", connection_count);
  fflush(stdout);
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "run %lu", &amount) == 1 && amount > 0) perform(amount, UINT64_MAX);
    else if (sscanf(line, "each %lu", &amount) == 1 && amount > 0) perform(0, amount);
    else fprintf(stderr, "load: unknown command: %s", line);
  }
  return 0;
}
