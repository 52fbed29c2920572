#define _GNU_SOURCE
#include "caller-state.h"
#include "filter.h"
#include "init.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *status_value(const char *status, const char *name) {
    const char *line = strstr(status, name);
    return line == NULL ? "" : line + strlen(name);
}

static void parse_ids(const char *text, unsigned *ids) {
    char *end = (char *)(uintptr_t)text;
    for (int i = 0; i < 3; i++)
        ids[i] = (unsigned)strtoul(end, &end, 10);
}

static size_t parse_groups(const char *text, gid_t *groups) {
    size_t count = 0;
    const char *limit = text + strcspn(text, "\n");
    while (count < GROUPS_LIMIT) {
        char *end;
        unsigned long group = strtoul(text, &end, 10);
        if (end == text || end > limit)
            break;
        groups[count++] = (gid_t)group;
        text = end;
    }
    return count;
}

static bool take_status(struct caller_state *state, pid_t tid) {
    char path[64], status[16384];
    (void)snprintf(path, sizeof path, "/proc/%d/status", tid);
    if (read_small_file(path, status, sizeof status) <= 0)
        return false;
    parse_ids(status_value(status, "\nUid:"), state->uids);
    parse_ids(status_value(status, "\nGid:"), state->gids);
    state->group_count = parse_groups(status_value(status, "\nGroups:"), state->groups);
    state->effective_capabilities = strtoull(status_value(status, "\nCapEff:"), NULL, 16);
    state->ignored_signals = strtoull(status_value(status, "\nSigIgn:"), NULL, 16);
    state->blocked_signals = strtoull(status_value(status, "\nSigBlk:"), NULL, 16);
    state->umask = (mode_t)strtoul(status_value(status, "\nUmask:"), NULL, 8);
    return true;
}

/* A root that lacks CAP_SYS_RESOURCE, as in most containers, may not ask prlimit about a process of another user. */
static bool read_limits(struct caller_state *state, pid_t tgid) {
    enum { SOFT_COLUMN = 26, HARD_COLUMN = 47 };
    char path[64], text[4096];
    (void)snprintf(path, sizeof path, "/proc/%d/limits", tgid);
    const char *line = read_small_file(path, text, sizeof text) > 0 ? text : "";
    for (int i = 0; i < LIMIT_COUNT; i++) {
        line = strchr(line, '\n'); /* the first line is the heading */
        if (line++ == NULL || strcspn(line, "\n") < HARD_COLUMN)
            return false;
        const char *soft = line + SOFT_COLUMN, *hard = line + HARD_COLUMN;
        state->limits[i].rlim_cur = *soft == 'u' ? RLIM_INFINITY : strtoull(soft, NULL, 10);
        state->limits[i].rlim_max = *hard == 'u' ? RLIM_INFINITY : strtoull(hard, NULL, 10);
    }
    return true;
}

static bool take_limits(struct caller_state *state, const struct target *target) {
    for (int i = 0; i < LIMIT_COUNT; i++)
        if (prlimit(target->tgid, i, NULL, &state->limits[i]) != 0 && !read_limits(state, target->tgid))
            return false;
    errno = 0;
    state->nice = getpriority(PRIO_PROCESS, (id_t)target->tid);
    if (errno != 0)
        return false;
    state->has_affinity = sched_getaffinity(target->tid, sizeof state->affinity, &state->affinity) == 0;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/oom_score_adj", target->tid);
    if (read_small_file(path, state->oom_score_adj, sizeof state->oom_score_adj) < 0)
        state->oom_score_adj[0] = '\0';
    state->group = getpgid(target->tgid);
    state->session = getsid(target->tgid);
    state->leads_session = state->session == target->tgid;
    return state->group > 0;
}

/* Open flags of a descriptor of another process; -1 when it is gone. */
static long descriptor_flags(pid_t tid, const char *number) {
    char path[300], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%d/fdinfo/%s", tid, number);
    if (read_small_file(path, text, sizeof text) <= 0)
        return -1;
    const char *line = strstr(text, "flags:");
    return line == NULL ? -1 : (long)strtoul(line + 6, NULL, 8);
}

static bool take_descriptors(struct caller_state *state, pid_t tid, int pidfd) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/fd", tid);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return false;
    size_t capacity = 16;
    state->descriptors = allocate(capacity * sizeof state->descriptors[0]);
    bool good = true;
    for (struct dirent *entry; good && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        long flags = descriptor_flags(tid, entry->d_name);
        if (flags < 0 || (flags & O_CLOEXEC) != 0)
            continue; /* an exec would close it */
        if (state->descriptor_count == capacity) {
            capacity *= 2;
            void *grown = realloc(state->descriptors, capacity * sizeof state->descriptors[0]);
            if (grown == NULL)
                die("out of memory for %zu descriptors", capacity);
            state->descriptors = grown;
        }
        int number = atoi(entry->d_name);
        int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
        good = fd >= 0 && state->descriptor_count < DESCRIPTOR_LIMIT;
        if (fd >= 0)
            state->descriptors[state->descriptor_count++] = (struct caller_descriptor){number, fd};
    }
    (void)closedir(folder);
    return good;
}

static bool take_all_but_descriptors(struct caller_state *state, struct target *target) {
    *state = (struct caller_state){.cwd_fd = -1};
    state->cwd_fd = RETRY(fcntl(target_cwd(target), F_DUPFD_CLOEXEC, 0));
    return state->cwd_fd >= 0 && fstat(state->cwd_fd, &state->cwd_status) == 0 && take_status(state, target->tid) &&
           take_limits(state, target);
}

bool caller_state_take(struct caller_state *state, struct target *target, int pidfd) {
    if (take_all_but_descriptors(state, target) && take_descriptors(state, target->tid, pidfd))
        return true;
    caller_state_release(state);
    return false;
}

bool caller_state_take_with(struct caller_state *state, struct target *target, struct caller_descriptor *descriptors,
                            size_t count) {
    bool good = take_all_but_descriptors(state, target);
    state->descriptors = descriptors;
    state->descriptor_count = count;
    if (!good)
        caller_state_release(state);
    return good;
}

void caller_state_release(struct caller_state *state) {
    for (size_t i = 0; i < state->descriptor_count; i++)
        cleanup_fd(&state->descriptors[i].fd);
    free(state->descriptors);
    state->descriptors = NULL;
    state->descriptor_count = 0;
    cleanup_fd(&state->cwd_fd);
}

/* --- in the child --- */

static _Noreturn void fail(int report_fd, const char *what) {
    (void)send_init_message(report_fd, INIT_FAILED, errno, what, -1);
    _exit(EXIT_OWN_FAILURE);
}

/* Moves our copies above every number that is wanted, marks everything close-on-exec, then puts each copy in its place.
 * dup2 leaves the mark off, so exactly the caller's descriptors are open in the program. */
static int place_descriptors(struct caller_state *state, int report_fd, int *program_fd, int *kept_fd) {
    int highest = report_fd > *program_fd ? report_fd : *program_fd;
    for (size_t i = 0; i < state->descriptor_count; i++)
        if (state->descriptors[i].number > highest)
            highest = state->descriptors[i].number;
    for (size_t i = 0; i < state->descriptor_count; i++) {
        int fd = fcntl(state->descriptors[i].fd, F_DUPFD_CLOEXEC, highest + 1);
        if (fd < 0)
            fail(report_fd, "moving a descriptor");
        state->descriptors[i].fd = fd;
    }
    int moved_program = fcntl(*program_fd, F_DUPFD_CLOEXEC, highest + 1);
    int moved_report = fcntl(report_fd, F_DUPFD_CLOEXEC, highest + 1);
    int moved_kept = fcntl(*kept_fd, F_DUPFD_CLOEXEC, highest + 1);
    if (moved_program < 0 || moved_report < 0 || moved_kept < 0)
        fail(report_fd, "moving a descriptor");
    *program_fd = moved_program;
    *kept_fd = moved_kept;
    if (syscall(SYS_close_range, 0U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) != 0)
        fail(moved_report, "marking descriptors");
    for (size_t i = 0; i < state->descriptor_count; i++)
        if (RETRY(dup2(state->descriptors[i].fd, state->descriptors[i].number)) < 0)
            fail(moved_report, "placing a descriptor");
    return moved_report;
}

/* The same folder outside as the caller's inside: told by device and inode, never by name alone. */
static void enter_cwd(const struct escalation *escalation, int report_fd) {
    const struct caller_state *state = escalation->state;
    if (state->cwd_status.st_nlink == 0) {
        if (fchdir(state->cwd_fd) != 0)
            fail(report_fd, "entering the caller's deleted working directory");
        return;
    }
    CLEANUP_FD int fd = RETRY(open(escalation->cwd, O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        fail(report_fd, "opening the caller's working directory outside");
    if (status.st_dev != state->cwd_status.st_dev || status.st_ino != state->cwd_status.st_ino) {
        errno = EXDEV;
        fail(report_fd, "finding the caller's working directory outside");
    }
    if (fchdir(fd) != 0)
        fail(report_fd, "entering the caller's working directory");
}

/* The attack: an ordinary user inside a sandbox that root built calls an allowed program; without this it would run as root. */
static void take_credentials(const struct escalation *escalation, int report_fd) {
    const struct caller_state *state = escalation->state;
    if (geteuid() != 0)
        return; /* no namespace lets an ordinary user's broker see a caller of somebody else */
    if (setgroups(state->group_count, state->groups) != 0 ||
        setresgid(state->gids[0], state->gids[1], state->gids[2]) != 0 ||
        setresuid(state->uids[0], state->uids[1], state->uids[2]) != 0)
        fail(report_fd, "taking the caller's credentials");
    if (state->effective_capabilities == escalation->usual_capabilities)
        return;
    /* The caller gave capabilities up inside: outside it gets none that it does not have. */
    if (!cut_capabilities(state->effective_capabilities))
        fail(report_fd, "taking the caller's capabilities");
}

static void set_priority(const struct caller_state *state) {
    /* Best effort: none of these can be refused for a value that the caller itself has, but for a lowered nice value. */
    (void)setpriority(PRIO_PROCESS, 0, state->nice);
    if (state->has_affinity)
        (void)sched_setaffinity(0, sizeof state->affinity, &state->affinity);
    if (state->oom_score_adj[0] != '\0')
        (void)write_small_file("/proc/self/oom_score_adj", state->oom_score_adj);
}

static void join_group(const struct escalation *escalation) {
    const struct caller_state *state = escalation->state;
    if (state->leads_session || state->session != escalation->broker_session)
        (void)setsid();
    else if (setpgid(0, state->group) != 0)
        (void)setpgid(0, 0); /* the group ended meanwhile */
}

static void set_signals(const struct caller_state *state) {
    /* The broker itself ignores and handles none: each has its default action unless the caller ignored it. */
    for (int number = 1; number < NSIG; number++)
        if ((state->ignored_signals >> (number - 1) & 1) != 0)
            (void)signal(number, SIG_IGN);
    sigset_t blocked;
    (void)sigemptyset(&blocked);
    for (int number = 1; number < NSIG; number++)
        if ((state->blocked_signals >> (number - 1) & 1) != 0)
            (void)sigaddset(&blocked, number);
    (void)sigprocmask(SIG_SETMASK, &blocked, NULL);
}

static void report_execs(int report_fd) {
    bool killable;
    int listener = install_exec_filter(&killable);
    if (listener < 0)
        fail(report_fd, "installing the exec filter");
    if (!send_init_message(report_fd, INIT_LISTENER, killable, "", listener))
        _exit(EXIT_OWN_FAILURE);
}

void join_like_caller(const struct escalation *escalation, int report_fd) {
    for (const char *const *cgroup = escalation->cgroups; *cgroup != NULL; cgroup++) {
        char path[4200];
        (void)snprintf(path, sizeof path, "%s/cgroup.procs", *cgroup);
        if (!write_small_file(path, "0"))
            fail(report_fd, "joining the cgroup");
    }
    join_group(escalation);
    set_priority(escalation->state);
}

void become_escalated(const struct escalation *escalation, int report_fd) {
    struct caller_state *state = escalation->state;
    join_like_caller(escalation, report_fd);
    /* Root needs no no_new_privs for a filter; without it set-user-ID programs below keep working as outside. */
    if (geteuid() != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        fail(report_fd, "setting no_new_privs");
    if (escalation->denies_reads && !restrict_by_ruleset(escalation->read_ruleset))
        fail(report_fd, "denying what the policy denies reading");
    if (escalation->intercept)
        report_execs(report_fd);
    int program_fd = escalation->program_fd;
    int moved_report = place_descriptors(state, report_fd, &program_fd, &state->cwd_fd);
    take_credentials(escalation, moved_report);
    enter_cwd(escalation, moved_report);
    (void)umask(state->umask);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* after the credentials, which clear it */
    for (int i = 0; i < LIMIT_COUNT; i++)
        if (setrlimit(i, &state->limits[i]) != 0)
            fail(moved_report, "setting a resource limit");
    set_signals(state);
    (void)syscall(SYS_execveat, program_fd, "", escalation->argv, escalation->env, AT_EMPTY_PATH);
    fail(moved_report, "exec");
}

void become_in_bounds(const struct escalation *escalation, const struct wall_spec *wall, int report_fd,
                      int running_fd) {
    struct caller_state *state = escalation->state;
    int program_fd = escalation->program_fd;
    int moved_report = place_descriptors(state, report_fd, &program_fd, &running_fd);
    build_wall(moved_report, wall); /* after the descriptors: Landlock grants opening the standard ones anew */
    take_credentials(escalation, moved_report);
    enter_cwd(escalation, moved_report);
    /* Not dumpable until here, as init; from here on the broker has to be able to read this process. */
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (escalation->intercept)
        report_execs(moved_report);
    (void)umask(state->umask);
    for (int i = 0; i < LIMIT_COUNT; i++)
        if (setrlimit(i, &state->limits[i]) != 0)
            fail(moved_report, "setting a resource limit");
    set_signals(state);
    (void)syscall(SYS_execveat, program_fd, "", escalation->argv, escalation->env, AT_EMPTY_PATH);
    fail(moved_report, "exec");
}
