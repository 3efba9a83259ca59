/*
 * An echo server on libuv, to stand beside epoll-echo.c: one loop, and one buffer for all clients.
 *
 *   libuv-echo PORT        listens on 127.0.0.1; PORT 0 takes a free one; prints "listening PORT"
 *   libuv-echo --version   prints the version of the library
 *
 * Bytes go out at once with uv_try_write. What the socket does not take is copied and queued, and
 * until it has gone that client is not read from. A client that ends its side gets the rest of its
 * echo first. Where descriptors run out, libuv turns clients away by itself. Ends on SIGTERM, by
 * the signal's default.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

enum { RECEIVE_BYTES = 65536, BACKLOG = 65535 };

static uv_loop_t loop;
static uv_tcp_t listener;
static char buffer[RECEIVE_BYTES];

/* What a socket did not take. The bytes follow. */
struct rest {
  uv_write_t request;
  char bytes[];
};

static void fail(const char *what, int status) {
  fprintf(stderr, "libuv-echo: %s: %s\n", what, uv_strerror(status));
  exit(1);
}

static void check(const char *what, int status) {
  if (status < 0) fail(what, status);
}

static void on_closed(uv_handle_t *client) {
  free(client);
}

static void drop(uv_stream_t *client) {
  if (!uv_is_closing((uv_handle_t *)client)) uv_close((uv_handle_t *)client, on_closed);
}

static void lend_buffer(uv_handle_t *client, size_t suggested, uv_buf_t *lent) {
  (void)client;
  (void)suggested;
  *lent = uv_buf_init(buffer, sizeof buffer);
}

static void on_read(uv_stream_t *client, ssize_t got, const uv_buf_t *from);

static void on_written(uv_write_t *request, int status) {
  uv_stream_t *client = request->handle;
  free(request);
  if (status < 0) drop(client); /* EPIPE, ECONNRESET; ECANCELED where it is being closed. */
  else check("uv_read_start", uv_read_start(client, lend_buffer, on_read));
}

static void queue_rest(uv_stream_t *client, const char *from, size_t length) {
  struct rest *rest = malloc(sizeof *rest + length);
  if (rest == NULL) return drop(client);
  memcpy(rest->bytes, from, length);
  uv_buf_t bytes = uv_buf_init(rest->bytes, (unsigned)length);
  uv_read_stop(client);
  check("uv_write", uv_write(&rest->request, client, &bytes, 1, on_written));
}

static void on_read(uv_stream_t *client, ssize_t got, const uv_buf_t *from) {
  if (got == 0) return; /* There was nothing after all: EAGAIN. */
  /* An end or an error. Nothing is queued here, or nothing would have been read. */
  if (got < 0) return drop(client);
  uv_buf_t bytes = uv_buf_init(from->base, (unsigned)got);
  int sent = uv_try_write(client, &bytes, 1);
  if (sent == got) return;
  if (sent == UV_EAGAIN) sent = 0;
  if (sent < 0) drop(client);
  else queue_rest(client, from->base + sent, (size_t)(got - sent));
}

static void on_connection(uv_stream_t *server, int status) {
  if (status < 0) return; /* The fate of one connection. */
  uv_tcp_t *client = malloc(sizeof *client);
  if (client == NULL) fail("malloc", UV_ENOMEM);
  check("uv_tcp_init", uv_tcp_init(&loop, client));
  if (uv_accept(server, (uv_stream_t *)client) != 0) return drop((uv_stream_t *)client);
  status = uv_read_start((uv_stream_t *)client, lend_buffer, on_read);
  if (status != 0) drop((uv_stream_t *)client);
}

static void make_room(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("getrlimit", uv_translate_sys_error(errno));
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("setrlimit", uv_translate_sys_error(errno));
}

static void listen_on(int port) {
  struct sockaddr_in address;
  int length = sizeof address;
  check("uv_ip4_addr", uv_ip4_addr("127.0.0.1", port, &address));
  check("uv_tcp_init", uv_tcp_init(&loop, &listener));
  check("uv_tcp_bind", uv_tcp_bind(&listener, (struct sockaddr *)&address, 0));
  /* Accepted sockets inherit it. */
  check("uv_tcp_nodelay", uv_tcp_nodelay(&listener, 1));
  check("uv_listen", uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection));
  check("uv_tcp_getsockname",
        uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &length));
  printf("listening %d\n", ntohs(address.sin_port));
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: libuv-echo PORT\n");
    return 2;
  }
  if (strcmp(argv[1], "--version") == 0) return puts(uv_version_string()) < 0;
  /* libuv sends without MSG_NOSIGNAL. */
  signal(SIGPIPE, SIG_IGN);
  make_room();
  check("uv_loop_init", uv_loop_init(&loop));
  listen_on(atoi(argv[1]));
  uv_run(&loop, UV_RUN_DEFAULT);
  return 1; /* The listener never closes. */
}
