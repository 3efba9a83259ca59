/* A plain blocking echo server: one client after the other, bytes back until the client ends.
 * Prints the port it got. Usage: echo-server */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void check(int result, const char *what) {
  if (result >= 0) return;
  perror(what);
  exit(1);
}

static void echo(int client) {
  char buffer[4096];
  for (;;) {
    ssize_t length = recv(client, buffer, sizeof buffer, 0);
    if (length <= 0) return;
    for (ssize_t sent = 0; sent < length;) {
      ssize_t step = send(client, buffer + sent, (size_t)(length - sent), 0);
      if (step < 0) return;
      sent += step;
    }
  }
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  check(listener, "socket");
  struct sockaddr_in name = {.sin_family = AF_INET};
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(bind(listener, (struct sockaddr *)&name, sizeof name), "bind");
  check(listen(listener, 5), "listen");
  socklen_t length = sizeof name;
  check(getsockname(listener, (struct sockaddr *)&name, &length), "getsockname");
  printf("port %d\n", ntohs(name.sin_port));
  fflush(stdout);
  for (;;) {
    int client = accept(listener, NULL, NULL);
    check(client, "accept");
    echo(client);
    close(client);
  }
}
