/* mark WORD FILE: appends WORD and this program's own path to FILE. A file outside the sandbox shows what really ran there. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    int fd = argc == 3 ? open(argv[2], O_WRONLY | O_APPEND | O_CREAT, 0666) : -1;
    if (length < 0 || fd < 0)
        return 1;
    self[length] = '\0';
    return dprintf(fd, "%s %s\n", argv[1], self) < 0;
}
