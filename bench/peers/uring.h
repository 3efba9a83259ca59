/*
 * The ring of uring-echo.c: its memory, its buffers, and how completions are taken. By the bare
 * system calls, with every setting that makes it cheaper where the kernel has it: Linux 6.0 at
 * least.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers of Linux 6.1. */
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16) /* Linux 6.6 */
#endif
#ifndef IORING_CQE_F_BUF_MORE
#define IORING_CQE_F_BUF_MORE (1U << 4) /* Linux 6.12, as the next */
#define IOU_PBUF_RING_INC 2
#endif

enum {
  SQ_ENTRIES = 4096,
  CQ_ENTRIES = 16384,
  /* Where a buffer is filled piece by piece, one receive takes all that there is; only what lies
     across the end of a buffer takes two, so few large ones are better than many small ones: 6 % at
     16 KiB a message. And all of them together should stay in the caches. */
  PIECEMEAL_COUNT = 2,
  PIECEMEAL_BYTES = 1048576,
  /* Before Linux 6.12 every receive takes a whole buffer. Their beginnings lie a cache line further
     each, or all of them would fall into the same few sets of the cache. */
  WHOLE_COUNT = 256,
  WHOLE_BYTES = 65536,
  CACHE_LINE_BYTES = 64,
};

struct buffer {
  uint32_t filled;
  uint32_t holders;
  int used_up; /* the kernel has let go of it: it goes back when nobody holds it */
};

static struct {
  int fd;
  unsigned enter_flags, *sq_tail, *sq_flags, *cq_head, *cq_tail;
  unsigned tail, submitted, sq_entries, cq_entries;
  struct io_uring_sqe *sqes;
  struct io_uring_cqe *cqes;
} ring;

static struct {
  struct io_uring_buf_ring *ring;
  uint8_t *bytes;
  struct buffer of[WHOLE_COUNT];
  uint32_t count, size, stride;
  uint32_t ready; /* in the kernel's hands, and not used up */
  uint16_t tail;
} buffers;

/* The completions that were taken, to be dealt with. */
static struct io_uring_cqe *events;
static size_t event_count, event_room;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static long ring_enter(unsigned count, unsigned wait, unsigned flags) {
  return syscall(__NR_io_uring_enter, ring.fd, count, wait, flags | ring.enter_flags, NULL, 0);
}

/* Takes all completions. What had no room in the ring comes as soon as there is some. */
static void ring_collect(void) {
  for (;;) {
    unsigned head = *ring.cq_head;
    unsigned tail = atomic_load_explicit((_Atomic unsigned *)ring.cq_tail, memory_order_acquire);
    if (event_count + (tail - head) > event_room) {
      event_room = event_count + ring.cq_entries;
      events = realloc(events, event_room * sizeof *events);
      if (events == NULL) fail("realloc");
    }
    while (head != tail) events[event_count++] = ring.cqes[head++ & (ring.cq_entries - 1)];
    atomic_store_explicit((_Atomic unsigned *)ring.cq_head, head, memory_order_release);
    unsigned flags = atomic_load_explicit((_Atomic unsigned *)ring.sq_flags, memory_order_relaxed);
    if (!(flags & IORING_SQ_CQ_OVERFLOW)) return;
    if (ring_enter(0, 0, IORING_ENTER_GETEVENTS) < 0 && errno != EINTR) fail("io_uring_enter");
  }
}

/* Hands all that is prepared to the kernel, and waits for `wait` completions. */
static void ring_submit(unsigned wait, unsigned flags) {
  atomic_store_explicit((_Atomic unsigned *)ring.sq_tail, ring.tail, memory_order_release);
  for (;;) {
    long taken = ring_enter(ring.tail - ring.submitted, wait, flags);
    if (taken > 0) ring.submitted += (unsigned)taken;
    if (taken < 0 && errno != EINTR && errno != EAGAIN && errno != EBUSY) fail("io_uring_enter");
    if (taken < 0 && errno != EINTR) {
      /* No memory, or no room for completions: something has to be finished first. */
      ring_collect();
      poll(NULL, 0, 1);
      wait = 0;
    } else if (ring.submitted == ring.tail) {
      return;
    }
  }
}

static struct io_uring_sqe *ring_prepare(int opcode, int fd, uint64_t user_data) {
  if (ring.tail - ring.submitted == ring.sq_entries) ring_submit(0, 0);
  struct io_uring_sqe *sqe = &ring.sqes[ring.tail++ & (ring.sq_entries - 1)];
  memset(sqe, 0, sizeof *sqe);
  sqe->opcode = (uint8_t)opcode;
  sqe->fd = fd;
  sqe->user_data = user_data;
  return sqe;
}

static void buffer_provide(uint32_t id) {
  struct io_uring_buf *entry = &buffers.ring->bufs[buffers.tail++ & (buffers.count - 1)];
  buffers.of[id] = (struct buffer){0};
  entry->addr = (uintptr_t)(buffers.bytes + (size_t)id * buffers.stride);
  entry->len = buffers.size;
  entry->bid = (uint16_t)id;
  buffers.ready++;
  atomic_store_explicit((_Atomic uint16_t *)&buffers.ring->tail, buffers.tail,
                        memory_order_release);
}

/* Where the kernel has put `length` bytes, by the flags of the completion; to be released. */
static uint8_t *buffer_hold(uint32_t id, uint32_t length, unsigned flags) {
  struct buffer *b = &buffers.of[id];
  uint8_t *bytes = buffers.bytes + (size_t)id * buffers.stride + b->filled;
  b->filled += length;
  b->holders++;
  if (!(flags & IORING_CQE_F_BUF_MORE)) {
    b->used_up = 1;
    buffers.ready--;
  }
  return bytes;
}

static void buffer_release(uint32_t id) {
  if (--buffers.of[id].holders == 0 && buffers.of[id].used_up) buffer_provide(id);
}

static void *map(size_t bytes, int flags, int fd, off_t offset) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, offset);
  if (memory == MAP_FAILED) fail("mmap");
  return memory;
}

static long ring_register(int fd, unsigned opcode, void *argument, unsigned count) {
  return syscall(__NR_io_uring_register, fd, opcode, argument, count);
}

static int ring_create(struct io_uring_params *params) {
  /* Best first: work of the kernel's own is done when we ask for events, and at no other time. */
  static const unsigned choices[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_NO_SQARRAY,
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    IORING_SETUP_COOP_TASKRUN,
  };
  for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
    memset(params, 0, sizeof *params);
    params->flags = choices[i] | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    params->cq_entries = CQ_ENTRIES;
    int fd = (int)syscall(__NR_io_uring_setup, SQ_ENTRIES, params);
    if (fd >= 0) return fd;
    if (errno != EINVAL) break;
  }
  fail("io_uring_setup");
  return -1;
}

static void ring_map(int fd, const struct io_uring_params *params) {
  size_t cq_bytes = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
  size_t sq_bytes = params->sq_off.array + params->sq_entries * sizeof(unsigned);
  size_t sqe_bytes = params->sq_entries * sizeof(struct io_uring_sqe);
  int flags = MAP_SHARED | MAP_POPULATE;
  uint8_t *memory = map(cq_bytes > sq_bytes ? cq_bytes : sq_bytes, flags, fd, IORING_OFF_SQ_RING);
  ring.sqes = map(sqe_bytes, flags, fd, IORING_OFF_SQES);
  ring.sq_tail = (unsigned *)(memory + params->sq_off.tail);
  ring.sq_flags = (unsigned *)(memory + params->sq_off.flags);
  ring.cq_head = (unsigned *)(memory + params->cq_off.head);
  ring.cq_tail = (unsigned *)(memory + params->cq_off.tail);
  ring.cqes = (struct io_uring_cqe *)(memory + params->cq_off.cqes);
  ring.sq_entries = params->sq_entries;
  ring.cq_entries = params->cq_entries;
  if (params->flags & IORING_SETUP_NO_SQARRAY) return;
  unsigned *order = (unsigned *)(memory + params->sq_off.array);
  for (unsigned i = 0; i < params->sq_entries; i++) order[i] = i;
}

static void buffers_create(int fd) {
  /* As io_uring_buf_reg, whose flags have no name in older headers. */
  struct {
    uint64_t ring_addr;
    uint32_t ring_entries;
    uint16_t bgid, flags;
    uint64_t resv[3];
  } request = {.ring_entries = PIECEMEAL_COUNT, .flags = IOU_PBUF_RING_INC};
  size_t ring_bytes = WHOLE_COUNT * sizeof(struct io_uring_buf);
  buffers.ring = map(ring_bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  request.ring_addr = (uintptr_t)buffers.ring;
  buffers.size = buffers.stride = PIECEMEAL_BYTES;
  if (ring_register(fd, IORING_REGISTER_PBUF_RING, &request, 1) != 0) {
    request.ring_entries = WHOLE_COUNT;
    request.flags = 0;
    buffers.size = WHOLE_BYTES;
    buffers.stride = WHOLE_BYTES + CACHE_LINE_BYTES;
    if (ring_register(fd, IORING_REGISTER_PBUF_RING, &request, 1) != 0) fail("register buffers");
  }
  buffers.count = request.ring_entries;
  buffers.bytes = map((size_t)buffers.count * buffers.stride, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (uint32_t id = 0; id < buffers.count; id++) buffer_provide(id);
}

/* A ring, its buffers as group 0, and a table for `files_max` files, all empty. */
static void ring_open(uint32_t files_max) {
  struct io_uring_params params;
  struct io_uring_rsrc_register files = {.nr = files_max, .flags = IORING_RSRC_REGISTER_SPARSE};
  int fd = ring_create(&params);
  struct io_uring_rsrc_update self = {.offset = -1U, .data = (uint64_t)fd};
  ring_map(fd, &params);
  if (ring_register(fd, IORING_REGISTER_FILES2, &files, sizeof files) != 0) fail("register files");
  buffers_create(fd);
  ring.fd = fd;
  if (ring_register(fd, IORING_REGISTER_RING_FDS, &self, 1) != 1) return;
  ring.fd = (int)self.offset;
  ring.enter_flags = IORING_ENTER_REGISTERED_RING;
}
