#define _GNU_SOURCE
#include "broker.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_LENGTH = 64, NAMES_TOLD = 16 };

struct family {
    pid_t pid, parent;
    bool dead, ours;
    char name[NAME_LENGTH];
};

/* Everything but `ours`; the parent is -1 for a process that is gone, `dead` tells of a zombie. */
static struct family read_family(pid_t pid) {
    struct family family = {.pid = pid, .parent = -1};
    char path[64], text[512];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (read_small_file(path, text, sizeof text) <= 0)
        return family;
    /* The second field is the name in parentheses, and a name may hold blanks and parentheses. */
    const char *name = strchr(text, '('), *after_name = strrchr(text, ')');
    if (name == NULL || after_name == NULL || strlen(after_name) < 5)
        return family;
    (void)snprintf(family.name, sizeof family.name, "%.*s", (int)(after_name - name - 1), name + 1);
    family.dead = after_name[2] == 'Z' || after_name[2] == 'X';
    family.parent = (pid_t)strtol(after_name + 4, NULL, 10);
    return family;
}

pid_t parent_of(pid_t pid) {
    return read_family(pid).parent;
}

static struct family *read_families(size_t *count) {
    size_t capacity = 256;
    struct family *families = allocate(capacity * sizeof families[0]);
    *count = 0;
    DIR *proc = opendir("/proc");
    if (proc == NULL)
        return families;
    for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        if (*count == capacity) {
            capacity *= 2;
            void *grown = realloc(families, capacity * sizeof families[0]);
            if (grown == NULL)
                break;
            families = grown;
        }
        families[(*count)++] = read_family((pid_t)atoi(entry->d_name));
    }
    (void)closedir(proc);
    return families;
}

static bool is_ours(const struct family *families, size_t count, pid_t pid) {
    if (pid == getpid())
        return true;
    for (size_t i = 0; i < count; i++)
        if (families[i].pid == pid)
            return families[i].ours;
    return false;
}

static struct family *read_descendants(size_t *count) {
    struct family *families = read_families(count);
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < *count; i++) {
            if (families[i].ours || !is_ours(families, *count, families[i].parent))
                continue;
            families[i].ours = true;
            changed = true;
        }
    }
    return families;
}

void write_descendant_names(struct buffer *out) {
    size_t count, length_at = out->length;
    struct family *families = read_descendants(&count);
    uint32_t told = 0;
    buffer_u32(out, told);
    for (size_t i = 0; i < count && told < NAMES_TOLD; i++) {
        if (!families[i].ours || families[i].dead)
            continue;
        buffer_string(out, families[i].name, strlen(families[i].name));
        told++;
    }
    buffer_patch_u32(out, length_at, told);
    free(families);
}

size_t signal_descendants(int signal, pid_t except) {
    size_t count;
    struct family *families = read_descendants(&count);
    size_t sent = 0;
    for (size_t i = 0; i < count; i++)
        if (families[i].ours && !families[i].dead && families[i].pid != except && kill(families[i].pid, signal) == 0)
            sent++;
    free(families);
    return sent;
}

void kill_children(bool (*is_spared)(pid_t pid)) {
    size_t count;
    struct family *families = read_families(&count);
    for (size_t i = 0; i < count; i++)
        if (families[i].parent == getpid() && !families[i].dead && !is_spared(families[i].pid))
            (void)kill(families[i].pid, SIGKILL);
    free(families);
}

struct descendant *list_living_descendants(size_t *living, size_t *vanished) {
    size_t count;
    struct family *families = read_descendants(&count);
    struct descendant *list = allocate((count + 1) * sizeof list[0]);
    *living = *vanished = 0;
    for (size_t i = 0; i < count; i++)
        *vanished += families[i].parent < 0;
    for (size_t i = 0; i < count; i++)
        if (families[i].ours && families[i].parent >= 0)
            list[(*living)++] = (struct descendant){families[i].pid, families[i].parent};
    free(families);
    return list;
}

bool kill_cgroup(const char *folder) {
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/cgroup.kill", folder);
    return write_small_file(path, "1");
}
