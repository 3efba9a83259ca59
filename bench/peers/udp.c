// A sender and a receiver of datagrams, for bench/udp.ts: what the kernel costs without any loop.
//
//   udp recv MODE SIZE                prints `listening PORT CONTROL`, receives until it is killed
//   udp send MODE SIZE PORT CONTROL   for each line `N` of standard input sends N datagrams, then prints
//                               `sent N received M`
//
// MODE is `one` (send, recv), `batch` (sendmmsg, recvmmsg of 64), `gso` (UDP_SEGMENT, UDP_GRO) or
// `echo` (one datagram under way at a time, which comes back).
//
// The sender sends bursts of at most 64, or 200 kB in `gso`, which the queue of the receiver holds,
// and says so on a
// second socket; the receiver then takes what there is, and says how many it has got. So nothing is
// lost, a receive of many finds many, and nobody is woken for each datagram.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { BATCH = 64, BURST = 64, GSO_BURST = 1024, GSO_BURST_BYTES = 200000, BYTES_MAX = 65507, QUEUE_BYTES = 212992 };

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int open_socket(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int bytes = QUEUE_BYTES;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (fd < 0) fail("socket");
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) < 0) fail("SO_RCVBUF");
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) < 0) fail("SO_SNDBUF");
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  return fd;
}

static char control[BATCH][64];
static struct mmsghdr messages[BATCH];
static struct iovec iovecs[BATCH];
static struct sockaddr_in names[BATCH];
static char *buffers;

static void prepare(size_t room, int names_too) {
  buffers = calloc(BATCH, room);
  for (int i = 0; i < BATCH; i++) {
    iovecs[i] = (struct iovec){buffers + i * room, room};
    messages[i].msg_hdr.msg_iov = &iovecs[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    if (names_too) {
      messages[i].msg_hdr.msg_name = &names[i];
      messages[i].msg_hdr.msg_namelen = sizeof names[i];
    }
  }
}

// The receiver.

static uint32_t total;

static int nothing_left(void) {
  return errno == EAGAIN || errno == EWOULDBLOCK;
}

static void receive_one(int fd) {
  static char buffer[BYTES_MAX];
  for (;;) {
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    struct sockaddr *name = (struct sockaddr *)&from;
    ssize_t got = recvfrom(fd, buffer, sizeof buffer, MSG_DONTWAIT, name, &length);
    if (got < 0 && nothing_left()) return;
    if (got < 0) fail("recvfrom");
    total += 1;
  }
}

static void receive_batches(int fd) {
  for (;;) {
    int got = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
    if (got < 0 && nothing_left()) return;
    if (got < 0) fail("recvmmsg");
    total += got;
    for (int i = 0; i < got; i++) messages[i].msg_hdr.msg_namelen = sizeof names[i];
    // A call that comes back with less has found the end of the queue.
    if (got < BATCH) return;
  }
}

static void receive_gro(int fd) {
  static char buffer[65536];
  for (;;) {
    struct sockaddr_in from;
    struct iovec iovec = {buffer, sizeof buffer};
    struct msghdr message = {&from, sizeof from, &iovec, 1, control[0], sizeof control[0], 0};
    ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
    if (got < 0 && nothing_left()) return;
    if (got < 0) fail("recvmsg");
    int segment = got > 0 ? got : 1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
        memcpy(&segment, CMSG_DATA(c), sizeof segment);
      }
    }
    total += (got + segment - 1) / segment;
  }
}

static void echo_all(int fd) {
  static char buffer[BYTES_MAX];
  for (;;) {
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    struct sockaddr *name = (struct sockaddr *)&from;
    ssize_t got = recvfrom(fd, buffer, sizeof buffer, 0, name, &length);
    if (got < 0) fail("recvfrom");
    if (sendto(fd, buffer, got, 0, name, length) < 0) fail("sendto");
  }
}

static void receive_all(int fd, int control_fd, const char *mode) {
  int on = 1;
  if (strcmp(mode, "echo") == 0) echo_all(fd);
  if (strcmp(mode, "batch") == 0) prepare(BYTES_MAX, 1);
  if (strcmp(mode, "gso") == 0 && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) < 0) {
    fail("UDP_GRO");
  }
  for (;;) {
    uint32_t burst;
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    struct sockaddr *name = (struct sockaddr *)&from;
    if (recvfrom(control_fd, &burst, sizeof burst, 0, name, &length) < 0) fail("recvfrom");
    if (strcmp(mode, "one") == 0) receive_one(fd);
    else if (strcmp(mode, "batch") == 0) receive_batches(fd);
    else receive_gro(fd);
    if (sendto(control_fd, &total, sizeof total, 0, name, length) < 0) fail("sendto");
  }
}

// The sender.

static void send_one_by_one(int fd, int size, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) if (send(fd, buffers, size, 0) < 0) fail("send");
}

static void send_batches(int fd, uint32_t count) {
  while (count > 0) {
    int made = sendmmsg(fd, messages, count < BATCH ? count : BATCH, 0);
    if (made < 0) fail("sendmmsg");
    count -= made;
  }
}

static void send_segments(int fd, int size, uint32_t count) {
  uint32_t most = BYTES_MAX / size < BATCH ? BYTES_MAX / size : BATCH;
  while (count > 0) {
    uint32_t segments = count < most ? count : most;
    struct iovec iovec = {buffers, (size_t)size * segments};
    struct msghdr message = {NULL, 0, &iovec, 1, control[0], CMSG_SPACE(2), 0};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    uint16_t segment = size;
    *header = (struct cmsghdr){CMSG_LEN(sizeof segment), IPPROTO_UDP, UDP_SEGMENT};
    memcpy(CMSG_DATA(header), &segment, sizeof segment);
    if (sendmsg(fd, &message, 0) < 0) fail("sendmsg");
    count -= segments;
  }
}

static void echo(int fd, int size, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (send(fd, buffers, size, 0) < 0) fail("send");
    if (recv(fd, buffers, size, 0) < 0) fail("recv");
  }
}

/** Says how large a burst was, and hears how many datagrams have come in all. */
static uint32_t told(int control_fd, uint32_t burst) {
  uint32_t received;
  if (send(control_fd, &burst, sizeof burst, 0) < 0) fail("send");
  if (recv(control_fd, &received, sizeof received, 0) != sizeof received) fail("recv");
  return received;
}

/** How many the queue of the receiver holds; joined they take less of it. */
static uint32_t burst_of(const char *mode, int size) {
  if (strcmp(mode, "gso") != 0) return BURST;
  return size * GSO_BURST < GSO_BURST_BYTES ? GSO_BURST : GSO_BURST_BYTES / size;
}

static void send_all(int fd, int control_fd, const char *mode, int size) {
  uint32_t received = 0;
  prepare(strcmp(mode, "gso") == 0 ? BYTES_MAX : size, 0);
  for (unsigned wanted; scanf("%u", &wanted) == 1;) {
    uint32_t before = received;
    if (strcmp(mode, "echo") == 0) {
      echo(fd, size, wanted);
      received += wanted;
    } else {
      for (uint32_t left = wanted; left > 0;) {
        uint32_t most = burst_of(mode, size);
        uint32_t burst = left < most ? left : most;
        if (strcmp(mode, "one") == 0) send_one_by_one(fd, size, burst);
        else if (strcmp(mode, "batch") == 0) send_batches(fd, burst);
        else send_segments(fd, size, burst);
        received = told(control_fd, burst);
        left -= burst;
      }
    }
    printf("sent %u received %u\n", wanted, received - before);
    fflush(stdout);
  }
}

static void connect_to(int fd, const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
}

static int port_of(int fd) {
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &length) < 0) fail("getsockname");
  return ntohs(address.sin_port);
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int fd = open_socket();
  int control_fd = open_socket();
  if (strcmp(argv[1], "send") == 0 && argc == 6) {
    connect_to(fd, argv[4]);
    connect_to(control_fd, argv[5]);
    send_all(fd, control_fd, argv[2], atoi(argv[3]));
    return 0;
  }
  printf("listening %d %d\n", port_of(fd), port_of(control_fd));
  fflush(stdout);
  receive_all(fd, control_fd, argv[2]);
}
