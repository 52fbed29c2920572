/* One exec, from the notification to its end.
 *
 *   WAITING    the caller waits in execve; Node decides
 *   STOPPING   escalate or deny: the wait was ended with ERESTARTNOINTR and the caller is about to stop for us
 *   RESTARTED  its registers name the stand-in; the kernel restarts the call, which is notified once more
 *   STARTING   the stand-in runs; its first act is the magic call
 *   ATTACHED   it has its socket: it was told why not, or the real program runs and the stand-in waits for its end
 *
 * Nothing is written into the caller's memory: the stand-in's executable arrives as a descriptor, and its path, the empty
 * string, is the NUL that ends the path which the caller itself passed. */
#define _GNU_SOURCE
#include "broker.h"
#include "filter.h"
#include "freeze.h"
#include "question.h"
#include "standing.h"
#include "stops.h"
#include "target-memory.h"
#include "wrapper-sessions.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RESTART_NO_INTERRUPT = 513, RESTART_SYSTEM = 512, PARENT_LIMIT = 32, BUCKETS = 1024 };

/* PIDFD_GET_INFO: newer than the oldest headers. */
struct pidfd_information {
    uint64_t mask, cgroup;
    uint32_t pid, tgid, ppid, ids[8];
    int32_t exit_code;
    uint32_t more[14];
};
#define PIDFD_INFORMATION _IOWR(0xFF, 11, struct pidfd_information)
enum { PIDFD_INFORMATION_EXIT = 8 };

/* Newer than the oldest headers. */
#define SECCOMP_NOTIF_SET_FLAGS _IOW('!', 4, uint64_t)
enum { NOTIF_SYNC_WAKE_UP = 1 };

enum request_stage { WAITING, STOPPING, RESTARTED, STARTING, ATTACHED };

struct request {
    struct source socket; /* to the stand-in, when ATTACHED */
    struct source report; /* from the child that becomes the real program */
    uint64_t id, notification_id;
    struct listener *listener;
    pid_t tid, tgid;
    int nr;
    uint64_t args[6];
    uint64_t nul_address;
    enum request_stage stage;
    struct target target;
    struct exec_chain chain;
    struct standing_key key;
    struct buffer asked; /* what Node sees of the call: path, working folder, vectors, files */
    enum verdict_kind verdict;
    char *deny_text;
    uint32_t chain_index;
    char **argv, **env, **deny_read;
    char *cwd;
    bool blind;       /* its memory may not be read: it can only be refused */
    int native_errno; /* what the kernel would refuse the call with; 0 where it is left to the kernel itself */
    bool has_state;
    struct caller_state state;
    int injected_fd;
    struct user_regs_struct registers;
    uint64_t signal_mask;
    pid_t real_pid;     /* 0 before it runs and after it ended; of a bounded program the sandbox's */
    bool bounded, runs; /* `runs`: the bounded program has been executed */
    struct bounds bounds;
    int wall_messages_fd;
    bool ended;
    struct stops stops; /* of a program that is not bounded; else init counts */
    struct request *next;
};

static struct request *requests;
static struct request *spare_requests; /* finished ones, kept: a shell loop needs one again and again */
static int sandbox_root_fd = -1;
static struct process *processes[BUCKETS];
static uint64_t last_request_id;
static struct listener *listeners[4096];
static size_t listener_count;
static pid_t command_pid;
static bool any_escalation;

pid_t first_command_pid(void) {
    return command_pid;
}

bool escalated_anything(void) {
    return any_escalation;
}

/* --- processes --- */

bool redirects_somebody(void) {
    for (const struct request *request = requests; request != NULL; request = request->next)
        if (request->stage == STOPPING || request->stage == RESTARTED)
            return true;
    return false;
}

static struct process **process_slot(pid_t tgid) {
    struct process **slot = &processes[(uint32_t)tgid % BUCKETS];
    while (*slot != NULL && (*slot)->tgid != tgid)
        slot = &(*slot)->next;
    return slot;
}

static void forget_process(struct process *process) {
    struct process **slot = process_slot(process->tgid);
    if (*slot == process)
        *slot = process->next;
    close_source(&process->source);
    free(process);
}

/* A process that is reaped while the kernel collects the answer gives ESRCH once; the next answer has its status. */
static bool read_pidfd_information(int pidfd, uint64_t mask, struct pidfd_information *information) {
    for (int tries = 0; tries < 2; tries++) {
        *information = (struct pidfd_information){.mask = mask};
        if (ioctl(pidfd, PIDFD_INFORMATION, information) == 0)
            return true;
        if (errno != ESRCH)
            break;
    }
    return false;
}

/* The entry of a living process, made when there is none. NULL when the process is gone. */
struct process *know_process(pid_t tid, pid_t *tgid) {
    struct process *known = *process_slot(tid);
    if (known != NULL && syscall(SYS_pidfd_send_signal, known->source.fd, 0, NULL, 0) == 0) {
        *tgid = tid;
        return known;
    }
    if (known != NULL) { /* the number was used again before we heard of the end */
        if (known->reports)
            send_exec_end(known->request_id, END_ENDED, false, 0);
        forget_process(known);
    }
    int pidfd = (int)syscall(SYS_pidfd_open, tid, 0);
    *tgid = tid;
    if (pidfd < 0) { /* not the leading thread */
        char path[64], status[4096];
        (void)snprintf(path, sizeof path, "/proc/%d/status", tid);
        const char *line = read_small_file(path, status, sizeof status) > 0 ? strstr(status, "\nTgid:") : NULL;
        if (line == NULL)
            return NULL;
        *tgid = (pid_t)strtol(line + 6, NULL, 10);
        if (*tgid == tid)
            return NULL;
        pid_t same;
        return know_process(*tgid, &same);
    }
    struct process *process = allocate(sizeof *process);
    process->source = (struct source){SOURCE_PROCESS, pidfd};
    process->tgid = tid;
    process->next = processes[(uint32_t)tid % BUCKETS];
    processes[(uint32_t)tid % BUCKETS] = process;
    watch_source(&process->source, EPOLLIN | EPOLLET);
    return process;
}

/* Linux 6.15 keeps the exit status for a pidfd and wakes it once more when the process was reaped; 6.13 and 6.14 answer the
 * question without either. */
static bool kernel_keeps_exit_status(void) {
    static int known = -1;
    if (known < 0) {
        struct utsname name;
        unsigned major = 0, minor = 0;
        known = uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
                (major > 6 || (major == 6 && minor >= 15));
    }
    return known == 1;
}

static struct request *request_of_waiting(pid_t tgid) {
    for (struct request *request = requests; request != NULL; request = request->next)
        if (request->tgid == tgid && request->stage != ATTACHED)
            return request;
    return NULL;
}

static void finish_request(struct request *request);

/* The kernel tells the exit status of any process after it was reaped (6.15); before that there is only the fact. */
void handle_process_exit(struct process *process, uint32_t events) {
    /* Looked at first: of what was reaped by then the status is there; the other way round it could be reaped in between. */
    struct pollfd polled = {process->source.fd, POLLIN, 0};
    bool nothing_ended = poll(&polled, 1, 0) == 0;
    struct pidfd_information information;
    bool asked =
        kernel_keeps_exit_status() && read_pidfd_information(process->source.fd, PIDFD_INFORMATION_EXIT, &information);
    bool known = asked && (information.mask & PIDFD_INFORMATION_EXIT) != 0;
    if (!known && nothing_ended)
        return;
    struct request *waiting;
    while ((waiting = request_of_waiting(process->tgid)) != NULL) { /* one for each of its threads */
        send_exec_end(waiting->id, END_VANISHED, false, 0);
        finish_request(waiting);
    }
    if (!known && asked && (events & EPOLLHUP) == 0 && (polled.revents & POLLHUP) == 0)
        return; /* a zombie: its status comes when its parent has taken it */
    end_sessions_of(process->tgid);
    if (process->reports)
        send_exec_end(process->request_id, END_ENDED, known, information.exit_code);
    forget_process(process);
}

/* The command is init's own child, so its status is known on every kernel. */
void report_command_ended(pid_t pid, int status) {
    struct process *process = *process_slot(pid);
    if (process == NULL)
        return;
    end_sessions_of(pid);
    if (process->reports)
        send_exec_end(process->request_id, END_ENDED, true, status);
    forget_process(process);
}

void report_all_ended(void) {
    for (const struct request *request = requests; request != NULL; request = request->next)
        if (request->stage != ATTACHED)
            send_exec_end(request->id, END_VANISHED, false, 0);
        else if (!request->ended)
            send_exec_end(request->id, END_ENDED, request->verdict == VERDICT_DENY, 1 << 8);
    for (size_t bucket = 0; bucket < BUCKETS; bucket++)
        while (processes[bucket] != NULL) {
            struct process *process = processes[bucket];
            struct pidfd_information information;
            bool known = read_pidfd_information(process->source.fd, PIDFD_INFORMATION_EXIT, &information) &&
                         (information.mask & PIDFD_INFORMATION_EXIT) != 0;
            if (process->reports)
                send_exec_end(process->request_id, END_ENDED, known, information.exit_code);
            forget_process(process);
        }
}

/* --- requests --- */

static void finish_request(struct request *request) {
    struct request **slot = &requests;
    while (*slot != request)
        slot = &(*slot)->next;
    *slot = request->next;
    close_source(&request->socket);
    close_source(&request->report);
    chain_close(&request->chain);
    target_close(&request->target);
    if (request->has_state)
        caller_state_release(&request->state);
    request->asked.length = 0;
    if (request->asked.capacity > STANDING_KEY_LIMIT * 64)
        buffer_free(&request->asked); /* megabytes of arguments are not kept for the next one */
    free(request->deny_text);
    free(request->argv);
    free(request->env);
    free(request->deny_read);
    free(request->cwd);
    bounds_release(&request->bounds);
    cleanup_fd(&request->wall_messages_fd);
    request->next = spare_requests;
    spare_requests = request;
}

static struct request *new_request(void) {
    struct request *request = spare_requests;
    if (request == NULL)
        return allocate(sizeof *request);
    spare_requests = request->next;
    return request;
}

static bool answer(const struct listener *listener, uint64_t id, int error, uint32_t flags) {
    struct seccomp_notif_resp response = {.id = id, .error = error, .flags = flags};
    return ioctl(listener->source.fd, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0;
}

static void let_the_kernel(const struct listener *listener, uint64_t id) {
    (void)answer(listener, id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

static void refuse(const struct listener *listener, uint64_t id) {
    (void)answer(listener, id, -EACCES, 0);
}

void append_parents(struct buffer *out, const struct process *process) {
    struct pidfd_information information;
    pid_t pid = read_pidfd_information(process->source.fd, 0, &information) && information.ppid != 0
                    ? (pid_t)information.ppid
                    : parent_of(process->tgid);
    size_t count_at = out->length;
    uint32_t count = 0;
    uint64_t parent_request = 0;
    buffer_u32(out, 0);
    while (pid > 1 && count < PARENT_LIMIT) {
        buffer_i32(out, pid);
        count++;
        const struct process *known = *process_slot(pid);
        parent_request = known != NULL ? known->request_id : 0;
        if (parent_request != 0 || pid == getpid())
            break;
        pid = parent_of(pid);
    }
    buffer_patch_u32(out, count_at, count);
    buffer_u64(out, parent_request);
}

enum call_outcome { CALL_ASK, CALL_NATIVE, CALL_REFUSE, CALL_BLIND, CALL_ANSWERED };

/* The attack: a call that looks as if it must fail (its path lies in memory that only the kernel reads, or another thread
 * takes the file away for a moment) is left to the kernel, and there it succeeds, undecided. So the caller gets from us the
 * errno that the kernel would give. */
static enum call_outcome native_outcome(struct request *request, int error) {
    request->native_errno = error;
    return CALL_NATIVE;
}

/* What the call names, before memory is read any further. */
static enum call_outcome resolve_call(struct request *request, int pidfd, char *path, size_t size) {
    bool at = request->nr == SYS_execveat;
    uint64_t address = request->args[at ? 1 : 0];
    uint64_t flags = at ? request->args[4] & 0xffffffff : 0;
    if ((flags & ~(uint64_t)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) != 0)
        return CALL_NATIVE; /* EINVAL, or a mere check */
    const uint64_t first_read[] = {address, request->args[at ? 2 : 1], request->args[at ? 3 : 2]};
    begin_target_memory(request->tid, first_read, COUNT(first_read));
    size_t length;
    enum read_outcome outcome = read_target_path(request->tid, address, path, size, &length);
    if (outcome != READ_OK)
        return outcome == READ_BLIND ? CALL_BLIND : native_outcome(request, errno);
    request->nul_address = address + length;
    int directory = at ? (int)request->args[0] : AT_FDCWD;
    CLEANUP_FD int directory_fd = -1;
    if (directory != AT_FDCWD && path[0] != '/') {
        directory_fd = (int)syscall(SYS_pidfd_getfd, pidfd, directory, 0);
        if (directory_fd < 0)
            return errno == EBADF ? native_outcome(request, EBADF) : CALL_REFUSE;
    }
    int error;
    if (length == 0 && (flags & AT_EMPTY_PATH) != 0 && directory_fd >= 0) {
        char link[64];
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", directory_fd);
        int path_fd = RETRY(open(link, O_PATH | O_CLOEXEC));
        if (path_fd < 0)
            return CALL_REFUSE;
        (void)snprintf(path, size, "/dev/fd/%d", directory);
        error = resolve_open_file(&request->target, path_fd, &request->chain);
    } else {
        bool follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
        error = resolve_chain(&request->target, directory_fd, path, follow, &request->chain);
    }
    if (length == 0 && (flags & AT_EMPTY_PATH) != 0 && error == ENOENT)
        error = EACCES; /* the working directory itself */
    return error == 0 ? CALL_ASK : error > 0 ? native_outcome(request, error) : CALL_REFUSE;
}

/* The kernel's limit for argv and envp together: a quarter of the stack limit, 128 KiB at least, 6 MiB at most. */
static size_t vector_limit(pid_t tgid) {
    struct rlimit stack;
    if (prlimit(tgid, RLIMIT_STACK, NULL, &stack) != 0)
        return MAX_VECTORS;
    size_t budget = stack.rlim_cur / 4 < MAX_VECTORS ? (size_t)(stack.rlim_cur / 4) : MAX_VECTORS;
    return budget > MAX_STRING ? budget : MAX_STRING;
}

/* Where the parts of an EXEC frame begin. */
struct exec_parts {
    size_t frame, answered, call, argv, env, chain, end;
};

static enum call_outcome append_vectors(struct request *request, struct buffer *out, struct exec_parts *parts) {
    size_t budget = MAX_VECTORS;
    bool at = request->nr == SYS_execveat;
    size_t count_at = parts->argv = out->length;
    uint32_t count;
    buffer_u32(out, 0);
    enum read_outcome outcome = read_target_vector(request->tid, request->args[at ? 2 : 1], true, out, &count, &budget);
    buffer_patch_u32(out, count_at, count);
    if (outcome == READ_OK) {
        size_t size_at = parts->env = out->length;
        buffer_u32(out, 0);
        outcome = read_target_vector(request->tid, request->args[at ? 3 : 2], false, out, &count, &budget);
        buffer_patch_u32(out, size_at, (uint32_t)(out->length - size_at - sizeof(uint32_t)));
    }
    size_t used = MAX_VECTORS - budget;
    if (outcome == READ_OK && used > MAX_STRING && used > vector_limit(request->tgid))
        return CALL_NATIVE; /* E2BIG */
    if (outcome == READ_NATIVE)
        return native_outcome(request, errno);
    return outcome == READ_OK ? CALL_ASK : CALL_BLIND;
}

void note_command(pid_t pid) {
    if (command_pid != 0)
        return;
    command_pid = pid;
    char path[64], status[8192];
    (void)snprintf(path, sizeof path, "/proc/%d/root", pid);
    sandbox_root_fd = RETRY(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
    (void)snprintf(path, sizeof path, "/proc/%d/status", pid);
    const char *line = read_small_file(path, status, sizeof status) > 0 ? strstr(status, "\nCapEff:") : NULL;
    broker.usual_capabilities = line == NULL ? 0 : strtoull(line + 8, NULL, 16);
}

/* Behind the wall nobody can change the root: no CAP_SYS_CHROOT, no new namespaces. Elsewhere it is looked up each time. */
int shared_root(bool outside) {
    bool unchangeable = broker.launch.wall.present && broker.launch.wall.seccomp && !outside &&
                        (broker.launch.wall.keep_capabilities >> CAP_SYS_CHROOT & 1) == 0;
    return unchangeable ? sandbox_root_fd : -1;
}

/* The attack: a process of an ordinary user makes itself unreadable (not dumpable) to hide what it executes. It is shown
 * without a file, which can only be denied, so that the refusal has a record. */
static enum call_outcome ask_blind(struct request *request, size_t frame) {
    struct buffer *out = &broker.out;
    request->blind = true;
    chain_close(&request->chain);
    size_t fixed = frame + FRAME_HEADER + 8 + 8 + 8 + 4 + 4 + 1;
    uint32_t parents;
    memcpy(&parents, out->data + fixed, sizeof parents);
    out->length = fixed + sizeof parents + parents * sizeof(int32_t) + sizeof(uint64_t);
    buffer_string(out, "", 0);
    buffer_string(out, request->target.cwd, strlen(request->target.cwd));
    buffer_u32(out, 0);
    buffer_string(out, "", 0);
    chain_append(&request->chain, out);
    buffer_end_frame(out, frame);
    return CALL_ASK;
}

/* An environment that speaks to the dynamic loader is judged each time: it puts other code into the same program. */
static bool speaks_to_loader(const struct buffer *out, const struct exec_parts *parts) {
    const uint8_t *entry = out->data + parts->env + sizeof(uint32_t), *end = out->data + parts->chain;
    while (entry < end) {
        size_t left = (size_t)(end - entry);
        if (left >= 3 && memcmp(entry, "LD_", 3) == 0)
            return true;
        const uint8_t *nul = memchr(entry, '\0', left);
        entry = nul == NULL ? end : nul + 1;
    }
    return false;
}

/* Everything that Node sees of this exec but the process, the arguments behind the program's name and the environment. The
 * attack: something that a rule matches on is not in the key, and a forbidden program runs on another one's verdict. So the
 * bytes are those of the frame itself: path and working folder, argv[0], and of every file of the chain its resolved path,
 * identity, size, times, mode, links and `#!` line. */
static void make_key(struct request *request, const struct buffer *out, const struct exec_parts *parts) {
    struct standing_key *key = &request->key;
    uint32_t count, first;
    memcpy(&count, out->data + parts->argv, sizeof count);
    if (request->listener->outside || count == 0 || speaks_to_loader(out, parts))
        return;
    memcpy(&first, out->data + parts->argv + sizeof count, sizeof first);
    standing_key_add(key, out->data + parts->call, parts->argv - parts->call);
    standing_key_add(key, out->data + parts->argv + sizeof count, sizeof first + first);
    standing_key_add(key, out->data + parts->chain, parts->end - parts->chain);
}

/* Answers what a verdict stands for; Node hears of it a moment later and decides all the same. The files were opened and
 * looked at for this very exec, so nothing is older here than it would be after a question. */
static enum call_outcome answer_or_ask(struct request *request, struct process *process,
                                       const struct exec_parts *parts) {
    if (!standing_holds(&request->key))
        return CALL_ASK;
    if (!answer(request->listener, request->notification_id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE)) {
        broker.out.length = parts->frame; /* killed while it waited: nothing ran, and nobody was asked */
        return CALL_ANSWERED;
    }
    uint64_t now = wall_clock_ms();
    memcpy(broker.out.data + parts->answered, &now, sizeof now);
    process->request_id = request->id;
    process->reports = true;
    standing_answered();
    leave_unhurried(parts->frame);
    return CALL_ANSWERED;
}

/* Reads all that the decision needs and asks Node; answers at once where there is nothing to decide. */
static enum call_outcome ask(struct request *request) {
    struct process *process = know_process(request->tid, &request->tgid);
    if (process == NULL)
        return CALL_REFUSE;
    note_command(request->tgid);
    char path[PATH_MAX] = "";
    enum call_outcome outcome;
    if (target_open(&request->target, request->tid, request->tgid, shared_root(request->listener->outside)))
        outcome = resolve_call(request, process->source.fd, path, sizeof path);
    else
        outcome = errno == EACCES || errno == EPERM ? CALL_BLIND : CALL_REFUSE;
    if (outcome != CALL_ASK && outcome != CALL_BLIND)
        return outcome;
    struct buffer *out = &broker.out;
    struct exec_parts parts = {.frame = buffer_begin_frame(out, FRAME_EXEC)};
    buffer_u64(out, request->id);
    buffer_u64(out, process->request_id);
    parts.answered = out->length;
    buffer_u64(out, 0);
    buffer_i32(out, request->tid);
    buffer_i32(out, request->tgid);
    buffer_u8(out, request->listener->outside);
    append_parents(out, process);
    parts.call = out->length;
    buffer_string(out, path, strlen(path));
    buffer_string(out, request->target.cwd, strlen(request->target.cwd));
    if (outcome == CALL_ASK)
        outcome = append_vectors(request, out, &parts);
    if (outcome == CALL_BLIND)
        return ask_blind(request, parts.frame);
    if (outcome != CALL_ASK) {
        out->length = parts.frame;
        return outcome;
    }
    parts.chain = out->length;
    chain_append(&request->chain, out);
    parts.end = out->length;
    chain_append_descriptors(&request->chain, out);
    /* The attack: the process dies and another one with its number is read. Then the answer to this notification fails, and
     * so does putting a descriptor in, which comes before anything that is done for the caller outside. */
    buffer_end_frame(out, parts.frame);
    make_key(request, out, &parts);
    outcome = answer_or_ask(request, process, &parts);
    if (outcome == CALL_ASK)
        buffer_bytes(&request->asked, out->data + parts.call, parts.end - parts.call);
    return outcome;
}

/* The attack: while a person reads the question, another thread writes another path or argument into the memory that the kernel
 * reads again after a Run, another process puts another file in the place of the program, or the folder is changed. So all of it
 * is looked at once more. A few microseconds are left to that attack, where it had minutes. */
static bool is_the_same(struct request *request) {
    struct process *process = *process_slot(request->tgid);
    struct buffer *out = &broker.out;
    struct exec_parts parts = {.call = out->length};
    char path[PATH_MAX] = "";
    chain_close(&request->chain);
    target_close(&request->target);
    bool same = process != NULL &&
                target_open(&request->target, request->tid, request->tgid, shared_root(request->listener->outside)) &&
                resolve_call(request, process->source.fd, path, sizeof path) == CALL_ASK;
    if (same) {
        buffer_string(out, path, strlen(path));
        buffer_string(out, request->target.cwd, strlen(request->target.cwd));
        same = append_vectors(request, out, &parts) == CALL_ASK;
        chain_append(&request->chain, out);
        same = same && out->length - parts.call == request->asked.length &&
               memcmp(out->data + parts.call, request->asked.data, request->asked.length) == 0;
    }
    out->length = parts.call;
    return same;
}

static void begin_request(struct listener *listener, const struct seccomp_notif *notification) {
    struct request *request = new_request();
    request->socket = (struct source){SOURCE_STAND_IN, -1};
    request->report = (struct source){SOURCE_REPORT, -1};
    request->id = ++last_request_id;
    request->notification_id = notification->id;
    request->listener = listener;
    request->tid = (pid_t)notification->pid;
    request->tgid = request->tid;
    request->nr = notification->data.nr;
    request->stage = WAITING;
    request->target.root_fd = request->target.cwd_fd = -1;
    request->target.owns_root = false;
    request->chain.count = 0;
    request->key.length = 0;
    request->deny_text = request->cwd = NULL;
    request->argv = request->env = request->deny_read = NULL;
    request->has_state = request->ended = request->blind = false;
    request->injected_fd = -1;
    request->bounded = request->runs = false;
    request->bounds = (struct bounds){0};
    request->wall_messages_fd = -1;
    request->real_pid = request->native_errno = 0;
    request->stops = (struct stops){0};
    memcpy(request->args, notification->data.args, sizeof request->args);
    request->next = requests;
    requests = request;
    enum call_outcome outcome = ask(request);
    if (outcome == CALL_ASK)
        return;
    if (outcome == CALL_NATIVE && request->native_errno != 0)
        (void)answer(listener, notification->id, -request->native_errno, 0);
    else if (outcome == CALL_NATIVE)
        let_the_kernel(listener, notification->id);
    else if (outcome != CALL_ANSWERED)
        refuse(listener, notification->id);
    finish_request(request);
}

/* The socket arrives and its number is returned in one step. */
static void attach_stand_in(struct listener *listener, struct request *request, uint64_t notification_id);

static void handle_magic_call(struct listener *listener, const struct seccomp_notif *notification) {
    for (struct request *request = requests; request != NULL; request = request->next)
        if (request->stage == STARTING && request->tgid == (pid_t)notification->pid) {
            attach_stand_in(listener, request, notification->id);
            return;
        }
    (void)answer(listener, notification->id, -ENOSYS, 0); /* somebody who only guesses */
}

static bool is_traced_by_us(pid_t tid) {
    char path[64], status[4096];
    (void)snprintf(path, sizeof path, "/proc/%d/status", tid);
    const char *line = read_small_file(path, status, sizeof status) > 0 ? strstr(status, "\nTracerPid:") : NULL;
    return line != NULL && (pid_t)strtol(line + 11, NULL, 10) == getpid();
}

/* Our own rewritten call comes back. It is judged by its registers, never by memory, which another thread can change. The
 * attack: while the first thread is on its way to become a stand-in another one executes a program, which takes over the
 * first one's id and repeats the registers; we do not trace that one. */
static bool is_redirected_call(const struct request *request, const struct seccomp_notif *notification) {
    return request->stage == RESTARTED && request->tid == (pid_t)notification->pid &&
           notification->data.nr == SYS_execveat && (int)notification->data.args[0] == request->injected_fd &&
           notification->data.args[1] == request->nul_address && notification->data.args[4] == AT_EMPTY_PATH &&
           is_traced_by_us(request->tid);
}

static void handle_notification(struct listener *listener, const struct seccomp_notif *notification) {
    if (notification->data.nr == MAGIC_SYSCALL) {
        handle_magic_call(listener, notification);
        return;
    }
    if (listener->starting == ANY_STARTER || listener->starting == (pid_t)notification->pid) {
        listener->starting = 0;
        let_the_kernel(listener, notification->id); /* our own child executes what was decided */
        return;
    }
    for (struct request *request = requests; request != NULL; request = request->next) {
        if (is_redirected_call(request, notification)) {
            let_the_kernel(listener, notification->id);
            return;
        }
        if (request->tid == (pid_t)notification->pid && request->stage == WAITING) {
            send_exec_end(request->id, END_VANISHED, false, 0); /* that wait was cut short; this is its repetition */
            finish_request(request);
            break;
        }
    }
    begin_request(listener, notification);
}

void add_listener(int fd, uint8_t outside, pid_t starting) {
    struct listener *listener = allocate(sizeof *listener);
    *listener = (struct listener){{SOURCE_LISTENER, fd}, outside, starting};
    /* The caller sleeps until we have answered, so we may as well run where it ran (Linux 6.6; best effort). */
    (void)ioctl(fd, SECCOMP_NOTIF_SET_FLAGS, (unsigned long)NOTIF_SYNC_WAKE_UP);
    if (listener_count == COUNT(listeners))
        die("more than %zu escalated programs at once", COUNT(listeners));
    listeners[listener_count++] = listener;
    watch_source(&listener->source, broker.listeners_paused ? 0 : EPOLLIN);
}

void pause_listeners(bool pause) {
    broker.listeners_paused = pause;
    for (size_t i = 0; i < listener_count; i++) {
        struct epoll_event event = {pause ? 0 : EPOLLIN, {.ptr = &listeners[i]->source}};
        (void)epoll_ctl(broker.epoll_fd, EPOLL_CTL_MOD, listeners[i]->source.fd, &event);
    }
}

/* Nobody is left under this filter. */
static void drop_listener(struct listener *listener) {
    for (size_t i = 0; i < listener_count; i++)
        if (listeners[i] == listener)
            listeners[i] = listeners[--listener_count];
    for (struct request *request = requests, *next; request != NULL; request = next) {
        next = request->next;
        if (request->listener != listener)
            continue;
        if (request->stage == ATTACHED) {
            request->listener = NULL; /* its stand-in is past the filter's use */
            continue;
        }
        send_exec_end(request->id, END_VANISHED, false, 0);
        finish_request(request);
    }
    close_source(&listener->source);
    free(listener);
}

void handle_listener(struct listener *listener, uint32_t events) {
    if ((events & EPOLLIN) == 0) {
        if ((events & (EPOLLHUP | EPOLLERR)) != 0)
            drop_listener(listener);
        return;
    }
    struct seccomp_notif notification;
    memset(&notification, 0, sizeof notification);
    if (ioctl(listener->source.fd, SECCOMP_IOCTL_NOTIF_RECV, &notification) == 0)
        handle_notification(listener, &notification);
}

/* --- escalate and deny --- */

static struct request *find_request(uint64_t id) {
    for (struct request *request = requests; request != NULL; request = request->next)
        if (request->id == id)
            return request;
    return NULL;
}

/* Fails closed: a caller that cannot be turned into a stand-in (strace holds it, it has no descriptor left) is refused. */
static void refuse_request(struct request *request, enum exec_end how) {
    refuse(request->listener, request->notification_id);
    send_exec_end(request->id, how, false, 0);
    finish_request(request);
}

static void redirect(struct request *request) {
    if (ptrace(PTRACE_SEIZE, request->tid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC) != 0) {
        refuse_request(request, errno == ESRCH ? END_VANISHED : END_FAILED);
        return;
    }
    struct seccomp_notif_addfd inject = {
        .id = request->notification_id, .srcfd = (uint32_t)broker.stand_in_fd, .newfd_flags = O_CLOEXEC};
    request->injected_fd = ioctl(request->listener->source.fd, SECCOMP_IOCTL_NOTIF_ADDFD, &inject);
    if (request->injected_fd < 0 || ptrace(PTRACE_INTERRUPT, request->tid, 0, 0) != 0) {
        /* Still seized: the answer wakes it, and the stop that follows is answered by letting go. */
        (void)ptrace(PTRACE_INTERRUPT, request->tid, 0, 0);
        refuse_request(request, END_FAILED);
        return;
    }
    request->stage = STOPPING;
    /* The answer that makes the kernel restart the call by itself, whatever signals do meanwhile. */
    (void)answer(request->listener, request->notification_id, -RESTART_NO_INTERRUPT, 0);
}

static bool set_signal_mask(pid_t tid, uint64_t mask) {
    return ptrace(PTRACE_SETSIGMASK, tid, sizeof mask, &mask) == 0;
}

/* First stop: still inside the call, its restart pending. Every signal is blocked from here, so that no handler can run
 * between now and the exec; what arrives stays pending and the stand-in passes it on. */
static bool rewrite_call(struct request *request) {
    struct user_regs_struct *saved = &request->registers;
    if (ptrace(PTRACE_GETREGS, request->tid, 0, saved) != 0)
        return false;
    long long result = (long long)saved->rax;
    if ((int)saved->orig_rax != request->nr || (result != -RESTART_NO_INTERRUPT && result != -RESTART_SYSTEM))
        return false;
    if (ptrace(PTRACE_GETSIGMASK, request->tid, sizeof request->signal_mask, &request->signal_mask) != 0 ||
        !set_signal_mask(request->tid, ~UINT64_C(0)))
        return false;
    bool at = request->nr == SYS_execveat;
    struct user_regs_struct changed = *saved;
    changed.orig_rax = SYS_execveat;
    changed.rax = (unsigned long long)-RESTART_NO_INTERRUPT;
    changed.rdi = (unsigned long long)request->injected_fd;
    changed.rsi = request->nul_address;
    changed.rdx = request->args[at ? 2 : 1];
    changed.r10 = request->args[at ? 3 : 2];
    changed.r8 = AT_EMPTY_PATH;
    return ptrace(PTRACE_SETREGS, request->tid, 0, &changed) == 0;
}

/* The kernel refused the stand-in after all: the caller gets its registers back and an errno. */
static void give_back(struct request *request, long long error) {
    struct user_regs_struct back = request->registers;
    back.rax = (unsigned long long)error;
    (void)ptrace(PTRACE_SETREGS, request->tid, 0, &back);
    (void)set_signal_mask(request->tid, request->signal_mask);
    (void)ptrace(PTRACE_DETACH, request->tid, 0, 0);
    send_exec_end(request->id, END_FAILED, false, 0);
    finish_request(request);
}

static void handle_system_call_stop(struct request *request) {
    struct user_regs_struct now;
    if (ptrace(PTRACE_GETREGS, request->tid, 0, &now) != 0)
        return;
    bool leaving = request->stage == RESTARTED && now.orig_rax == SYS_execveat && (long long)now.rax != -ENOSYS;
    if (leaving && (long long)now.rax < 0 && (long long)now.rax > -4096 && (long long)now.rax != -RESTART_NO_INTERRUPT)
        give_back(request, (long long)now.rax);
    else
        (void)ptrace(PTRACE_SYSCALL, request->tid, 0, 0);
}

static void handle_redirect_stop(struct request *request, pid_t pid, int status) {
    int event = status >> 16, signal = WSTOPSIG(status);
    if (event == PTRACE_EVENT_EXEC && request->stage == RESTARTED) {
        request->stage = STARTING;
        (void)ptrace(PTRACE_DETACH, pid, 0, 0);
        return;
    }
    if (event == PTRACE_EVENT_STOP) {
        if (request->stage == STOPPING) {
            if (!rewrite_call(request)) {
                (void)ptrace(PTRACE_DETACH, pid, 0, 0);
                send_exec_end(request->id, END_FAILED, false, 0);
                finish_request(request);
                return;
            }
            request->stage = RESTARTED;
        }
        /* A group stop is not ours: the process stays stopped until it is continued. */
        bool group_stop = signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
        (void)ptrace(group_stop ? PTRACE_LISTEN : PTRACE_SYSCALL, pid, 0, 0);
        return;
    }
    if (signal == (SIGTRAP | 0x80)) {
        handle_system_call_stop(request);
        return;
    }
    (void)ptrace(PTRACE_SYSCALL, pid, 0, (void *)(intptr_t)signal);
}

static void tell_stand_in(struct request *request, char kind, int32_t value, const char *text) {
    if (request->socket.fd >= 0)
        (void)send_init_message(request->socket.fd, (enum init_message_kind)kind, value, text, -1);
}

static void tell_stop(struct request *request, int signal, uint32_t number) {
    if (request->socket.fd >= 0)
        (void)send_stop_message(request->socket.fd, INIT_STOPPED, signal, number);
}

/* Forks into the tree's cgroup. Moving there afterwards takes a lock of the whole system and most of a millisecond. */
pid_t fork_into_cgroup(bool *joined) {
    any_escalation = true;
    static int cgroup_fd = -1;
    *joined = false;
    if (broker.launch.cgroup[0] == '\0')
        return fork();
    if (cgroup_fd < 0)
        cgroup_fd = RETRY(open(broker.launch.cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct clone_args arguments = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup_fd};
    pid_t pid = cgroup_fd < 0 ? -1 : (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    *joined = pid >= 0;
    return pid >= 0 ? pid : fork();
}

static void start_real_program(struct request *request) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        tell_stand_in(request, 'F', errno, "starting outside");
        return;
    }
    if (request->bounded)
        request->wall_messages_fd = memfd_create("sallyport-wall", MFD_CLOEXEC);
    bool denies_reads = !request->bounded && request->deny_read[0] != NULL;
    struct escalation escalation = {
        .intercept = true,
        .state = &request->state,
        .program_fd = request->chain.files[request->chain_index].path_fd,
        .argv = request->argv,
        .env = request->env,
        .cwd = request->cwd,
        .denies_reads = denies_reads,
        .read_ruleset = denies_reads ? ruleset_denying_reads(request->deny_read) : -1,
        .cgroups = broker.cgroups,
        .broker_session = broker.session,
        .usual_capabilities = broker.usual_capabilities,
    };
    bool joined;
    pid_t pid = fork_into_cgroup(&joined);
    if (pid == 0) {
        (void)close(pair[0]);
        escalation.cgroups += joined;
        if (request->bounded)
            become_bounded(&escalation, &request->bounds, &broker.probe_targets, pair[1], request->wall_messages_fd);
        become_escalated(&escalation, pair[1]);
    }
    (void)close(pair[1]);
    if (request->bounded)
        (void)fcntl(pair[0], F_SETFL, O_NONBLOCK); /* an init that somebody has stopped must not stop us */
    request->report = (struct source){SOURCE_REPORT, pair[0]};
    if (pid < 0) {
        tell_stand_in(request, 'F', errno, "starting outside");
        close_source(&request->report);
        return;
    }
    request->real_pid = pid;
    watch_source(&request->report, EPOLLIN);
    struct process *process = know_process(pid, &pid);
    if (process != NULL)
        process->request_id = request->id;
    caller_state_release(&request->state);
    request->has_state = false;
    chain_close(&request->chain);
}

static struct request *request_of_source(const struct source *source) {
    for (struct request *request = requests; request != NULL; request = request->next)
        if (&request->socket == source || &request->report == source)
            return request;
    return NULL;
}

/* --- a sandbox of its own --- */

static void tell_wall_failure(struct request *request, const char *probed) {
    char what[BOUNDS_FAILURE_SIZE];
    read_bounds_failure(request->wall_messages_fd, probed, what);
    tell_stand_in(request, 'F', 0, what);
}

static void end_bounded(struct request *request, int status) {
    if (request->ended)
        return;
    request->ended = true;
    send_exec_end(request->id, END_ENDED, true, status);
    tell_stand_in(request, 'X', status, "");
}

static void obey_bounded_init(struct request *request, const struct init_message *message, int *passed_fd) {
    switch ((enum init_message_kind)message->kind) {
    case INIT_LISTENER:
        if (*passed_fd >= 0)
            add_listener(steal_fd(passed_fd), IN_BOUNDS, ANY_STARTER);
        return;
    case INIT_RUNS:
        request->runs = true;
        tell_stand_in(request, 'G', 0, ""); /* the stand-in lets go of the caller's descriptors */
        return;
    case INIT_STOPPED:
        if (!holds_tree()) /* else by us, while a person is asked */
            tell_stop(request, message->value, message->stops);
        return;
    case INIT_PROBED:
        if (message->text[0] != '\0')
            tell_wall_failure(request, message->text);
        return;
    case INIT_FAILED:
        tell_stand_in(request, 'F', message->value, message->text);
        return;
    case INIT_ENDED:
        end_bounded(request, message->value);
        return;
    case INIT_SIGNAL:
    case INIT_SIGNAL_ALL:
    case INIT_RESUME:
    case INIT_WRAPPERS:  /* those are ours to send */
    case INIT_CONTINUED: /* its stand-in knows */
    default:
        return;
    }
}

static void handle_bounded_report(struct request *request) {
    struct init_message message;
    int passed_fd;
    if (receive_init_message(request->report.fd, &message, &passed_fd) == 1)
        obey_bounded_init(request, &message, &passed_fd);
    else
        close_source(&request->report); /* bubblewrap's end follows */
    cleanup_fd(&passed_fd);
}

/* What it said before its end comes before its end: why it did not start would not be told otherwise. */
static void read_reports(struct request *request) {
    struct pollfd polled = {request->report.fd, POLLIN, 0};
    while (request->report.fd >= 0 && poll(&polled, 1, 0) == 1)
        handle_report(&request->report);
}

/* bubblewrap has ended, and the sandbox with it. */
static bool handle_bounded_status(struct request *request, int status) {
    if (WIFSTOPPED(status))
        return true; /* by somebody outside: that is not the program, and init tells of that one */
    read_reports(request);
    if (!request->ended && !request->runs)
        tell_wall_failure(request, "");
    end_bounded(request, request->runs ? SIGKILL : EXIT_OWN_FAILURE << 8);
    request->real_pid = 0;
    if (request->socket.fd < 0)
        finish_request(request); /* nobody waits for it any more */
    return true;
}

/* The child that becomes the real program: first its listener, then nothing (its exec succeeded), or what failed. */
void handle_report(struct source *source) {
    struct request *request = request_of_source(source);
    if (request->bounded) {
        handle_bounded_report(request);
        return;
    }
    struct init_message message;
    int passed_fd;
    int got = receive_init_message(source->fd, &message, &passed_fd);
    if (got != 1) {
        close_source(source);
        tell_stand_in(request, 'G', 0, ""); /* it runs; the stand-in lets go of the caller's descriptors */
        return;
    }
    if (message.kind == INIT_LISTENER && passed_fd >= 0)
        add_listener(steal_fd(&passed_fd), OUTSIDE, request->real_pid);
    else if (message.kind == INIT_FAILED) {
        close_source(source);
        tell_stand_in(request, 'F', message.value, message.text);
    }
    cleanup_fd(&passed_fd);
}

static void attach_stand_in(struct listener *listener, struct request *request, uint64_t notification_id) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        die("no socket for a stand-in: %s", strerror(errno));
    struct seccomp_notif_addfd inject = {
        .id = notification_id, .flags = SECCOMP_ADDFD_FLAG_SEND, .srcfd = (uint32_t)pair[1], .newfd_flags = O_CLOEXEC};
    int given = ioctl(listener->source.fd, SECCOMP_IOCTL_NOTIF_ADDFD, &inject);
    (void)close(pair[1]);
    /* The attack: somebody inside takes the stand-in's place and never reads; we must not wait for that. */
    (void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
    request->socket = (struct source){SOURCE_STAND_IN, pair[0]};
    request->stage = ATTACHED;
    struct process *process = *process_slot(request->tgid);
    if (process != NULL)
        process->reports = false; /* the record ends with the real program, or with the refusal */
    if (given < 0) {              /* it was killed on the way */
        send_exec_end(request->id, END_VANISHED, false, 0);
        finish_request(request);
        return;
    }
    watch_source(&request->socket, EPOLLIN);
    if (request->verdict == VERDICT_DENY)
        tell_stand_in(request, 'D', 0, request->deny_text);
    else
        start_real_program(request);
}

/* A signal that the stand-in received. The terminal sends its own to the whole group, so the real program, a member, has
 * that one already. */
static void pass_signal(struct request *request, int signal, bool from_terminal, uint32_t known_stops) {
    bool same_group = getpgid(request->real_pid) == getpgid(request->tgid);
    if (request->real_pid <= 0 || (from_terminal && same_group))
        return;
    if (request->bounded && request->report.fd >= 0)
        (void)send_stop_message(request->report.fd, INIT_SIGNAL, signal, known_stops);
    else if (takes_signal(&request->stops, request->real_pid, signal, known_stops))
        (void)kill(request->real_pid, signal);
}

void handle_stand_in(struct source *source) {
    struct request *request = request_of_source(source);
    struct init_message message;
    int passed_fd;
    int got = receive_init_message(source->fd, &message, &passed_fd);
    cleanup_fd(&passed_fd);
    if (got == 1) {
        if (message.kind == 'S')
            pass_signal(request, message.value, message.text[0] == 'k', message.stops);
        return;
    }
    /* It is gone. Killed before its program ended: then the program goes the same way. */
    if (request->real_pid > 0) {
        (void)kill(request->real_pid, SIGKILL);
        close_source(source);
        return;
    }
    if (!request->ended)
        send_exec_end(request->id, END_ENDED, request->verdict == VERDICT_DENY, 1 << 8);
    finish_request(request);
}

static bool handle_real_program(struct request *request, int status) {
    if (WIFSTOPPED(status)) {
        if (is_stopped(request->real_pid)) /* else it goes on already */
            tell_stop(request, WSTOPSIG(status), ++request->stops.count);
        return true;
    }
    read_reports(request);
    request->real_pid = 0;
    request->ended = true;
    send_exec_end(request->id, END_ENDED, true, status);
    tell_stand_in(request, 'X', status, "");
    if (request->socket.fd < 0)
        finish_request(request); /* nobody waits for it any more */
    return true;
}

/* The request whose redirection a stop or an end is about. A thread that executes takes over its process's id; its own tells
 * which one it was. */
static struct request *request_of_redirected(pid_t pid, int status) {
    unsigned long former = 0;
    if (WIFSTOPPED(status) && status >> 16 == PTRACE_EVENT_EXEC && ptrace(PTRACE_GETEVENTMSG, pid, 0, &former) == 0)
        pid = (pid_t)former;
    for (struct request *request = requests; request != NULL; request = request->next)
        if ((request->stage == STOPPING || request->stage == RESTARTED) && request->tid == pid)
            return request;
    return NULL;
}

bool handle_wait_status(pid_t pid, int status) {
    struct request *redirected = request_of_redirected(pid, status);
    if (WIFSTOPPED(status) && redirected != NULL) {
        handle_redirect_stop(redirected, pid, status);
        return true;
    }
    if (redirected != NULL) {
        send_exec_end(redirected->id, END_VANISHED, false, 0);
        finish_request(redirected);
    }
    if (WIFSTOPPED(status) && status >> 16 != 0) {
        (void)ptrace(PTRACE_DETACH, pid, 0, 0); /* seized, then refused: let go */
        return true;
    }
    for (struct request *request = requests; request != NULL; request = request->next)
        if (request->real_pid == pid)
            return request->bounded ? handle_bounded_status(request, status) : handle_real_program(request, status);
    return handle_session_status(pid, status);
}

static bool parse_escalation(struct reader *reader, struct request *request) {
    request->chain_index = read_u32(reader);
    request->argv = read_text_vector(reader);
    request->env = read_text_vector(reader);
    request->cwd = read_text(reader);
    request->deny_read = read_text_vector(reader);
    return !reader->bad && request->chain_index < request->chain.count;
}

static bool parse_bounds(struct reader *reader, struct request *request) {
    request->chain_index = read_u32(reader);
    return bounds_parse(reader, &request->bounds) && request->chain_index < request->chain.count;
}

void apply_verdict(struct reader *reader) {
    struct request *request = find_request(read_u64(reader));
    uint8_t kind = read_u8(reader);
    if (reader->bad || kind > VERDICT_SAME)
        die("Node sent a malformed verdict");
    if (request == NULL || request->stage != WAITING)
        return; /* it vanished while Node decided, and Node was told */
    struct process *process = *process_slot(request->tgid);
    request->verdict = (enum verdict_kind)kind;
    if (request->blind) {
        refuse_request(request, END_FAILED);
        return;
    }
    if (kind == VERDICT_SAME && !is_the_same(request)) {
        refuse_request(request, END_CHANGED);
        return;
    }
    if (kind == VERDICT_STAND)
        standing_remember(&request->key);
    if (kind == VERDICT_RUN || kind == VERDICT_STAND || kind == VERDICT_SAME) {
        if (process != NULL) {
            process->request_id = request->id;
            process->reports = true;
        }
        if (!answer(request->listener, request->notification_id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE))
            send_exec_end(request->id, END_VANISHED, false, 0);
        finish_request(request);
        return;
    }
    if (kind == VERDICT_DENY) {
        request->deny_text = read_text(reader);
    } else {
        request->bounded = kind == VERDICT_BOUNDED;
        if (request->bounded ? !parse_bounds(reader, request) : !parse_escalation(reader, request))
            die("Node sent a malformed escalation");
        request->has_state =
            process != NULL && caller_state_take(&request->state, &request->target, process->source.fd);
        if (!request->has_state) {
            refuse_request(request, END_FAILED);
            return;
        }
    }
    redirect(request);
}

/* A loader names the program that it runs; Node asks what that name means to the waiting caller. */
void answer_resolve(struct reader *reader) {
    struct request *request = find_request(read_u64(reader));
    uint64_t token = read_u64(reader);
    char *path = read_text(reader);
    if (reader->bad)
        die("Node sent a malformed question");
    size_t frame = buffer_begin_frame(&broker.out, FRAME_RESOLVED);
    buffer_u64(&broker.out, token);
    struct exec_chain chain = {0};
    int error = ESRCH;
    if (request != NULL && request->stage == WAITING)
        error = resolve_chain(&request->target, -1, path, true, &chain);
    buffer_i32(&broker.out, error < 0 ? EACCES : error);
    chain_append(&chain, &broker.out);
    buffer_end_frame(&broker.out, frame);
    chain_close(&chain); /* its descriptors are not kept: Node reads such a file by path, if at all */
    free(path);
}
