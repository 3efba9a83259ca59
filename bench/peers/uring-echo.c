/*
 * An echo server on io_uring, to stand beside epoll-echo.c: one thread, and one io_uring_enter a
 * turn, which submits what the last events asked for and waits for the next.
 *
 *   uring-echo PORT        listens on 127.0.0.1; PORT 0 takes a free one; prints "listening PORT"
 *
 * A client is received from by one multishot receive, into buffers that all share, and sent to
 * from there. With MSG_DONTWAIT a send that the socket does not take fails instead of waiting, with
 * MSG_WAITALL one that it takes in part fails too, and with IOSQE_CQE_SKIP_SUCCESS only failure
 * posts a completion. So when io_uring_enter returns, every send that nothing is heard of is done,
 * and what it waited for were clients, not our own sends: 6 % less CPU at one connection.
 *
 * Right before it is fast: a client has at most one send under way, and what comes meanwhile goes
 * after it. What a send does not take is copied out of the shared buffers and goes when the socket
 * has room, and until it has gone nothing is received from that client. A client that ends its side
 * gets the rest of its echo first. Ends on SIGTERM, by the signal's default.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "uring.h"

enum { BACKLOG = 65535, CLIENTS_MAX = 1048576, NO_BUFFER = -1 };

/* What a completion is about: the upper half of its user_data. The lower one is the slot. */
enum operation { ACCEPT, RECEIVE, SEND, WATCH, CANCEL, CLOSE };

/* Received and not yet sent: in a shared buffer, or in memory of its own (NO_BUFFER). */
struct chunk {
  struct chunk *next;
  uint8_t *bytes;
  uint32_t length, sent;
  int32_t buffer;
};

/* One per slot in the ring's table of files: the sockets have no descriptors. */
struct client {
  struct chunk *first, *last;
  uint32_t next_starved;
  uint8_t sending;    /* the first chunk: whether it goes will be known when the turn is over */
  uint8_t stuck;      /* it did not: the socket is full */
  uint8_t receiving;  /* its multishot receive stands */
  uint8_t starved;    /* which ended for want of a buffer: it is in the line for one */
  uint8_t watching;   /* its multishot poll for room stands */
  uint8_t cancelling; /* one of them, or all, were asked to end */
  uint8_t ended, broken;
};

static struct client *clients;
static uint32_t clients_max;
static struct chunk *free_chunks;
/* The clients with a send that may have failed. */
static uint32_t *unsettled, unsettled_count;
/* The line of those that want a buffer. */
static uint32_t starved_first, starved_last, starved_count;
static int listener, reserve;
/* The next turn has work that no completion announces, so it must not wait for one. */
static int busy;

static struct io_uring_sqe *prepare(int opcode, enum operation operation, uint32_t slot) {
  return ring_prepare(opcode, (int)slot, (uint64_t)operation << 32 | slot);
}

static void drop_first(struct client *c) {
  struct chunk *chunk = c->first;
  c->first = chunk->next;
  if (chunk->buffer == NO_BUFFER) free(chunk->bytes);
  else buffer_release((uint32_t)chunk->buffer);
  chunk->next = free_chunks;
  free_chunks = chunk;
}

/* Who does not read must not keep the buffers that all share. */
static void copy_out(struct client *c, struct chunk *chunk) {
  if (chunk->buffer == NO_BUFFER) return;
  uint32_t length = chunk->length - chunk->sent;
  uint8_t *copy = malloc(length);
  if (copy == NULL) {
    c->broken = 1;
    return;
  }
  memcpy(copy, chunk->bytes + chunk->sent, length);
  buffer_release((uint32_t)chunk->buffer);
  *chunk = (struct chunk){chunk->next, copy, length, 0, NO_BUFFER};
}

static void arm_accept(void) {
  struct io_uring_sqe *sqe = prepare(IORING_OP_ACCEPT, ACCEPT, 0);
  sqe->fd = listener;
  sqe->ioprio = IORING_ACCEPT_MULTISHOT;
  sqe->file_index = IORING_FILE_INDEX_ALLOC;
}

static void arm_receive(uint32_t slot) {
  struct io_uring_sqe *sqe = prepare(IORING_OP_RECV, RECEIVE, slot);
  sqe->flags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
  sqe->ioprio = IORING_RECV_MULTISHOT;
  clients[slot].receiving = 1;
}

/* A send that waits by itself is no choice: the kernel polls for it, and finds a client that has
   ended its side ready at every look, full or not, so after 128 tries it moves the send to a thread
   that blocks (Linux 6.18). A poll for one event would end at once for the same reason. This one
   tells of changes, and stands until the client goes. */
static void watch(uint32_t slot) {
  struct io_uring_sqe *sqe = prepare(IORING_OP_POLL_ADD, WATCH, slot);
  sqe->flags = IOSQE_FIXED_FILE;
  sqe->poll32_events = POLLOUT;
  sqe->len = IORING_POLL_ADD_MULTI;
  clients[slot].watching = 1;
}

static void cancel_receive(uint32_t slot) {
  struct io_uring_sqe *sqe = prepare(IORING_OP_ASYNC_CANCEL, CANCEL, slot);
  sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
  sqe->addr = (uint64_t)RECEIVE << 32 | slot;
  clients[slot].cancelling = 1;
}

static void cancel_all(uint32_t slot) {
  struct io_uring_sqe *sqe = prepare(IORING_OP_ASYNC_CANCEL, CANCEL, slot);
  sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
  sqe->cancel_flags =
    IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_FD_FIXED | IORING_ASYNC_CANCEL_ALL;
  clients[slot].cancelling = 1;
}

static void send_first(uint32_t slot) {
  struct client *c = &clients[slot];
  struct io_uring_sqe *sqe = prepare(IORING_OP_SEND, SEND, slot);
  sqe->flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
  sqe->addr = (uintptr_t)(c->first->bytes + c->first->sent);
  sqe->len = c->first->length - c->first->sent;
  sqe->msg_flags = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL;
  c->sending = 1;
  unsettled[unsettled_count++] = slot;
  if (c->first->next != NULL || !c->receiving) busy = 1;
}

static void close_client(uint32_t slot) {
  struct io_uring_sqe *sqe = prepare(IORING_OP_CLOSE, CLOSE, slot);
  sqe->fd = 0;
  sqe->file_index = slot + 1;
  sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
  memset(&clients[slot], 0, sizeof *clients);
}

/* Starts whatever the state of this client asks for. */
static void proceed(uint32_t slot) {
  struct client *c = &clients[slot];
  int is_slow = c->first != NULL && c->first->buffer == NO_BUFFER;
  int is_over = c->broken || (c->ended && c->first == NULL);
  if (is_over && (c->receiving || c->watching) && !c->cancelling) cancel_all(slot);
  if (is_slow && c->receiving && !c->cancelling) cancel_receive(slot);
  if (!is_slow && !c->receiving && !c->starved && !c->ended && !c->broken) arm_receive(slot);
  if (c->stuck && !c->watching && !c->broken) watch(slot);
  if (c->sending) {
    /* What comes after it is up to us: a send that succeeds says nothing, and would end no wait. */
    if (!c->receiving || c->broken) busy = 1;
    return;
  }
  while (c->broken && c->first != NULL) drop_first(c);
  if (c->first != NULL && !c->stuck) send_first(slot);
  else if (is_over && !c->receiving && !c->watching && !c->starved) close_client(slot);
}

static void on_bytes(uint32_t slot, uint8_t *bytes, uint32_t length, uint32_t buffer) {
  struct client *c = &clients[slot];
  struct chunk *chunk = free_chunks;
  if (chunk != NULL) free_chunks = chunk->next;
  else chunk = malloc(sizeof *chunk);
  if (chunk == NULL) fail("malloc");
  *chunk = (struct chunk){NULL, bytes, length, 0, (int32_t)buffer};
  if (c->first == NULL) c->first = chunk;
  else c->last->next = chunk;
  c->last = chunk;
  if (c->stuck) copy_out(c, chunk);
  else if (c->sending) busy = 1;
  else send_first(slot);
}

static void starve(uint32_t slot) {
  if (starved_count++ == 0) starved_first = slot;
  else clients[starved_last].next_starved = slot;
  starved_last = slot;
  clients[slot].starved = 1;
}

/* As many as there may be buffers for, or a crowd would try in vain at every turn. */
static void feed_starved(void) {
  uint32_t places = buffers.ready;
  for (; places > 0 && starved_count > 0; places--) {
    uint32_t slot = starved_first;
    starved_first = clients[slot].next_starved;
    starved_count--;
    clients[slot].starved = 0;
    proceed(slot);
  }
  /* The others once the sends under way have given their buffers back. */
  if (starved_count > 0) busy = 1;
}

static void on_receive(uint32_t slot, int result, unsigned flags) {
  struct client *c = &clients[slot];
  uint32_t length = result > 0 ? (uint32_t)result : 0;
  if (flags & IORING_CQE_F_BUFFER) {
    uint32_t id = flags >> IORING_CQE_BUFFER_SHIFT;
    uint8_t *bytes = buffer_hold(id, length, flags);
    if (length == 0 || c->broken) buffer_release(id);
    else on_bytes(slot, bytes, length, id);
  }
  if (flags & IORING_CQE_F_MORE && !c->broken) return;
  if (!(flags & IORING_CQE_F_MORE)) c->receiving = c->cancelling = 0;
  errno = -result;
  if (result == 0) c->ended = 1;
  else if (result == -ENOBUFS) starve(slot);
  else if (result == -EINVAL) fail("multishot receive");
  else if (result < 0 && result != -ECANCELED && result != -EINTR) c->broken = 1;
  proceed(slot);
}

static void on_room(uint32_t slot, int result, unsigned flags) {
  struct client *c = &clients[slot];
  if (!(flags & IORING_CQE_F_MORE)) c->watching = c->cancelling = 0;
  if (result < 0 && result != -ECANCELED) c->broken = 1;
  else if (result & (POLLOUT | POLLERR | POLLHUP)) c->stuck = 0;
  proceed(slot);
}

/* What it was for was about to end by itself, or could not be asked just then. */
static void on_cancel_failed(uint32_t slot) {
  clients[slot].cancelling = 0;
  if (clients[slot].receiving || clients[slot].watching) proceed(slot);
}

/* Either the table of files is full, and the kernel has closed what it had accepted; or the system
   has no file left: then the reserve takes one connection and turns it away. */
static void shed(void) {
  struct pollfd waiting = {.fd = listener, .events = POLLIN};
  close(reserve);
  if (poll(&waiting, 1, 0) == 1) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) close(fd);
  }
  reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_accept(int result, unsigned flags) {
  errno = -result;
  if (result >= 0) proceed((uint32_t)result);
  else if (result == -ENFILE || result == -EMFILE) shed();
  else if (result == -EBADF || result == -EINVAL || result == -ENOTSOCK) fail("accept");
  /* Anything else is the fate of one connection: ECONNABORTED, a network error. */
  if (!(flags & IORING_CQE_F_MORE)) arm_accept();
}

/* Of the first chunk `result` bytes have gone, and not all; or it is an error. */
static void on_short_send(uint32_t slot, int result) {
  struct client *c = &clients[slot];
  c->sending = 0;
  if (result > 0) c->first->sent += (uint32_t)result;
  if (result > 0 || result == -EAGAIN) c->stuck = 1;
  else c->broken = 1; /* EPIPE, ECONNRESET. */
  for (struct chunk *chunk = c->first; chunk != NULL; chunk = chunk->next) copy_out(c, chunk);
  proceed(slot);
}

/* The sends of the last turn: those that failed said so, the others are done. */
static void settle(void) {
  size_t count = event_count;
  for (size_t i = 0; i < count; i++) {
    uint32_t slot = (uint32_t)events[i].user_data;
    if (events[i].user_data >> 32 == SEND) on_short_send(slot, events[i].res);
  }
  uint32_t settled = unsettled_count;
  for (uint32_t i = 0; i < settled; i++) {
    struct client *c = &clients[unsettled[i]];
    if (!c->sending) continue;
    c->sending = 0;
    drop_first(c);
    if (c->first != NULL || !c->receiving) proceed(unsettled[i]);
  }
  unsettled_count -= settled;
  memmove(unsettled, unsettled + settled, unsettled_count * sizeof *unsettled);
}

static void deliver(void) {
  size_t count = event_count;
  for (size_t i = 0; i < count; i++) {
    uint32_t slot = (uint32_t)events[i].user_data;
    int result = events[i].res;
    unsigned flags = events[i].flags;
    enum operation operation = (enum operation)(events[i].user_data >> 32);
    if (operation == RECEIVE) on_receive(slot, result, flags);
    else if (operation == ACCEPT) on_accept(result, flags);
    else if (operation == WATCH) on_room(slot, result, flags);
    else if (operation == CANCEL) on_cancel_failed(slot);
    else if (operation == CLOSE) {
      errno = -result;
      fail("close");
    }
  }
  event_count -= count;
  memmove(events, events + count, event_count * sizeof *events);
  if (event_count > 0) busy = 1;
}

static void make_room(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("setrlimit");
  clients_max = limit.rlim_max < CLIENTS_MAX ? (uint32_t)limit.rlim_max : CLIENTS_MAX;
  clients = calloc(clients_max, sizeof *clients);
  /* Twice: while the sends of one turn are settled, those of the next are noted behind them. */
  unsettled = calloc(2 * (size_t)clients_max, sizeof *unsettled);
  if (clients == NULL || unsettled == NULL) fail("calloc");
}

static void listen_on(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  socklen_t length = sizeof address;
  int one = 1;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
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
  if (argc != 2) {
    fprintf(stderr, "usage: uring-echo PORT\n");
    return 2;
  }
  make_room();
  reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ring_open(clients_max);
  listen_on(atoi(argv[1]));
  arm_accept();
  for (;;) {
    ring_submit(busy ? 0 : 1, IORING_ENTER_GETEVENTS);
    busy = 0;
    ring_collect();
    settle();
    deliver();
    feed_starved();
  }
}
