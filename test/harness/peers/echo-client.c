/* A plain blocking client: standard input goes out, what comes back goes to standard output. Two
 * processes, because one that only sends would wait for ever for a server that only answers.
 * Usage: echo-client PORT */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int result, const char *what) {
  if (result >= 0) return;
  perror(what);
  exit(1);
}

static void copy(int from, int to) {
  char buffer[4096];
  for (;;) {
    ssize_t length = read(from, buffer, sizeof buffer);
    check((int)length, "read");
    if (length == 0) return;
    for (ssize_t done = 0; done < length;) {
      ssize_t step = write(to, buffer + done, (size_t)(length - done));
      check((int)step, "write");
      done += step;
    }
  }
}

int main(int count, char **words) {
  if (count != 2) return 2;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  check(fd, "socket");
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((in_port_t)atoi(words[1]))};
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(connect(fd, (struct sockaddr *)&name, sizeof name), "connect");
  pid_t sender = fork();
  check(sender, "fork");
  if (sender == 0) {
    copy(STDIN_FILENO, fd);
    check(shutdown(fd, SHUT_WR), "shutdown");
    return 0;
  }
  copy(fd, STDOUT_FILENO);
  int status = 0;
  check(waitpid(sender, &status, 0), "waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
