/*
 * The load client of the measurements: N connections in one thread, which stand between commands.
 *
 *   load PORT CONNECTIONS BYTES IN_FLIGHT [SOURCES]
 *
 * It connects to 127.0.0.1 (from SOURCES addresses in turn: 127.0.0.2 and on), prints "ready N", and
 * takes commands:
 *
 *   run MS        closed loop: keeps IN_FLIGHT messages of BYTES under way on every connection for MS
 *                 milliseconds, the next goes out when one has come back
 *   each K        sends K messages on every connection
 *   open MS RATE  open loop: RATE messages a second in all, evenly, for MS milliseconds, whether or not
 *                 earlier ones have come back (as far as IN_FLIGHT a connection). A latency counts from
 *                 when the schedule wanted the message sent
 *
 * Each waits until everything sent has come back. A slice of a measurement holds messages and nothing
 * else, and a client that gets no command is what holds idle connections.
 *
 * Every byte is checked. What a connection sends is a stream that runs round and round through one
 * pool of random bytes from a start of its own: nothing has to be written before a send, and bytes
 * that are lost, doubled or another connection's do not match.
 */
#define _GNU_SOURCE
#include "client.h"

#include <fcntl.h>

struct connection {
  int fd;
  int wants_write;
  uint32_t start;     /* of its stream in the pool */
  uint64_t sent;      /* bytes */
  uint64_t received;  /* bytes */
  uint64_t allowed;   /* bytes it may have sent by now */
  uint64_t left;      /* messages it may still begin, in "each" */
  uint64_t due;       /* messages whose time has come, in "open" */
  uint64_t begun;     /* and how many of them were begun */
  uint64_t *begun_ns; /* when a message was begun: a ring of IN_FLIGHT */
};

static struct connection *connections;
static uint64_t deadline_ns, start_ns, rate;
static uint64_t connection_count, message_bytes, in_flight;

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
  watch(c->fd, EPOLL_CTL_MOD, wants ? EPOLLIN | EPOLLOUT : EPOLLIN, c);
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

/* When the schedule wants the index-th message of all. */
static uint64_t intended_ns(uint64_t index) {
  return start_ns + index * 1000000000u / rate;
}

/* The connections take the messages in turn, so the schedule says which one is a connection's next. */
static void begin_due(struct connection *c) {
  while (c->fd >= 0 && c->begun < c->due) {
    if ((c->allowed - c->received + message_bytes - 1) / message_bytes >= in_flight) return;
    uint64_t index = c->begun++ * connection_count + (uint64_t)(c - connections);
    begin(c, 1, intended_ns(index));
  }
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
  if (rate > 0) begin_due(c);
  else if (at_ns < deadline_ns) begin(c, done, at_ns);
}

static int poll_events(int timeout_ms) {
  static struct epoll_event events[EVENTS_MAX];
  int count = epoll_wait(epfd, events, EVENTS_MAX, timeout_ms);
  if (count < 0 && errno != EINTR) fail("epoll_wait");
  for (int i = 0; i < count; i++) {
    struct connection *c = events[i].data.ptr;
    if (events[i].events & EPOLLOUT) send_allowed(c);
    if (c->fd >= 0 && events[i].events & ~(uint32_t)EPOLLOUT) on_readable(c);
  }
  return count;
}

/* Until everything that was begun has come back. */
static void drive(void) {
  while (under_way > 0) {
    if (poll_events(STALL_MS) != 0) continue;
    for (uint64_t i = 0; i < connection_count; i++) {
      struct connection *c = &connections[i];
      if (c->fd >= 0 && c->received < c->allowed) give_up(c, "no answer");
    }
  }
}

static void perform(uint64_t duration_ms, uint64_t count) {
  start_counting();
  rate = 0;
  start_ns = now_ns();
  deadline_ns = duration_ms == 0 ? UINT64_MAX : start_ns + duration_ms * 1000000u;
  for (uint64_t i = 0; i < connection_count; i++) {
    struct connection *c = &connections[i];
    c->left = count;
    if (c->fd >= 0) begin(c, in_flight, now_ns());
    else errors++;
  }
  drive();
  report(start_ns);
}

/*
 * Never sleeps while the schedule lasts: a timer would come late by the machine's wake-up latency, and
 * that would be taken for the server's.
 */
static void perform_open(uint64_t duration_ms, uint64_t per_second) {
  uint64_t total = per_second * duration_ms / 1000, next = 0;
  start_counting();
  rate = per_second;
  for (uint64_t i = 0; i < connection_count; i++) {
    struct connection *c = &connections[i];
    c->left = UINT64_MAX;
    c->due = c->begun = 0;
  }
  start_ns = now_ns();
  while (next < total) {
    for (uint64_t at_ns = now_ns(); next < total && intended_ns(next) <= at_ns; next++) {
      struct connection *c = &connections[next % connection_count];
      if (c->fd < 0) {
        errors++;
        continue;
      }
      c->due++;
      begin_due(c);
    }
    poll_events(0);
  }
  drive();
  report(start_ns);
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
    c->fd = connect_from((uint32_t)i, port);
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
    watch(c->fd, EPOLL_CTL_ADD, EPOLLIN, c);
    /* The server gets to accept them before its backlog is full. */
    if (i % 32 == 31) nanosleep(&pause, NULL);
  }
}

int main(int argc, char **argv) {
  char line[64];
  unsigned long amount, per_second;
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
    else if (sscanf(line, "open %lu %lu", &amount, &per_second) == 2 && amount * per_second > 0)
      perform_open(amount, per_second);
    else fprintf(stderr, "load: unknown command: %s", line);
  }
  return 0;
}
