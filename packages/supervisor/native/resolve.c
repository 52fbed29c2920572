/* The walk is done by us and not by the kernel on the caller's behalf, so two things need care:
 *   - "/proc/self" means the reader. In a caller's path it has to mean the caller, in the caller's pid namespace.
 *   - an absolute symlink starts at the caller's root, not at ours.
 * openat2(RESOLVE_IN_ROOT) does the second; it refuses magic links, and then the walk below takes over. */
#define _GNU_SOURCE
#include "resolve.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { PROC_MAGIC = 0x9fa0, SYMLINK_LIMIT = 40, HEADER_LIMIT = 64 };

bool target_open(struct target *target, pid_t tid, pid_t tgid, int shared_root) {
    char path[64];
    target->tid = tid;
    target->tgid = tgid;
    target->root_fd = shared_root;
    target->owns_root = shared_root < 0;
    if (target->owns_root) {
        (void)snprintf(path, sizeof path, "/proc/%d/root", tid);
        target->root_fd = RETRY(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    (void)snprintf(path, sizeof path, "/proc/%d/cwd", tid);
    ssize_t length = readlink(path, target->cwd, sizeof target->cwd - 1);
    target->cwd[length < 0 ? 0 : length] = '\0';
    /* A name above PATH_MAX cannot be told, yet the folder is there: relative paths start at the folder itself. */
    return target->root_fd >= 0 && (length > 0 || errno == ENAMETOOLONG);
}

int target_cwd(struct target *target) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/cwd", target->tid);
    if (target->cwd_fd < 0)
        target->cwd_fd = RETRY(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
    return target->cwd_fd;
}

void target_close(struct target *target) {
    if (target->owns_root)
        cleanup_fd(&target->root_fd);
    cleanup_fd(&target->cwd_fd);
}

static int open_in_root(int root_fd, const char *path, uint64_t flags) {
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    return (int)RETRY(syscall(SYS_openat2, root_fd, path, &how, sizeof how));
}

int target_enter(struct target *target, const char *folder) {
    CLEANUP_FD int fd = open_in_root(target->root_fd, folder, O_PATH | O_DIRECTORY);
    if (fd < 0)
        return errno;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, target->cwd, sizeof target->cwd - 1);
    if (length <= 0)
        return length == 0 ? ENOENT : errno;
    target->cwd[length] = '\0';
    cleanup_fd(&target->cwd_fd);
    target->cwd_fd = steal_fd(&fd);
    return 0;
}

static bool on_proc(int fd) {
    struct statfs status;
    return fstatfs(fd, &status) == 0 && status.f_type == PROC_MAGIC;
}

/* The caller's id inside its own pid namespace: the last number of the NSpid line. */
static long inner_id(const struct target *target, bool thread) {
    char path[64], text[8192];
    (void)snprintf(path, sizeof path, "/proc/%d/status", thread ? target->tid : target->tgid);
    if (read_small_file(path, text, sizeof text) < 0)
        return -1;
    const char *line = strstr(text, "\nNSpid:");
    if (line == NULL)
        return target->tgid;
    const char *end = strchr(line + 1, '\n');
    while (end > line && end[-1] != '\t' && end[-1] != ' ')
        end--;
    return strtol(end, NULL, 10);
}

struct walk {
    const struct target *target;
    int at_fd; /* where we are */
    char rest[2 * PATH_MAX];
    int symlinks;
};

static int walk_to_root(struct walk *walk) {
    cleanup_fd(&walk->at_fd);
    walk->at_fd = RETRY(fcntl(walk->target->root_fd, F_DUPFD_CLOEXEC, 0));
    return walk->at_fd < 0 ? -1 : 0;
}

/* Puts the text of a symlink before what is left of the path. */
static int walk_push(struct walk *walk, const char *text) {
    char joined[2 * PATH_MAX];
    int length = snprintf(joined, sizeof joined, "%s/%s", text, walk->rest);
    if (length < 0 || (size_t)length >= sizeof walk->rest)
        return ENAMETOOLONG;
    memcpy(walk->rest, joined, (size_t)length + 1);
    return text[0] == '/' ? walk_to_root(walk) : 0;
}

static bool is_root(const struct walk *walk) {
    struct stat here, root;
    return fstat(walk->at_fd, &here) == 0 && fstat(walk->target->root_fd, &root) == 0 && here.st_dev == root.st_dev &&
           here.st_ino == root.st_ino;
}

static int walk_step(struct walk *walk, const char *name, bool last, bool follow) {
    if (strcmp(name, "..") == 0 && is_root(walk))
        return 0;
    bool proc = on_proc(walk->at_fd);
    char self[64];
    if (proc && (strcmp(name, "self") == 0 || strcmp(name, "thread-self") == 0)) {
        bool thread = name[0] == 't';
        long id = inner_id(walk->target, false), thread_id = inner_id(walk->target, thread);
        (void)snprintf(self, sizeof self, thread ? "%ld/task/%ld" : "%ld", id, thread_id);
        return walk_push(walk, self);
    }
    int next = RETRY(openat(walk->at_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (next < 0)
        return errno;
    struct stat status;
    if (fstat(next, &status) != 0) {
        cleanup_fd(&next);
        return -1;
    }
    if (!S_ISLNK(status.st_mode) || (last && !follow)) {
        cleanup_fd(&walk->at_fd);
        walk->at_fd = next;
        return 0;
    }
    cleanup_fd(&next);
    if (++walk->symlinks > SYMLINK_LIMIT)
        return ELOOP;
    if (proc && strcmp(name, "mounts") != 0 && strcmp(name, "net") != 0) {
        /* A magic link (exe, cwd, root, fd/N): only the kernel can follow it. */
        next = RETRY(openat(walk->at_fd, name, O_PATH | O_CLOEXEC));
        if (next < 0)
            return errno;
        cleanup_fd(&walk->at_fd);
        walk->at_fd = next;
        return 0;
    }
    char text[PATH_MAX];
    ssize_t length = readlinkat(walk->at_fd, name, text, sizeof text - 1);
    if (length < 0)
        return errno;
    text[length] = '\0';
    return walk_push(walk, text);
}

/* Follows `path` from `start_fd` component by component. The open file in `found`, and 0, an errno, or -1. */
static int walk_path(const struct target *target, int start_fd, const char *path, bool follow, int *found) {
    struct walk walk = {.target = target, .at_fd = -1};
    walk.at_fd = RETRY(fcntl(start_fd, F_DUPFD_CLOEXEC, 0));
    int error = walk.at_fd < 0 ? -1 : walk_push(&walk, path);
    while (error == 0) {
        const char *from = walk.rest + strspn(walk.rest, "/");
        if (*from == '\0')
            break;
        size_t length = strcspn(from, "/");
        if (length > NAME_MAX) {
            error = ENAMETOOLONG;
            break;
        }
        char name[NAME_MAX + 1];
        memcpy(name, from, length);
        name[length] = '\0';
        memmove(walk.rest, from + length, strlen(from + length) + 1);
        bool last = walk.rest[strspn(walk.rest, "/")] == '\0';
        error = walk_step(&walk, name, last, follow);
    }
    struct stat status;
    if (error == 0 && path[strlen(path) - 1] == '/' && fstat(walk.at_fd, &status) == 0 && !S_ISDIR(status.st_mode))
        error = ENOTDIR;
    if (error == 0)
        *found = steal_fd(&walk.at_fd);
    cleanup_fd(&walk.at_fd);
    return error;
}

static bool names_special_folder(const char *path) {
    return strstr(path, "/proc") != NULL || strstr(path, "/dev/fd") != NULL || strstr(path, "/dev/std") != NULL;
}

/* Opens (O_PATH) what `path` means to the caller. */
static int open_for_target(struct target *target, int directory_fd, const char *path, bool follow, int *found) {
    uint64_t flags = O_PATH | (follow ? 0U : O_NOFOLLOW);
    if (!names_special_folder(path)) {
        char joined[2 * PATH_MAX];
        const char *in_root = path;
        /* A relative path starts at the cwd, yet its absolute symlinks start at the root: join, then resolve in the root. */
        if (path[0] != '/' && directory_fd < 0 && target->cwd[0] == '/') {
            (void)snprintf(joined, sizeof joined, "%s/%s", target->cwd, path);
            in_root = joined;
        }
        if (in_root[0] == '/') {
            *found = open_in_root(target->root_fd, in_root, flags);
            if (*found >= 0)
                return 0;
            if (in_root == path && errno != ELOOP && errno != EAGAIN)
                return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -1 : errno;
        }
    }
    int start = path[0] == '/' ? target->root_fd : directory_fd >= 0 ? directory_fd : target_cwd(target);
    return start < 0 ? -1 : walk_path(target, start, path, follow, found);
}

/* 0, or what an exec would fail with because of the ELF interpreter; -1 as for resolve_chain. */
static int find_elf_interpreter(struct target *target, int read_fd, const Elf64_Ehdr *header) {
    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 || header->e_phnum > HEADER_LIMIT)
        return 0; /* the kernel judges such a header by itself */
    Elf64_Phdr headers[HEADER_LIMIT];
    size_t size = header->e_phnum * sizeof headers[0];
    if (RETRY(pread(read_fd, headers, size, (off_t)header->e_phoff)) != (ssize_t)size)
        return 0;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (headers[i].p_type != PT_INTERP)
            continue;
        char path[PATH_MAX];
        if (headers[i].p_filesz < 2 || headers[i].p_filesz > sizeof path ||
            RETRY(pread(read_fd, path, headers[i].p_filesz, (off_t)headers[i].p_offset)) !=
                (ssize_t)headers[i].p_filesz ||
            path[headers[i].p_filesz - 1] != '\0')
            return 0;
        CLEANUP_FD int fd = -1;
        if (path[0] == '\0')
            return ENOENT;
        return open_for_target(target, -1, path, true, &fd); /* a relative one starts at the caller's cwd */
    }
    return 0;
}

/* binfmt_misc formats run though they are neither ELF nor script; where none is registered, the kernel says ENOEXEC. */
static bool other_formats_registered(void) {
    static int known = -1;
    if (known < 0) {
        char text[64];
        known = access("/proc/sys/fs/binfmt_misc/status", F_OK) == 0 &&
                read_small_file("/proc/sys/fs/binfmt_misc/status", text, sizeof text) > 0 &&
                strncmp(text, "enabled", 7) == 0;
    }
    return known == 1;
}

static int classify_elf(struct target *target, struct exec_file *file, int read_fd) {
    Elf64_Ehdr header;
    memcpy(&header, file->head, sizeof header);
    file->kind = FILE_ELF;
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return ENOEXEC;
    if (file->head[EI_CLASS] == ELFCLASS32 && (header.e_machine == EM_386 || header.e_machine == EM_X86_64)) {
        file->foreign = true;
        return 0;
    }
    if (file->head[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64) {
        file->kind = FILE_OTHER;
        return other_formats_registered() ? 0 : ENOEXEC;
    }
    return find_elf_interpreter(target, read_fd, &header);
}

/* The `#!` line as fs/binfmt_script.c reads it: blanks around, one optional argument with inner blanks kept. */
static int classify_script(struct exec_file *file, size_t length) {
    char *line = file->head + 2;
    char *limit = file->head + length;
    char *end = memchr(line, '\n', (size_t)(limit - line));
    if (end == NULL) {
        /* A line longer than the kernel's buffer is taken only when the interpreter itself is known to end in it. */
        char *from = line + strspn(line, " \t");
        if (length == SCRIPT_HEAD && from + strcspn(from, " \t") >= limit)
            return ENOEXEC;
        end = length == SCRIPT_HEAD ? limit - 1 : limit;
    }
    while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = '\0';
    line += strspn(line, " \t");
    if (*line == '\0')
        return ENOEXEC;
    file->kind = FILE_SCRIPT;
    file->interpreter = line;
    char *blank = line + strcspn(line, " \t");
    if (*blank != '\0') {
        *blank++ = '\0';
        blank += strspn(blank, " \t");
        file->argument = *blank != '\0' ? blank : NULL;
    }
    return 0;
}

static uid_t own_user(void) {
    static uid_t user;
    static bool known;
    if (!known)
        user = geteuid();
    known = true;
    return user;
}

/* Programs that were found good before, told by what changes with every write, chmod and replacement. A loop that runs the
 * same program again and again must not read it again and again. */
struct known_program {
    dev_t device;
    ino_t inode;
    struct timespec changed;
};

enum { KNOWN_LIMIT = 256 };
static struct known_program known_programs[KNOWN_LIMIT];

static struct known_program identity_of(const struct stat *status) {
    return (struct known_program){status->st_dev, status->st_ino, status->st_ctim};
}

static bool is_known_program(const struct stat *status) {
    const struct known_program *known = &known_programs[status->st_ino % KNOWN_LIMIT];
    struct known_program identity = identity_of(status);
    return known->inode == identity.inode && known->device == identity.device &&
           known->changed.tv_sec == identity.changed.tv_sec && known->changed.tv_nsec == identity.changed.tv_nsec;
}

/* A file that was changed a moment ago may be changed again within the same tick of its clock. */
static void remember_program(const struct stat *status) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) == 0 && now.tv_sec - status->st_ctim.tv_sec > 2)
        known_programs[status->st_ino % KNOWN_LIMIT] = identity_of(status);
}

/* Judges an opened file as execve would before it commits. */
static int classify(struct target *target, struct exec_file *file) {
    if (fstat(file->path_fd, &file->status) != 0)
        return -1;
    file->kind = FILE_ELF;
    if (is_known_program(&file->status))
        return 0;
    if (S_ISLNK(file->status.st_mode))
        return ELOOP; /* named with AT_SYMLINK_NOFOLLOW */
    if (!S_ISREG(file->status.st_mode) || (file->status.st_mode & 0111) == 0)
        return EACCES;
    if (own_user() != 0 && syscall(SYS_faccessat2, file->path_fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS) != 0)
        return EACCES;
    struct statvfs mount;
    if (fstatvfs(file->path_fd, &mount) == 0 && (mount.f_flag & ST_NOEXEC) != 0)
        return EACCES;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file->path_fd);
    CLEANUP_FD int read_fd = RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (read_fd < 0)
        return errno == EACCES ? 0 : -1; /* executable but not readable: an ELF program as far as can be told */
    ssize_t length = RETRY(pread(read_fd, file->head, sizeof file->head - 1, 0));
    if (length < 0)
        return -1;
    file->head[length] = '\0';
    if (length >= 2 && file->head[0] == '#' && file->head[1] == '!')
        return classify_script(file, (size_t)length);
    if (length >= (ssize_t)sizeof(Elf64_Ehdr) && memcmp(file->head, ELFMAG, SELFMAG) == 0) {
        int error = classify_elf(target, file, read_fd);
        if (error == 0 && file->kind == FILE_ELF && !file->foreign)
            remember_program(&file->status);
        return error;
    }
    file->kind = FILE_OTHER;
    return other_formats_registered() ? 0 : ENOEXEC;
}

/* Adds `path_fd` (taken) and the interpreters that its `#!` lines name. */
static int extend_chain(struct target *target, int path_fd, struct exec_chain *chain) {
    for (;;) {
        struct exec_file *file = &chain->files[chain->count++];
        *file = (struct exec_file){.path_fd = path_fd};
        int error = classify(target, file);
        if (error != 0 || file->kind != FILE_SCRIPT)
            return error;
        if (chain->count == CHAIN_LIMIT)
            return ELOOP;
        error = open_for_target(target, -1, file->interpreter, true, &path_fd);
        if (error != 0)
            return error;
    }
}

int resolve_chain(struct target *target, int directory_fd, const char *path, bool follow, struct exec_chain *chain) {
    chain->count = 0;
    if (path[0] == '\0')
        return ENOENT;
    int path_fd = -1;
    int error = open_for_target(target, directory_fd, path, follow, &path_fd);
    return error != 0 ? error : extend_chain(target, path_fd, chain);
}

int resolve_open_file(struct target *target, int path_fd, struct exec_chain *chain) {
    chain->count = 0;
    return extend_chain(target, path_fd, chain);
}

void chain_close(struct exec_chain *chain) {
    for (uint32_t i = 0; i < chain->count; i++)
        cleanup_fd(&chain->files[i].path_fd);
    chain->count = 0;
}

static uint64_t nanoseconds(struct timespec time) {
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

static int own_descriptors(void) {
    static int fd = -1;
    if (fd < 0)
        fd = RETRY(open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return fd;
}

void chain_append(const struct exec_chain *chain, struct buffer *out) {
    buffer_u32(out, chain->count);
    for (uint32_t i = 0; i < chain->count; i++) {
        const struct exec_file *file = &chain->files[i];
        char number[16], path[PATH_MAX];
        (void)snprintf(number, sizeof number, "%d", file->path_fd);
        ssize_t length = readlinkat(own_descriptors(), number, path, sizeof path);
        buffer_string(out, path, length < 0 ? 0 : (size_t)length);
        buffer_u64(out, file->status.st_dev);
        buffer_u64(out, file->status.st_ino);
        buffer_u64(out, (uint64_t)file->status.st_size);
        buffer_u64(out, nanoseconds(file->status.st_mtim));
        buffer_u64(out, nanoseconds(file->status.st_ctim));
        buffer_u32(out, file->status.st_mode);
        buffer_u32(out, file->status.st_uid);
        buffer_u32(out, (uint32_t)file->status.st_nlink);
        buffer_u8(out, (uint8_t)file->kind);
        buffer_u8(out, file->foreign);
        buffer_u8(out, (uint8_t)((file->interpreter != NULL ? 1 : 0) | (file->argument != NULL ? 2 : 0)));
        if (file->interpreter != NULL)
            buffer_string(out, file->interpreter, strlen(file->interpreter));
        if (file->argument != NULL)
            buffer_string(out, file->argument, strlen(file->argument));
    }
}

void chain_append_descriptors(const struct exec_chain *chain, struct buffer *out) {
    for (uint32_t i = 0; i < chain->count; i++)
        buffer_i32(out, chain->files[i].path_fd);
}
