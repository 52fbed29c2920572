/*   Node                      starter                    keeper                    program
 *     | -- PROGRAM ------------> | makes pipes, forks ----> | -- forks, executes ----> |
 *     | <------ PROGRAM_PIPES -- |                          |                          |
 *     | opens its ends           |                          |                          |
 *     | -- PROGRAM_OPENED -----> | closes them              |                          |
 *     | <------ PROGRAM_EVENT -- | <-- STARTED, ENDED ... - | <-- ends --------------- |
 *     | <------- PROGRAM_GONE -- | <-- ends                 |                          |
 *
 * A fork of this small process is cheap, and a spawn of Node's is not. A keeper is the broker of one program: it is a process of its own
 * because only a subreaper can tell whose orphan an orphan is. It ends its tree when the starter disappears, as the starter does when
 * Node disappears. The orphans of a keeper that was killed become the starter's children, and it ends them. */
#define _GNU_SOURCE
#include "starter.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEEPER_FRAME_CAP = 65536 };

struct keeper {
    struct source source; /* our end of its control socket */
    uint32_t id;
    pid_t pid;
    bool opened; /* Node has its ends of the pipes, or will never want them */
    bool reaped;
    int status;
    int ends[3]; /* Node's, until it has opened them */
    struct buffer in;
    struct keeper *next;
};

struct program_pipes {
    int control[2];
    int theirs[3], ours[3]; /* the program's ends, and Node's */
};

static struct keeper *keepers;
static bool starting_programs;

void become_starter(void) {
    starting_programs = true;
    (void)prctl(PR_SET_NAME, "sallyport-start", 0, 0, 0);
}

bool is_starter(void) {
    return starting_programs;
}

static struct keeper *find_keeper(uint32_t id) {
    struct keeper *keeper = keepers;
    while (keeper != NULL && keeper->id != id)
        keeper = keeper->next;
    return keeper;
}

static void send_gone(uint32_t id, int status, int error) {
    size_t frame = buffer_begin_frame(&broker.out, FRAME_PROGRAM_GONE);
    buffer_u32(&broker.out, id);
    buffer_i32(&broker.out, status);
    buffer_i32(&broker.out, error);
    buffer_end_frame(&broker.out, frame);
}

static void send_pipes(uint32_t id, const int ends[3]) {
    size_t frame = buffer_begin_frame(&broker.out, FRAME_PROGRAM_PIPES);
    buffer_u32(&broker.out, id);
    for (int fd = 0; fd <= 2; fd++)
        buffer_i32(&broker.out, ends[fd]);
    buffer_end_frame(&broker.out, frame);
    flush_control(); /* Node opens them while we fork */
}

/* --- pipes: Node would make sockets, and a program can't open /dev/stdin when that is a socket --- */

static void close_pipes(struct program_pipes *pipes) {
    for (int at = 0; at <= 1; at++)
        cleanup_fd(&pipes->control[at]);
    for (int fd = 0; fd <= 2; fd++) {
        cleanup_fd(&pipes->theirs[fd]);
        cleanup_fd(&pipes->ours[fd]);
    }
}

static bool open_pipes(struct program_pipes *pipes) {
    *pipes = (struct program_pipes){{-1, -1}, {-1, -1, -1}, {-1, -1, -1}};
    bool opened = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pipes->control) == 0;
    for (int fd = 0; fd <= 2 && opened; fd++) {
        int ends[2];
        opened = pipe2(ends, O_CLOEXEC) == 0;
        if (opened) {
            pipes->theirs[fd] = ends[fd == STDIN_FILENO ? 0 : 1];
            pipes->ours[fd] = ends[fd == STDIN_FILENO ? 1 : 0];
        }
    }
    int error = errno;
    if (!opened)
        close_pipes(pipes);
    errno = error;
    return opened;
}

/* --- keepers --- */

static _Noreturn void become_keeper(const struct program_pipes *pipes, struct reader *launch_reader) {
    starting_programs = false;
    for (int fd = 0; fd <= 2; fd++)
        if (dup2(pipes->theirs[fd], fd) < 0)
            die("using our own pipes: %s", strerror(errno));
    if (dup2(pipes->control[1], CONTROL_FD) < 0)
        die("using our own control socket: %s", strerror(errno));
    keep_program(launch_reader);
}

static void watch_keeper(uint32_t id, pid_t pid, struct program_pipes *pipes) {
    struct keeper *keeper = allocate(sizeof *keeper);
    keeper->source = (struct source){SOURCE_KEEPER, steal_fd(&pipes->control[0])};
    keeper->id = id;
    keeper->pid = pid;
    for (int fd = 0; fd <= 2; fd++)
        keeper->ends[fd] = steal_fd(&pipes->ours[fd]);
    keeper->next = keepers;
    keepers = keeper;
    watch_source(&keeper->source, EPOLLIN);
}

static void start_program(struct reader *reader) {
    uint32_t id = read_u32(reader);
    if (reader->bad || find_keeper(id) != NULL)
        die("Node sent a malformed start of a program");
    struct program_pipes pipes;
    if (!open_pipes(&pipes)) {
        send_gone(id, 0, errno);
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        become_keeper(&pipes, reader);
    if (pid < 0) {
        send_gone(id, 0, errno);
    } else {
        send_pipes(id, pipes.ours);
        watch_keeper(id, pid, &pipes);
    }
    close_pipes(&pipes);
}

static void let_go_of_ends(struct keeper *keeper) {
    keeper->opened = true;
    for (int fd = 0; fd <= 2; fd++)
        cleanup_fd(&keeper->ends[fd]);
}

/* Told when both its socket and its process have ended; forgotten when Node has opened the pipes besides, which may come later. */
static void forget_if_over(struct keeper *keeper) {
    if (!keeper->reaped || keeper->source.fd >= 0)
        return;
    if (keeper->pid > 0)
        send_gone(keeper->id, keeper->status, 0);
    keeper->pid = 0;
    if (!keeper->opened)
        return;
    struct keeper **link = &keepers;
    while (*link != keeper)
        link = &(*link)->next;
    *link = keeper->next;
    buffer_free(&keeper->in);
    free(keeper);
}

/* It is stopped or not reading, and so can't be asked: its program dies with it. */
static void terminate_program(struct keeper *keeper, uint32_t grace_ms) {
    struct buffer out = {0};
    size_t frame = buffer_begin_frame(&out, FRAME_TERMINATE);
    buffer_u32(&out, grace_ms);
    buffer_end_frame(&out, frame);
    ssize_t sent = RETRY(send(keeper->source.fd, out.data, out.length, MSG_NOSIGNAL | MSG_DONTWAIT));
    if (sent != (ssize_t)out.length && !keeper->reaped)
        (void)kill(keeper->pid, SIGKILL);
    buffer_free(&out);
}

/* Node may speak of a program whose end is on its way to it. */
bool handle_starter_frame(uint8_t kind, struct reader *reader) {
    if (kind == FRAME_PROGRAM) {
        start_program(reader);
        return true;
    }
    if (kind != FRAME_PROGRAM_OPENED && kind != FRAME_PROGRAM_TERMINATE)
        return false;
    struct keeper *keeper = find_keeper(read_u32(reader));
    uint32_t grace_ms = kind == FRAME_PROGRAM_TERMINATE ? read_u32(reader) : 0;
    if (reader->bad || keeper == NULL)
        return true;
    if (kind == FRAME_PROGRAM_OPENED) {
        let_go_of_ends(keeper);
        forget_if_over(keeper);
    } else if (keeper->source.fd >= 0) {
        terminate_program(keeper, grace_ms);
    }
    return true;
}

/* False when it said what a keeper does not say. */
static bool pass_frames_on(struct keeper *keeper) {
    size_t used = 0;
    while (keeper->in.length - used >= FRAME_HEADER) {
        struct reader header = {keeper->in.data + used, keeper->in.data + keeper->in.length, false};
        uint32_t length = read_u32(&header);
        (void)read_u8(&header);
        uint8_t kind = read_u8(&header);
        if (length > KEEPER_FRAME_CAP)
            return false;
        if (keeper->in.length - used - FRAME_HEADER < length)
            break;
        size_t frame = buffer_begin_frame(&broker.out, FRAME_PROGRAM_EVENT);
        buffer_u32(&broker.out, keeper->id);
        buffer_u8(&broker.out, kind);
        buffer_bytes(&broker.out, keeper->in.data + used + FRAME_HEADER, length);
        buffer_end_frame(&broker.out, frame);
        used += FRAME_HEADER + length;
    }
    buffer_drop(&keeper->in, used);
    return true;
}

void handle_keeper(struct source *source) {
    struct keeper *keeper = (struct keeper *)source;
    buffer_reserve(&keeper->in, 4096);
    ssize_t got = RETRY(
        recv(source->fd, keeper->in.data + keeper->in.length, keeper->in.capacity - keeper->in.length, MSG_DONTWAIT));
    if (got < 0 && errno == EAGAIN)
        return;
    if (got > 0) {
        keeper->in.length += (size_t)got;
        if (pass_frames_on(keeper))
            return;
        if (!keeper->reaped)
            (void)kill(keeper->pid, SIGKILL);
    }
    close_source(source);
    forget_if_over(keeper);
}

void pass_on_sigterm(void) {
    for (const struct keeper *keeper = keepers; keeper != NULL; keeper = keeper->next)
        if (!keeper->reaped)
            (void)kill(keeper->pid, SIGTERM);
}

static struct keeper *keeper_of_process(pid_t pid) {
    struct keeper *keeper = keepers;
    while (keeper != NULL && keeper->pid != pid)
        keeper = keeper->next;
    return keeper;
}

static bool is_keeper_process(pid_t pid) {
    return keeper_of_process(pid) != NULL;
}

bool handle_keeper_status(pid_t pid, int status) {
    if (!starting_programs)
        return false;
    struct keeper *keeper = keeper_of_process(pid);
    if (keeper == NULL) {
        /* An orphan of a keeper that was killed, and maybe the parent of others. */
        if (!WIFSTOPPED(status))
            kill_children(is_keeper_process);
        return true;
    }
    /* The attack: a hook stops its keeper, whose time limit then never comes. */
    if (WIFSTOPPED(status)) {
        (void)kill(pid, SIGCONT);
        return true;
    }
    keeper->reaped = true;
    keeper->status = status;
    forget_if_over(keeper);
    /* The attack: a hook kills its keeper so that what it leaves behind lives on. */
    if (WIFSIGNALED(status))
        kill_children(is_keeper_process);
    return true;
}
