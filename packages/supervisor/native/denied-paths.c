/* The attack: `mv secret aside`, by a program that a rule carries outside, and then `cat aside/key` by another. Or a second name
 * for the file, beside the first. So whatever is found under a denied path is held open and asked for its name each time: nothing
 * inside can have moved it before the first program goes outside, since its folders are pinned there (packages/sandbox/src/mounts.ts),
 * and an inode that is held is not given to another file. */
#define _GNU_SOURCE
#include "denied-paths.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELD_LIMIT = 4096, NAME_TRIES = 8 };

struct held {
    int fd;
    dev_t device;
    ino_t inode;
};

static struct held held[HELD_LIMIT];
static size_t held_count;

bool is_denied(const struct stat *status) {
    for (size_t i = 0; i < held_count; i++)
        if (held[i].device == status->st_dev && held[i].inode == status->st_ino)
            return true;
    return false;
}

/* What is not there yet is held when it is seen for the first time. False fails closed. */
static bool hold(const char *path) {
    CLEANUP_FD int fd = RETRY(open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat status;
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP;
    if (fstat(fd, &status) != 0)
        return false;
    if (is_denied(&status))
        return true;
    if (held_count == HELD_LIMIT)
        return false;
    held[held_count++] = (struct held){steal_fd(&fd), status.st_dev, status.st_ino};
    return true;
}

/* The name it has now; "" where it has none any more, NULL where it is moved faster than it can be looked at. */
static char *name_of(const struct held *denied) {
    char link[32], name[PATH_MAX];
    struct stat status;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", denied->fd);
    for (int i = 0; i < NAME_TRIES; i++) {
        ssize_t length = readlink(link, name, sizeof name - 1);
        if (length <= 0)
            return NULL;
        name[length] = '\0';
        if (lstat(name, &status) == 0 && status.st_dev == denied->device && status.st_ino == denied->inode)
            return copy_text(name, (size_t)length);
        const char *end = name + length - strlen(" (deleted)");
        if (end > name && strcmp(end, " (deleted)") == 0)
            return copy_text("", 0);
    }
    return NULL;
}

static bool is_among(char *const *names, const char *name) {
    for (; *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

char **names_of_denied(char *const *denied) {
    size_t count = 0;
    for (char *const *path = denied; *path != NULL; path++, count++)
        if (!hold(*path))
            return NULL;
    char **names = allocate((count + held_count + 1) * sizeof names[0]); /* zeroed */
    for (size_t i = 0; i < count; i++)
        names[i] = copy_text(denied[i], strlen(denied[i]));
    for (size_t i = 0; i < held_count; i++) {
        char *name = name_of(&held[i]);
        if (name == NULL) {
            release_names(names);
            return NULL;
        }
        if (name[0] == '\0' || is_among(names, name))
            free(name);
        else
            names[count++] = name;
    }
    return names;
}

void release_names(char **names) {
    for (char **name = names; name != NULL && *name != NULL; name++)
        free(*name);
    free(names);
}
