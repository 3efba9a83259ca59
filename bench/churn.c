/*
 * The client that keeps coming and going: SLOTS connections in one thread, each connects, sends one
 * line, reads its echo, closes, and begins again.
 *
 *   churn PORT SLOTS BYTES SOURCES
 *
 * It prints "ready N" and takes commands:
 *
 *   run MS      goes on for MS milliseconds
 *   each K      makes K connections in each slot
 *
 * What it counts as a message is a connection; its latency is from before connect() to the echo's last
 * byte. Each command waits until all connections are closed. Every byte is checked.
 *
 * The client closes first, so the kernel keeps the pair of ports for a minute on this side, and a port
 * for every address in SOURCES. One address would be out of ports after a second of it.
 */
#define _GNU_SOURCE
#include "client.h"

struct slot {
  int fd;
  uint32_t start;    /* of its line in the pool */
  uint64_t received; /* bytes */
  uint64_t left;     /* connections it may still begin */
  uint64_t begun_ns;
};

static struct slot *slots;
static uint64_t slot_count, line_bytes, deadline_ns;
static uint32_t connection_number;
static int port;

/* A line is bytes of the pool and a newline, for servers that answer lines. */
static const uint8_t *line_of(const struct slot *s) {
  static uint8_t line[CHUNK_BYTES];
  memcpy(line, pool + s->start, line_bytes - 1);
  for (uint64_t i = 0; i < line_bytes - 1; i++) line[i] |= 0x20; /* No newline before the last. */
  line[line_bytes - 1] = '\n';
  return line;
}

static void leave(struct slot *s) {
  close(s->fd);
  s->fd = -1;
  under_way--;
}

static void give_up(struct slot *s, const char *why) {
  if (errors < 3) fprintf(stderr, "churn: %s\n", why);
  errors++;
  leave(s);
}

static void begin(struct slot *s) {
  s->left--;
  s->received = 0;
  s->start = connection_number * 2654435761u % POOL_BYTES;
  s->begun_ns = now_ns();
  s->fd = connect_from(connection_number++, port);
  under_way++;
  ssize_t sent = send(s->fd, line_of(s), line_bytes, MSG_NOSIGNAL);
  if (sent != (ssize_t)line_bytes) return give_up(s, sent < 0 ? strerror(errno) : "short send");
  watch(s->fd, EPOLL_CTL_ADD, EPOLLIN, s);
}

static void on_readable(struct slot *s) {
  ssize_t got = recv(s->fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got < 0) return give_up(s, strerror(errno));
  if (got == 0) return give_up(s, "closed by the server");
  if (s->received + (uint64_t)got > line_bytes) return give_up(s, "more came back than was sent");
  if (memcmp(buffer, line_of(s) + s->received, (size_t)got) != 0)
    return give_up(s, "bytes came back that were not sent");
  s->received += (uint64_t)got;
  if (s->received < line_bytes) return;
  uint64_t at_ns = now_ns();
  record(at_ns - s->begun_ns);
  messages++;
  leave(s);
  if (s->left > 0 && at_ns < deadline_ns) begin(s);
}

static void perform(uint64_t duration_ms, uint64_t count) {
  static struct epoll_event events[EVENTS_MAX];
  uint64_t start_ns = now_ns();
  start_counting();
  deadline_ns = duration_ms == 0 ? UINT64_MAX : start_ns + duration_ms * 1000000u;
  for (uint64_t i = 0; i < slot_count; i++) {
    slots[i].left = count;
    begin(&slots[i]);
  }
  while (under_way > 0) {
    int ready = epoll_wait(epfd, events, EVENTS_MAX, STALL_MS);
    if (ready < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < ready; i++) on_readable(events[i].data.ptr);
    for (uint64_t i = 0; ready == 0 && i < slot_count; i++) {
      if (slots[i].fd >= 0) give_up(&slots[i], "no answer");
    }
  }
  report(start_ns);
}

int main(int argc, char **argv) {
  char line[64];
  unsigned long amount;
  if (argc != 5) {
    fprintf(stderr, "usage: churn PORT SLOTS BYTES SOURCES\n");
    return 2;
  }
  port = atoi(argv[1]);
  slot_count = strtoul(argv[2], NULL, 10);
  line_bytes = strtoul(argv[3], NULL, 10);
  source_count = atoi(argv[4]);
  if (slot_count == 0 || line_bytes == 0 || line_bytes > CHUNK_BYTES) return 2;
  prepare();
  slots = calloc(slot_count, sizeof *slots);
  if (slots == NULL) fail("calloc");
  for (uint64_t i = 0; i < slot_count; i++) slots[i].fd = -1;
  printf("ready %lu\n", slot_count);
  fflush(stdout);
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "run %lu", &amount) == 1 && amount > 0) perform(amount, UINT64_MAX);
    else if (sscanf(line, "each %lu", &amount) == 1 && amount > 0) perform(0, amount);
    else fprintf(stderr, "churn: unknown command: %s", line);
  }
  return 0;
}
