/*   terminal: the caller's own             terminal: a pty of ours (-t)
 *
 *   shell                                  shell
 *     `- Node, broker     one group          `- Node                caller's session
 *          `- init                                `- broker         leads the pty's session
 *               `- command   leads a group             `- init
 *                                                           `- command   leads a group, in the foreground
 *
 * In both the broker is a member of the session, so that what it starts outside can join the groups inside, and a key
 * reaches both with one signal from the kernel. */
#define _GNU_SOURCE
#include "terminal.h"
#include "broker.h"
#include "freeze.h"
#include "question.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum { FIRST_OWN_FD = CONTROL_FD + 1, REST_READS = 1024, USUAL_ROWS = 24, USUAL_COLUMNS = 80 };

static struct source output = {SOURCE_TERMINAL, -1}; /* the master of a pty, or a merged pipe's end that is read */
static struct buffer typed;                          /* input that the pty has not taken yet */
static int session_fd =
    -1; /* the terminal of our session, shared with the command; -1: there is none, or it is not wanted */
static bool job_has_stopped;  /* by a key that our own group got */
static bool holds_foreground; /* we gave the foreground to the command */
static int outer_fd = -1;     /* the caller's terminal while it is in raw mode for the pty's sake */
static struct termios outer_modes;
static int size_fd = -1;           /* the caller's terminal, whose size the pty has */
static struct termios first_modes; /* of the session's terminal, before the command */
static bool knows_first_modes;
static struct winsize first_size; /* what the terminal was said to have then */

/* --- the pty, or a pipe that merges what the command prints --- */

void watch_terminal(void) {
    if (output.fd < 0)
        return;
    /* What the job has said meanwhile must not be printed into a question. */
    struct epoll_event event = {(broker.listeners_paused || holds_tree() ? 0U : (uint32_t)EPOLLIN) |
                                    (typed.length > 0 ? (uint32_t)EPOLLOUT : 0U),
                                {.ptr = &output}};
    (void)epoll_ctl(broker.epoll_fd, EPOLL_CTL_MOD, output.fd, &event);
}

/* Types as much as the pty takes; the rest waits until the program has read. */
static void type_input(void) {
    bool had_input = typed.length > 0;
    while (typed.length > 0) {
        ssize_t written = output.fd < 0 || !broker.launch.pty ? (ssize_t)typed.length
                                                              : RETRY(write(output.fd, typed.data, typed.length));
        if (written <= 0)
            break;
        buffer_drop(&typed, (size_t)written);
    }
    /* Node sends more only then: input that nobody reads must not fill our memory. */
    if (had_input && typed.length == 0)
        buffer_end_frame(&broker.out, buffer_begin_frame(&broker.out, FRAME_INPUT_TAKEN));
    watch_terminal();
}

void type_into_terminal(struct reader *reader) {
    struct slice input = read_string(reader);
    static bool within_line;
    struct termios modes;
    if (input.length > 0) {
        within_line = input.bytes[input.length - 1] != '\n' && input.bytes[input.length - 1] != '\r';
        buffer_bytes(&typed, input.bytes, input.length);
    } else if (output.fd >= 0 && tcgetattr(output.fd, &modes) == 0) {
        /* The input has ended, and a terminal says so with a key: the first one ends a line that is begun. */
        for (int times = within_line ? 2 : 1; times > 0; times--)
            buffer_u8(&typed, modes.c_cc[VEOF]);
    }
    type_input();
}

/* No rows: as the caller's terminal. */
static struct winsize size_of(uint32_t rows, uint32_t columns) {
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    if (rows == 0 && (size_fd < 0 || ioctl(size_fd, TIOCGWINSZ, &size) != 0 || size.ws_row == 0))
        size = (struct winsize){.ws_row = USUAL_ROWS, .ws_col = USUAL_COLUMNS};
    return size;
}

void resize_terminal(struct reader *reader) {
    uint32_t rows = read_u32(reader);
    struct winsize size = size_of(rows, read_u32(reader));
    if (output.fd >= 0)
        (void)ioctl(output.fd, TIOCSWINSZ, &size);
}

/* False when there is nothing to read. */
static bool read_terminal(void) {
    uint8_t bytes[16384];
    ssize_t got = RETRY(read(output.fd, bytes, sizeof bytes));
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            close_source(&output); /* EIO: the last slave is closed */
        return false;
    }
    size_t frame = buffer_begin_frame(&broker.out, FRAME_OUTPUT);
    buffer_string(&broker.out, bytes, (size_t)got);
    buffer_end_frame(&broker.out, frame);
    return true;
}

void handle_terminal(uint32_t events) {
    if ((events & EPOLLOUT) != 0)
        type_input();
    if ((events & (EPOLLIN | EPOLLHUP)) != 0)
        (void)read_terminal();
}

/* What the program printed last is still in the pty or pipe; bounded, should something that we could not end still print. */
void read_rest_of_terminal(void) {
    for (int reads = 0; reads < REST_READS && output.fd >= 0 && read_terminal(); reads++)
        ;
}

static int watch_output(int read_fd, int write_fd) {
    (void)fcntl(read_fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(write_fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(read_fd, F_SETFL, O_NONBLOCK);
    output.fd = read_fd;
    watch_source(&output, EPOLLIN);
    return write_fd;
}

static int open_merged_pipe(void) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        die("making a pipe for the output: %s", strerror(errno));
    return watch_output(ends[0], ends[1]);
}

static int open_pty(void) {
    int master, slave;
    for (int fd = 0; fd <= 2 && size_fd < 0; fd++)
        if (isatty(fd))
            size_fd = RETRY(fcntl(fd, F_DUPFD_CLOEXEC, FIRST_OWN_FD));
    struct winsize size = size_of(broker.launch.rows, broker.launch.columns);
    if (openpty(&master, &slave, NULL, NULL, &size) != 0)
        die("opening a pty: %s", strerror(errno));
    return watch_output(master, slave);
}

/* Every key goes to the pty as it is, and what the pty says comes out as it is: line editing, echo, signals and line ends
 * are the pty's business. Only while the caller has the foreground: in the background its shell uses these modes. */
static void make_outer_terminal_raw(void) {
    if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != broker.group || tcgetattr(STDIN_FILENO, &outer_modes) != 0)
        return;
    outer_fd = RETRY(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST_OWN_FD));
    struct termios raw = outer_modes;
    cfmakeraw(&raw);
    if (outer_fd >= 0)
        (void)tcsetattr(outer_fd, TCSANOW, &raw);
}

/* The broker leads the pty's session, so that programs outside can have that terminal too. */
static int lead_session_of_pty(void) {
    make_outer_terminal_raw();
    if (setsid() < 0 && getsid(0) != getpid())
        die("making a session for the pty: %s", strerror(errno));
    broker.session = broker.group = getpid();
    int slave_fd = open_pty();
    if (ioctl(slave_fd, TIOCSCTTY, 0) != 0)
        die("taking the pty as terminal: %s", strerror(errno));
    session_fd = RETRY(fcntl(slave_fd, F_DUPFD_CLOEXEC, FIRST_OWN_FD));
    holds_foreground = true;
    return slave_fd;
}

static void find_session_terminal(void) {
    for (int fd = 0; fd <= 2 && session_fd < 0; fd++)
        if (isatty(fd) && tcgetsid(fd) == broker.session)
            session_fd = RETRY(fcntl(fd, F_DUPFD_CLOEXEC, FIRST_OWN_FD));
    knows_first_modes = session_fd >= 0 && tcgetattr(session_fd, &first_modes) == 0;
    if (session_fd >= 0)
        (void)ioctl(session_fd, TIOCGWINSZ, &first_size);
    /* Only who has the foreground may hand it on. */
    holds_foreground = session_fd >= 0 && tcgetpgrp(session_fd) == broker.group;
}

int prepare_terminal(void) {
    int output_fd = broker.launch.merged_output ? open_merged_pipe() : -1;
    if (broker.launch.pty)
        output_fd = broker.launch.guarded ? lead_session_of_pty() : open_pty();
    else if (broker.launch.guarded && broker.launch.terminal != TERMINAL_NONE)
        find_session_terminal();
    broker.launch.terminal = session_fd < 0     ? TERMINAL_NONE
                             : holds_foreground ? TERMINAL_FOREGROUND
                                                : TERMINAL_BACKGROUND;
    return output_fd;
}

/* --- the foreground --- */

/* Is there an ancestor of `pid`, or itself, of that group? */
static bool descends_from_group(pid_t pid, pid_t group) {
    for (; pid > 1; pid = parent_of(pid))
        if (getpgid(pid) == group)
            return true;
    return false;
}

static bool descends_from_us(pid_t pid) {
    for (; pid > 1; pid = parent_of(pid))
        if (pid == broker.pid)
            return true;
    return false;
}

/* Our job's own group has it, or a command of another Sallyport in the same pipeline. */
static bool job_has_foreground(void) {
    pid_t group = tcgetpgrp(session_fd);
    return group == broker.group || (group > 0 && descends_from_group(group, broker.group));
}

/* No shell is above us that could continue what stops: then the kernel lets nothing stop that shares our group, and ends
 * what is stopped. */
static bool group_is_orphaned(void) {
    for (pid_t pid = getppid(); pid > 0; pid = parent_of(pid))
        if (getpgid(pid) != broker.group)
            return getsid(pid) != broker.session;
    return true;
}

/* Its leader may have ended; all of it may have, and the shell inside has not noticed yet. */
static bool group_is_ours(pid_t group) {
    if (holds_foreground && kill(-group, 0) != 0 && errno == ESRCH)
        return true;
    size_t count, vanished;
    struct descendant *tree = list_living_descendants(&count, &vanished);
    bool found = false;
    for (size_t i = 0; i < count && !found; i++)
        found = getpgid(tree[i].pid) == group;
    free(tree);
    return found;
}

const char *find_foreground(int fd, pid_t *group) {
    if (broker.launch.pty)
        return NULL;
    *group = tcgetpgrp(fd);
    return *group == broker.group || group_is_ours(*group) ? NULL : "the terminal is another job's at the moment";
}

int open_persons_terminal(pid_t *group, const char **why) {
    *group = 0;
    if (broker.launch.pty && outer_fd < 0) {
        *why = "no terminal to ask at: with -t it is the one on stdin";
        return -1;
    }
    if (broker.launch.pty) {
        char path[40];
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", outer_fd);
        int fd = RETRY(open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
        /* Of another user, as after su. Shared flags do no harm here: the command has another terminal. */
        return fd >= 0 ? fd : RETRY(fcntl(outer_fd, F_DUPFD_CLOEXEC, FIRST_OWN_FD));
    }
    if (session_fd >= 0)
        (void)ioctl(session_fd, TIOCNXCL); /* the job may have closed it to others */
    int fd = RETRY(open("/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    if (fd < 0) {
        *why = "there is no terminal to ask at";
        return -1;
    }
    *why = find_foreground(fd, group);
    if (*why == NULL)
        return fd;
    (void)close(fd);
    return -1;
}

pid_t job_in_foreground(void) {
    pid_t group = broker.launch.pty && session_fd >= 0 ? tcgetpgrp(session_fd) : 0;
    return group > 0 ? group : 0;
}

unsigned char persons_erase_key(void) {
    const struct termios *modes = outer_fd >= 0 ? &outer_modes : &first_modes;
    return outer_fd >= 0 || knows_first_modes ? modes->c_cc[VERASE] : 0x7f;
}

/* With a pty the job has no hold on the size of the person's terminal. */
bool size_before_job(struct winsize *size) {
    *size = first_size;
    return !broker.launch.pty && session_fd >= 0;
}

void restore_outer_terminal(void) {
    if (outer_fd >= 0)
        (void)tcsetattr(outer_fd, TCSANOW, &outer_modes);
    cleanup_fd(&outer_fd);
}

void give_terminal_back(void) {
    if (session_fd < 0 || !holds_foreground)
        return;
    holds_foreground = false;
    /* A shell that has stopped us by force has taken it already, for itself or for another job. */
    pid_t group = tcgetpgrp(session_fd);
    if (descends_from_us(group) || (kill(group, 0) != 0 && errno == ESRCH))
        (void)tcsetpgrp(session_fd, broker.group); /* SIGTTOU is blocked here */
}

static void resume(bool in_foreground) {
    holds_foreground = in_foreground;
    if (broker.init.fd >= 0)
        (void)send_init_message(broker.init.fd, INIT_RESUME, in_foreground ? RESUME_IN_FOREGROUND : RESUME, "", -1);
}

/* The whole job stops with the command, by the same signal, as a shell expects. */
void handle_stop(int signal) {
    if (session_fd < 0)
        return;
    /* By us, while a person is asked; or told late, and it goes on already. */
    pid_t command = first_command_pid();
    if (holds_tree() || (command > 0 && !is_stopped(command)))
        return;
    bool wants_terminal = signal == SIGTTIN || signal == SIGTTOU;
    if (wants_terminal && job_has_foreground()) {
        resume(true);
        return;
    }
    if (group_is_orphaned()) {
        if (signal == SIGSTOP)
            return;
        if (wants_terminal) /* it will never get it */
            (void)send_init_message(broker.init.fd, INIT_SIGNAL, SIGHUP, "", -1);
        resume(!wants_terminal && holds_foreground);
        return;
    }
    give_terminal_back();
    if (job_has_stopped)
        return;
    (void)kill(0, signal); /* Node, and the rest of a pipeline; for us it is blocked unless it is SIGSTOP */
}

/* A shell brings a job that runs to the foreground without a word: then the keys come to our group, until the first of them
 * tells us. SIGINT and SIGQUIT are passed on by Node. */
void handle_terminal_signal(const struct signalfd_siginfo *information) {
    int number = (int)information->ssi_signo;
    bool is_passed = number == SIGTSTP || number == SIGWINCH;
    bool is_key = is_passed || number == SIGINT || number == SIGQUIT;
    if (holds_tree() || !is_key || information->ssi_code != SI_KERNEL || session_fd < 0 ||
        tcgetpgrp(session_fd) != broker.group)
        return;
    holds_foreground = true;
    (void)send_init_message(broker.init.fd, INIT_RESUME, RESUME_FOREGROUND_ONLY, "", -1);
    job_has_stopped |= number == SIGTSTP;
    if (is_passed)
        (void)send_init_message(broker.init.fd, INIT_SIGNAL, number, "", -1);
}

void handle_continue(void) {
    if (session_fd < 0)
        return;
    job_has_stopped = false;
    if (holds_tree()) {
        take_question_up_again();
        return;
    }
    pid_t group = tcgetpgrp(session_fd);
    bool kept = holds_foreground && group != broker.group && descends_from_us(group);
    resume(group == broker.group);
    holds_foreground |= kept; /* a job of the command has it, and not the command itself */
}
