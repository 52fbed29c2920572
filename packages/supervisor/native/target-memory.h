/* Reading the memory of a process that waits in execve. It is hostile: every length is bounded. */
#ifndef SALLYPORT_TARGET_MEMORY_H
#define SALLYPORT_TARGET_MEMORY_H

#include "buffer.h"

/* `native`: the kernel would refuse this call (bad address, too long); `errno` says with what.
 * `blind`: the memory may not be read (a non-dumpable process of an ordinary user); the exec must be refused. */
enum read_outcome { READ_OK, READ_NATIVE, READ_BLIND };

/* Starts the reading for one request: forgets what was read for another, and brings the pages of these addresses at once. */
void begin_target_memory(pid_t tid, const uint64_t *addresses, size_t count);

/* Reads a NUL-ended path of at most PATH_MAX bytes. */
enum read_outcome read_target_path(pid_t tid, uint64_t address, char *path, size_t size, size_t *length);

/* Reads a pointer vector and its strings. Each string is appended to `out`, as u32 length and bytes where `counted`, else
 * followed by a NUL. `budget` is what the kernel would still accept for argv and envp together. */
enum read_outcome read_target_vector(pid_t tid, uint64_t address, bool counted, struct buffer *out, uint32_t *count,
                                     size_t *budget);

#endif
