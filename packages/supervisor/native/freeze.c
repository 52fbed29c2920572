/*   cgroup    one write stops all, what is forked meanwhile included; programs outside are members too
 *   SIGSTOP   to all of the pid namespace at once, by its init; and to each process that a walk of /proc finds, until two walks in
 *             a row find nobody that runs
 *
 * Standing means: it cannot get back to its own code. A thread that waits in the kernel for something that no signal interrupts,
 * as one whose exec waits for us does, stops on its way back, so it stands already. */
#define _GNU_SOURCE
#include "freeze.h"
#include "broker.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FREEZE_TIMEOUT_MS = 2000, CLEAN_WALKS = 2 };

struct process_list {
    pid_t *pids;
    size_t count, capacity;
};

static struct process_list signalled;      /* by us */
static struct process_list stopped_before; /* by themselves, or by somebody of the tree: they stay so */
static const char *frozen_group;           /* NULL: no cgroup is frozen */
static bool frozen;

bool tree_is_frozen(void) {
    return frozen;
}

bool frozen_by_cgroup(void) {
    return frozen && frozen_group != NULL;
}

/* --- the cgroup --- */

static bool set_group_state(const char *folder, bool freeze) {
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/cgroup.freeze", folder);
    if (write_small_file(path, freeze ? "1" : "0"))
        return true;
    (void)snprintf(path, sizeof path, "%s/freezer.state", folder);
    return write_small_file(path, freeze ? "FROZEN" : "THAWED");
}

static void freeze_group(void) {
    frozen_group = NULL;
    for (const char *const *cgroup = broker.cgroups; *cgroup != NULL && frozen_group == NULL; cgroup++)
        if (set_group_state(*cgroup, true))
            frozen_group = *cgroup;
}

/* The attack: with no wall, root's own program moves itself to another cgroup. It is stopped then like any other. */
static bool is_in_frozen_group(pid_t pid) {
    if (frozen_group == NULL)
        return false;
    char path[64], text[8192], name[300];
    (void)snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
    const char *slash = strrchr(frozen_group, '/');
    (void)snprintf(name, sizeof name, "%s", slash == NULL ? frozen_group : slash);
    if (read_small_file(path, text, sizeof text) <= 0)
        return false;
    const char *found = strstr(text, name);
    return found != NULL && (found[strlen(name)] == '\n' || found[strlen(name)] == '/');
}

/* --- processes --- */

static char read_state(const char *path) {
    char text[512];
    if (read_small_file(path, text, sizeof text) <= 0)
        return 'X';
    const char *after_name = strrchr(text, ')');
    return after_name == NULL || strlen(after_name) < 3 ? 'X' : after_name[2];
}

static bool is_one_of(char state, const char *states) {
    return state != '\0' && strchr(states, state) != NULL;
}

/* Whether the states of all threads of `pid` are among `states`, or, for `excluded`, none is. */
static bool threads_are(pid_t pid, const char *states, bool excluded) {
    char folder[64], path[350];
    (void)snprintf(folder, sizeof folder, "/proc/%d/task", pid);
    DIR *tasks = opendir(folder);
    if (tasks == NULL)
        return true; /* it is gone */
    bool all = true;
    for (struct dirent *entry; all && (entry = readdir(tasks)) != NULL;) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s/stat", folder, entry->d_name);
        all = is_one_of(read_state(path), states) != excluded;
    }
    (void)closedir(tasks);
    return all;
}

bool is_stopped(pid_t pid) {
    return threads_are(pid, "TtZX", false);
}

static bool is_listed(const struct process_list *list, pid_t pid) {
    for (size_t i = 0; i < list->count; i++)
        if (list->pids[i] == pid)
            return true;
    return false;
}

static void add_to_list(struct process_list *list, pid_t pid) {
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        void *grown = realloc(list->pids, list->capacity * sizeof list->pids[0]);
        if (grown == NULL)
            die("no memory to remember what was stopped");
        list->pids = grown;
    }
    list->pids[list->count++] = pid;
}

/* Ours among them: bubblewrap, and the init below it. They neither run the command's code nor touch the terminal, and code
 * inside can't reach them. */
static bool is_own_process(const struct descendant *process) {
    bool has_outer = broker.launch.outer_argv[0] != NULL;
    return process->pid == broker.launch_pid || (has_outer && process->parent == broker.launch_pid);
}

/* Sees to one process; true when it stands. */
static bool bring_to_a_stand(const struct descendant *process, const char **why) {
    if (is_in_frozen_group(process->pid))
        return threads_are(process->pid, "R", true);
    if (is_listed(&signalled, process->pid))
        return threads_are(process->pid, "TtZXD", false);
    if (is_stopped(process->pid))
        return true;
    if (kill(process->pid, SIGSTOP) == 0)
        add_to_list(&signalled, process->pid);
    else if (errno == EPERM)
        *why = "a process of another user can't be stopped";
    return false;
}

static bool walk_tree(const char **why) {
    size_t count, vanished;
    struct descendant *tree = list_living_descendants(&count, &vanished);
    bool all_stand = true;
    for (size_t i = 0; i < count && *why == NULL; i++)
        if (!is_own_process(&tree[i]) && !bring_to_a_stand(&tree[i], why))
            all_stand = false;
    free(tree);
    /* The attack: a process forks and ends, and so does the child, faster than a walk can look at them. In a cgroup or a namespace
     * that has been stopped already. */
    bool stopped_at_once = frozen_group != NULL || broker.launch.pid_namespace;
    return all_stand && (stopped_at_once || vanished == 0);
}

static void note_what_stands_already(void) {
    size_t count, vanished;
    struct descendant *tree = list_living_descendants(&count, &vanished);
    stopped_before.count = signalled.count = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_own_process(&tree[i]) && is_stopped(tree[i].pid))
            add_to_list(&stopped_before, tree[i].pid);
    free(tree);
}

/* The kernel signals all of them under one lock, and a fork that is on its way is called off: nobody slips through. */
static const char *stop_namespace(uint64_t until) {
    size_t before = times_all_were_signalled();
    if (!broker.launch.pid_namespace || broker.init.fd < 0)
        return NULL;
    if (!send_init_message(broker.init.fd, INIT_SIGNAL_ALL, SIGSTOP, "", -1))
        return "its first process does not answer";
    while (times_all_were_signalled() == before) {
        uint64_t now = monotonic_ms();
        struct pollfd polled = {broker.init.fd, POLLIN, 0};
        if (now >= until || RETRY(poll(&polled, 1, (int)(until - now))) != 1)
            return "its first process does not answer";
        handle_init();
        if (broker.init.fd < 0)
            return "the command has ended";
    }
    return NULL;
}

const char *freeze_tree(void) {
    uint64_t until = monotonic_ms() + FREEZE_TIMEOUT_MS;
    note_what_stands_already();
    freeze_group();
    frozen = true;
    const char *why = frozen_group != NULL ? NULL : stop_namespace(until);
    /* One walk is not enough: who still ran when it began may have started somebody where it had looked already. */
    for (size_t clean = 0; clean < CLEAN_WALKS && why == NULL;) {
        bool all_stand = walk_tree(&why);
        clean = all_stand ? clean + 1 : 0;
        if (!all_stand && why == NULL && monotonic_ms() > until)
            why = "its processes could not be brought to a stand within 2 s";
        struct timespec moment = {0, 1000000};
        if (!all_stand && why == NULL)
            (void)nanosleep(&moment, NULL);
    }
    if (why != NULL)
        thaw_tree();
    return why;
}

/* --- going on --- */

static size_t depth_below_us(const struct descendant *tree, size_t count, pid_t pid) {
    size_t depth = 0;
    for (size_t i = 0; i < count; i++)
        if (tree[i].pid == pid && depth++ < count) {
            pid = tree[i].parent;
            i = (size_t)-1; /* from the start again */
        }
    return depth;
}

/* Deepest first: a shell that sees a child stopped takes that for the end of its job's turn. */
static void continue_what_we_stopped(void) {
    size_t count, vanished, deepest = 0;
    struct descendant *tree = list_living_descendants(&count, &vanished);
    size_t *depths = allocate((count + 1) * sizeof depths[0]);
    for (size_t i = 0; i < count; i++) {
        depths[i] = depth_below_us(tree, count, tree[i].pid);
        deepest = depths[i] > deepest ? depths[i] : deepest;
    }
    for (size_t depth = deepest; depth > 0; depth--)
        for (size_t i = 0; i < count; i++)
            if (depths[i] == depth && !is_listed(&stopped_before, tree[i].pid) &&
                (is_listed(&signalled, tree[i].pid) || is_stopped(tree[i].pid)))
                (void)kill(tree[i].pid, SIGCONT);
    free(depths);
    free(tree);
}

void thaw_tree(void) {
    if (!frozen)
        return;
    bool used_signals = frozen_group == NULL || signalled.count > 0;
    if (frozen_group != NULL)
        (void)set_group_state(frozen_group, false);
    if (used_signals)
        continue_what_we_stopped();
    signalled.count = stopped_before.count = 0;
    frozen_group = NULL;
    frozen = false;
}
