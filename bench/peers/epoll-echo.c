/*
 * The reference that the echo servers are measured against: one thread, one epoll instance, level
 * triggered, at most one recv and one send per readiness.
 *
 *   epoll-echo PORT        listens on 127.0.0.1; PORT 0 takes a free one; prints "listening PORT"
 *
 * Right before it is fast: what a send does not take is queued, and while anything is queued nothing
 * is received from that client, so a queue never holds more than one receive. A client that ends its
 * side gets the rest of its echo first. Ends on SIGTERM, by the signal's default.
 */
#define _GNU_SOURCE
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
#include <unistd.h>

enum { RECEIVE_BYTES = 65536, EVENTS_MAX = 1024, ACCEPTS_MAX = 64, BACKLOG = 65535 };

/* One per descriptor, all zero while there is nothing queued: an idle client touches no memory. */
struct client {
  uint8_t *queue;
  uint32_t head, length;
};

static struct client *clients;
static size_t clients_max;
static uint8_t buffer[RECEIVE_BYTES];
static int epfd, listener, reserve;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void drop(int fd) {
  struct client *c = &clients[fd];
  free(c->queue);
  memset(c, 0, sizeof *c);
  close(fd); /* epoll forgets it with the last descriptor. */
}

static void watch(int fd, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  if (epoll_ctl(epfd, operation, fd, &event) != 0) fail("epoll_ctl");
}

/* Out of descriptors: the reserve takes one connection after the other and turns it away. */
static void shed(void) {
  close(reserve);
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd >= 0) close(fd);
  reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_clients(void) {
  for (int i = 0; i < ACCEPTS_MAX; i++) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0 && (size_t)fd < clients_max) {
      watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    } else if (fd >= 0) {
      close(fd);
    } else if (errno == EMFILE || errno == ENFILE) {
      shed();
    } else if (errno == EAGAIN) {
      return;
    } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
      fail("accept4");
    } /* Anything else is the fate of one connection: ECONNABORTED, EINTR, a network error. */
  }
}

static void queue_rest(int fd, const uint8_t *from, size_t length) {
  struct client *c = &clients[fd];
  c->queue = malloc(length);
  if (c->queue == NULL) return drop(fd);
  memcpy(c->queue, from, length);
  c->head = 0;
  c->length = (uint32_t)length;
  watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
}

static void on_readable(int fd) {
  ssize_t got = recv(fd, buffer, sizeof buffer, 0);
  if (got > 0) {
    ssize_t sent = send(fd, buffer, (size_t)got, MSG_NOSIGNAL);
    if (sent == got) return;
    if (sent >= 0) return queue_rest(fd, buffer + sent, (size_t)(got - sent));
    if (errno == EAGAIN || errno == EINTR) return queue_rest(fd, buffer, (size_t)got);
    drop(fd); /* EPIPE, ECONNRESET. */
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    drop(fd); /* Nothing is queued here, so the end is the end. */
  }
}

static void on_writable(int fd) {
  struct client *c = &clients[fd];
  ssize_t sent = send(fd, c->queue + c->head, c->length - c->head, MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno != EAGAIN && errno != EINTR) drop(fd);
    return;
  }
  c->head += (uint32_t)sent;
  if (c->head < c->length) return;
  free(c->queue);
  memset(c, 0, sizeof *c);
  watch(fd, EPOLL_CTL_MOD, EPOLLIN);
}

static void make_room(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("setrlimit");
  clients_max = limit.rlim_max < 1048576 ? (size_t)limit.rlim_max : 1048576;
  clients = calloc(clients_max, sizeof *clients);
  if (clients == NULL) fail("calloc");
}

static void listen_on(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  socklen_t length = sizeof address;
  int one = 1;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0) fail("socket");
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  /* Accepted sockets inherit it. */
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, length) != 0) fail("bind");
  if (listen(listener, BACKLOG) != 0) fail("listen");
  if (getsockname(listener, (struct sockaddr *)&address, &length) != 0) fail("getsockname");
  printf("listening %d\n", ntohs(address.sin_port));
  fflush(stdout);
}

int main(int argc, char **argv) {
  static struct epoll_event events[EVENTS_MAX];
  if (argc != 2) {
    fprintf(stderr, "usage: epoll-echo PORT\n");
    return 2;
  }
  make_room();
  reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
  epfd = epoll_create1(EPOLL_CLOEXEC);
  if (epfd < 0) fail("epoll_create1");
  listen_on(atoi(argv[1]));
  watch(listener, EPOLL_CTL_ADD, EPOLLIN);
  for (;;) {
    int count = epoll_wait(epfd, events, EVENTS_MAX, -1);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) accept_clients();
      else if (clients[fd].queue != NULL) on_writable(fd);
      else on_readable(fd);
    }
  }
}
