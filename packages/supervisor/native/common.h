/* What every part of the broker shares. Linux, C17, libc only. */
#ifndef SALLYPORT_COMMON_H
#define SALLYPORT_COMMON_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifndef __x86_64__
#error "The broker knows the x86-64 register layout only"
#endif

/* Exit status of Sallyport's own failures; programs that it runs never get it from us. */
enum { EXIT_OWN_FAILURE = 125 };

/* A system call number that no kernel has. The stand-in's first act; the filter reports it and the broker answers with
 * the stand-in's socket, so that the stand-in needs no environment variable, no agreed descriptor and no path. */
enum { MAGIC_SYSCALL = 23057 };

/* The longest string and the largest argv + envp that the kernel takes (fs/exec.c): MAX_ARG_STRLEN, 3/4 of _STK_LIM. */
enum { MAX_STRING = 131072, MAX_VECTORS = 6 * 1024 * 1024 };

#define RETRY(call)                                                                                                    \
    __extension__({                                                                                                    \
        __typeof__(call) retry_result_;                                                                                \
        do                                                                                                             \
            retry_result_ = (call);                                                                                    \
        while (retry_result_ == -1 && errno == EINTR);                                                                 \
        retry_result_;                                                                                                 \
    })

#define CLEANUP_FD __attribute__((cleanup(cleanup_fd)))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void cleanup_fd(int *fd);
int steal_fd(int *fd);

/* Called by die() before it ends the process; NULL: nothing. */
extern void (*before_dying)(void);
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *allocate(size_t size);
char *copy_text(const void *text, size_t length);
/* Reads a whole small file, such as one below /proc, into `text` and ends it with a NUL; the length, or -1. */
ssize_t read_small_file(const char *path, char *text, size_t size);
bool write_small_file(const char *path, const char *text);
uint64_t monotonic_ms(void);
uint64_t wall_clock_ms(void);

#endif
