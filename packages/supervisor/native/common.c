#define _GNU_SOURCE
#include "common.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void cleanup_fd(int *fd) {
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

int steal_fd(int *fd) {
    int stolen = *fd;
    *fd = -1;
    return stolen;
}

void (*before_dying)(void);

void die(const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length < 0)
        length = 0;
    size_t used = (size_t)length < sizeof line - 1 ? (size_t)length : sizeof line - 2;
    line[used++] = '\n';
    static const char prefix[] = "sallyport-broker: ";
    (void)!write(STDERR_FILENO, prefix, sizeof prefix - 1);
    (void)!write(STDERR_FILENO, line, used);
    void (*last_act)(void) = before_dying;
    before_dying = NULL; /* it may die too */
    if (last_act != NULL)
        last_act();
    _exit(EXIT_OWN_FAILURE);
}

void *allocate(size_t size) {
    void *memory = calloc(1, size);
    if (memory == NULL)
        die("out of memory for %zu bytes", size);
    return memory;
}

char *copy_text(const void *text, size_t length) {
    char *copy = allocate(length + 1);
    memcpy(copy, text, length);
    return copy;
}

ssize_t read_small_file(const char *path, char *text, size_t size) {
    CLEANUP_FD int fd = RETRY(open(path, O_RDONLY | O_CLOEXEC));
    if (fd < 0)
        return -1;
    size_t used = 0;
    while (used < size - 1) {
        ssize_t got = RETRY(read(fd, text + used, size - 1 - used));
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    text[used] = '\0';
    return (ssize_t)used;
}

bool write_small_file(const char *path, const char *text) {
    CLEANUP_FD int fd = RETRY(open(path, O_WRONLY | O_CLOEXEC));
    size_t length = strlen(text);
    return fd >= 0 && RETRY(write(fd, text, length)) == (ssize_t)length;
}

static uint64_t clock_ms(clockid_t clock) {
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t monotonic_ms(void) {
    return clock_ms(CLOCK_MONOTONIC);
}

uint64_t wall_clock_ms(void) {
    return clock_ms(CLOCK_REALTIME);
}
