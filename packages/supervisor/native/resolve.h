/* Finds the file that an exec names, in the caller's own root, and its `#!` interpreters; opens each once. */
#ifndef SALLYPORT_RESOLVE_H
#define SALLYPORT_RESOLVE_H

#include "buffer.h"

#include <sys/stat.h>

enum { CHAIN_LIMIT = 6, SCRIPT_HEAD = 256 /* what the kernel reads */, HEAD_BYTES = SCRIPT_HEAD + 1 };

enum file_kind { FILE_ELF = 0, FILE_SCRIPT = 1, FILE_OTHER = 2 };

struct exec_file {
    int path_fd; /* O_PATH; opening it anew by its number gives this very file */
    struct stat status;
    enum file_kind kind;
    bool foreign;
    char head[HEAD_BYTES];
    const char *interpreter; /* into head, after #! */
    const char *argument;    /* into head, or NULL */
};

struct exec_chain {
    uint32_t count;
    struct exec_file files[CHAIN_LIMIT];
};

struct target {
    pid_t tid;
    pid_t tgid;
    int root_fd;
    bool owns_root;
    int cwd_fd; /* -1 until it is wanted */
    char cwd[4096];
};

/* Finds root and cwd of a waiting process. `shared_root` is the root of everything that cannot change it, or -1. False when
 * the process is gone. */
bool target_open(struct target *target, pid_t tid, pid_t tgid, int shared_root);
/* The cwd itself, opened when it is first wanted; -1 when it is gone. */
int target_cwd(struct target *target);
void target_close(struct target *target);
/* Takes `folder`, absolute in the target's root, for its cwd. 0, or the errno. */
int target_enter(struct target *target, const char *folder);

/* Resolves `path` as `target` would. 0, or the errno that execve would give (then the call is the kernel's to refuse), or
 * -1 when the broker itself cannot tell (fail closed). `directory_fd` is execveat's directory or -1 for the cwd. */
int resolve_chain(struct target *target, int directory_fd, const char *path, bool follow, struct exec_chain *chain);
/* The same for a file that is already open, as execveat with AT_EMPTY_PATH names it; takes the descriptor. */
int resolve_open_file(struct target *target, int path_fd, struct exec_chain *chain);
void chain_close(struct exec_chain *chain);
/* What Node judges by, without our descriptors: the same bytes for the same files. */
void chain_append(const struct exec_chain *chain, struct buffer *out);
void chain_append_descriptors(const struct exec_chain *chain, struct buffer *out);

#endif
