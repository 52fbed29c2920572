/* connect-to PATH...: tries to connect to each unix socket; a path that begins with @ is an abstract name. One line each. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        size_t length = strlen(argv[i]);
        if (length >= sizeof address.sun_path)
            return 1;
        memcpy(address.sun_path, argv[i], length);
        if (argv[i][0] == '@')
            address.sun_path[0] = '\0';
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
        int result = fd < 0 ? fd : connect(fd, (struct sockaddr *)&address, size);
        printf("%s %s\n", argv[i], result == 0 ? "connected" : "refused");
        close(fd);
    }
    return 0;
}
