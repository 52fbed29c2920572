/*   broker                 init (pid 1 of the namespace)          command
 *     | -- memfd: what to build -->  |                               |
 *     |                              | -- probe child: every attempt must fail
 *     |                              | -- fork --------------------> | wall, filter
 *     | <-- L: listener --------------------------------------------- | execve (waits for the broker)
 *     | <-- X: wait status --------- | <-- ends -------------------- |
 *
 * init itself stays outside the filters, so hostile code must never get hold of it: it is not dumpable (no ptrace, no
 * /proc/1/mem), and as the namespace's first process it cannot be killed from inside. */
#define _GNU_SOURCE
#include "init.h"
#include "caller-state.h"
#include "filter.h"
#include "freeze.h"
#include "stops.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { DRAIN_MS = 250 };

bool send_init_message(int socket_fd, enum init_message_kind kind, int32_t value, const char *text, int pass_fd) {
    struct init_message message = {.kind = (uint8_t)kind, .value = value};
    (void)snprintf(message.text, sizeof message.text, "%s", text);
    struct iovec part = {&message, sizeof message};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (pass_fd >= 0) {
        header.msg_control = control.space;
        header.msg_controllen = sizeof control.space;
        struct cmsghdr *item = CMSG_FIRSTHDR(&header);
        item->cmsg_level = SOL_SOCKET;
        item->cmsg_type = SCM_RIGHTS;
        item->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(item), &pass_fd, sizeof pass_fd);
    }
    return RETRY(sendmsg(socket_fd, &header, MSG_NOSIGNAL)) == (ssize_t)sizeof message;
}

bool send_stop_message(int socket_fd, enum init_message_kind kind, int32_t signal, uint32_t stops) {
    struct init_message message = {.kind = (uint8_t)kind, .value = signal, .stops = stops};
    return RETRY(send(socket_fd, &message, sizeof message, MSG_NOSIGNAL)) == (ssize_t)sizeof message;
}

int receive_init_message(int socket_fd, struct init_message *message, int *passed_fd) {
    *passed_fd = -1;
    struct iovec part = {message, sizeof *message};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    /* The attack: a message with two descriptors, of which the second stays open here for ever. CMSG_SPACE has room for it. */
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = CMSG_LEN(sizeof(int))};
    ssize_t length = RETRY(recvmsg(socket_fd, &header, MSG_CMSG_CLOEXEC));
    if (length <= 0)
        return length == 0 ? 0 : -1;
    struct cmsghdr *item = CMSG_FIRSTHDR(&header);
    if (item != NULL && item->cmsg_type == SCM_RIGHTS && item->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(passed_fd, CMSG_DATA(item), sizeof *passed_fd);
    message->text[sizeof message->text - 1] = '\0';
    return length == (ssize_t)sizeof *message ? 1 : -1;
}

static _Noreturn void fail(int socket_fd, const char *what) {
    (void)send_init_message(socket_fd, INIT_FAILED, errno, what, -1);
    _exit(EXIT_OWN_FAILURE);
}

void build_wall(int socket_fd, const struct wall_spec *wall) {
    if (!wall->present)
        return;
    if (!cut_capabilities(wall->keep_capabilities))
        fail(socket_fd, "cutting capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        fail(socket_fd, "setting no_new_privs");
    if (wall->landlock && !restrict_by_landlock(wall))
        fail(socket_fd, "restricting by Landlock");
    if (wall->seccomp && !install_wall_filter(wall))
        fail(socket_fd, "installing the wall's seccomp filter");
}

static bool is_named_gap(char *const *gaps, const char *name, size_t length) {
    for (; *gaps != NULL; gaps++)
        if (strlen(*gaps) == length && memcmp(*gaps, name, length) == 0)
            return true;
    return false;
}

/* Fails closed: whatever goes wrong with the probe, the command does not start. */
static void probe_wall(int socket_fd, const struct launch_spec *launch, const struct probe_targets *targets) {
    if (!launch->wall.present || !launch->wall.probing)
        return;
    int results[2];
    if (pipe2(results, O_CLOEXEC) != 0)
        fail(socket_fd, "probing the wall");
    pid_t pid = fork();
    if (pid < 0)
        fail(socket_fd, "probing the wall");
    if (pid == 0) {
        char succeeded[400];
        build_wall(socket_fd, &launch->wall);
        try_the_wall(&launch->wall, targets, succeeded, sizeof succeeded);
        bool told = write(results[1], succeeded, strlen(succeeded)) == (ssize_t)strlen(succeeded);
        _exit(told ? 0 : 1);
    }
    (void)close(results[1]);
    char succeeded[401];
    ssize_t length = RETRY(read(results[0], succeeded, sizeof succeeded - 1));
    (void)close(results[0]);
    int status;
    if (RETRY(waitpid(pid, &status, 0)) != pid || length < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        _exit(EXIT_OWN_FAILURE); /* the child has told why */
    succeeded[length] = '\0';
    (void)send_init_message(socket_fd, INIT_PROBED, 0, succeeded, -1);
    for (const char *name = succeeded; *name != '\0';) {
        size_t name_length = strcspn(name, " ");
        if (!is_named_gap(launch->wall.probe.gaps, name, name_length))
            _exit(EXIT_OWN_FAILURE);
        name += name_length + strspn(name + name_length, " ");
    }
}

/* The session's terminal, be it a pty, kept apart from the standard descriptors, which are the command's; -1: none. */
static int terminal_fd = -1;

static void keep_terminal(void) {
    for (int fd = 0; fd <= 2 && terminal_fd < 0; fd++)
        if (isatty(fd) && tcgetsid(fd) == getsid(0))
            terminal_fd = RETRY(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

static void take_foreground(pid_t group) {
    if (terminal_fd >= 0)
        (void)tcsetpgrp(terminal_fd, group); /* SIGTTOU is blocked here */
}

static void restore_signals(uint64_t ignored) {
    for (int number = 1; number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP)
            (void)signal(number, (ignored >> (number - 1) & 1) != 0 ? SIG_IGN : SIG_DFL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void restore_limits(const struct launch_spec *launch) {
    struct rlimit limit;
    if (launch->nofile_soft != 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = launch->nofile_soft < limit.rlim_max ? launch->nofile_soft : limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Inherited by everything inside, at the number that CODEX_ESCALATE_SOCKET names. */
static void place_wrappers_socket(int socket_fd, int wrappers_fd, const struct launch_spec *launch) {
    if (launch->escalate_socket == 0)
        return;
    if (RETRY(dup2(wrappers_fd, (int)launch->escalate_socket)) < 0)
        fail(socket_fd, "placing the wrappers' socket");
}

static int receive_wrappers_socket(int socket_fd, const struct launch_spec *launch) {
    if (launch->escalate_socket == 0)
        return -1;
    struct init_message message;
    int wrappers_fd;
    if (receive_init_message(socket_fd, &message, &wrappers_fd) != 1 || message.kind != INIT_WRAPPERS ||
        wrappers_fd < 0) {
        errno = EPROTO;
        fail(socket_fd, "receiving the wrappers' socket");
    }
    return wrappers_fd;
}

static _Noreturn void become_command(int socket_fd, int wrappers_fd, const struct launch_spec *launch) {
    (void)setpgid(0, 0);
    if (launch->terminal == TERMINAL_FOREGROUND)
        take_foreground(getpid());
    build_wall(socket_fd, &launch->wall);
    if (chdir(launch->cwd) != 0)
        fail(socket_fd, "entering the working directory");
    place_wrappers_socket(socket_fd, wrappers_fd, launch); /* before the limit, which may be below its number */
    restore_limits(launch);
    /* Not dumpable until here, as init; from here on the broker has to be able to read this process. */
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (launch->intercept) {
        bool killable = false;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
            fail(socket_fd, "setting no_new_privs");
        CLEANUP_FD int listener = install_exec_filter(&killable);
        if (listener < 0)
            fail(socket_fd, "installing the exec filter");
        if (!send_init_message(socket_fd, INIT_LISTENER, killable, "", listener))
            _exit(EXIT_OWN_FAILURE);
    } else if (!send_init_message(socket_fd, INIT_LISTENER, 1, "", -1)) {
        _exit(EXIT_OWN_FAILURE);
    }
    for (int fd = 0; fd <= 2; fd++)
        if (!launch->pty && (launch->closed_descriptors >> fd & 1) != 0)
            (void)close(fd);
    restore_signals(launch->ignored_signals);
    (void)execve(launch->file, launch->argv, launch->env);
    fail(socket_fd, "exec");
}

/* What is left when the command has ended gets a moment to end by itself: `echo x > >(cat)` is over before its cat. */
static void drain(void) {
    uint64_t until = monotonic_ms() + DRAIN_MS;
    sigset_t child;
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    for (;;) {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            ;
        uint64_t now = monotonic_ms();
        if (pid < 0 || now >= until)
            return;
        struct timespec wait = {0, (long)(until - now) * 1000000};
        (void)sigtimedwait(&child, NULL, &wait);
    }
}

/* What takes a caller's place is a member of that one's group, and gets what that one got. */
static bool command_leads_group = true;
static struct stops stops; /* of a program in a waiting caller's place */

static void obey(const struct init_message *message, pid_t command) {
    if (message->kind == INIT_SIGNAL && !command_leads_group &&
        !takes_signal(&stops, command, message->value, message->stops))
        return;
    if (message->kind == INIT_SIGNAL)
        (void)kill(command_leads_group ? -command : command, message->value);
    else if (message->kind == INIT_SIGNAL_ALL && getpid() == 1)
        (void)kill(-1, message->value);
    else if (message->kind == INIT_RESUME) {
        if (message->value != RESUME)
            take_foreground(command);
        if (message->value != RESUME_FOREGROUND_ONLY)
            (void)kill(-command, SIGCONT);
    }
}

/* Reaps; true with the command's status when the command itself has ended. */
static bool reap(int socket_fd, pid_t command, int *status) {
    int one;
    pid_t pid;
    while ((pid = waitpid(-1, &one, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
        if (pid != command)
            continue;
        if (WIFCONTINUED(one)) {
            if (!command_leads_group)
                (void)send_init_message(socket_fd, INIT_CONTINUED, 0, "", -1);
            continue;
        }
        if (WIFSTOPPED(one)) {
            if (command_leads_group || is_stopped(command)) /* else it goes on already */
                (void)send_stop_message(socket_fd, INIT_STOPPED, WSTOPSIG(one), ++stops.count);
            continue;
        }
        *status = one;
        return true;
    }
    return false;
}

static void read_inherited(struct reader *reader, struct inherited_state *inherited) {
    size_t left = (size_t)(reader->end - reader->at);
    reader->bad = left < sizeof *inherited;
    if (reader->bad)
        return;
    memcpy(inherited, reader->at, sizeof *inherited);
    size_t size = inherited->state.descriptor_count * sizeof inherited->state.descriptors[0];
    reader->bad = left != sizeof *inherited + size;
    inherited->state.descriptors = allocate(size);
    memcpy(inherited->state.descriptors, reader->at + sizeof *inherited, reader->bad ? 0 : size);
}

/* Returns the program's process id when it runs, or has failed to and has told why. */
static pid_t start_in_callers_place(int socket_fd, const struct launch_spec *launch,
                                    struct inherited_state *inherited) {
    command_leads_group = false;
    int running[2];
    if (pipe2(running, O_CLOEXEC) != 0)
        fail(socket_fd, "starting the program");
    pid_t pid = fork();
    if (pid < 0)
        fail(socket_fd, "starting the program");
    if (pid == 0) {
        struct escalation escalation = {.intercept = launch->intercept,
                                        .state = &inherited->state,
                                        .program_fd = inherited->program_fd,
                                        .argv = launch->argv,
                                        .env = launch->env,
                                        .cwd = launch->cwd,
                                        .usual_capabilities = inherited->usual_capabilities};
        become_in_bounds(&escalation, &launch->wall, socket_fd, running[1]);
    }
    (void)close(running[1]);
    char nothing;
    (void)!RETRY(read(running[0], &nothing, 1));
    (void)send_init_message(socket_fd, INIT_RUNS, 0, "", -1);
    (void)close(running[0]);
    return pid;
}

static _Noreturn void watch(int socket_fd, pid_t command, const sigset_t *signals) {
    int signal_fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signal_fd < 0)
        fail(socket_fd, "watching signals");
    struct pollfd polled[2] = {{socket_fd, POLLIN, 0}, {signal_fd, POLLIN, 0}};
    for (;;) {
        (void)RETRY(poll(polled, 2, -1));
        struct signalfd_siginfo information;
        while (read(signal_fd, &information, sizeof information) > 0)
            ;
        int status;
        if (reap(socket_fd, command, &status)) {
            drain();
            (void)send_init_message(socket_fd, INIT_ENDED, status, "", -1);
            _exit(0);
        }
        if (polled[0].revents != 0) {
            struct init_message message;
            int passed_fd;
            if (receive_init_message(socket_fd, &message, &passed_fd) != 1)
                _exit(EXIT_OWN_FAILURE); /* the broker is gone: with the first process the namespace ends */
            cleanup_fd(&passed_fd);
            obey(&message, command);
            if (message.kind == INIT_SIGNAL_ALL)
                (void)send_init_message(socket_fd, INIT_SIGNAL_ALL, message.value, "", -1);
        }
    }
}

/* What came along on the way here (the descriptor of this very program) must not reach the command. */
static void close_other_descriptors(int one, int other) {
    unsigned low = (unsigned)(one < other ? one : other), high = (unsigned)(one < other ? other : one);
    if (low > 3)
        (void)syscall(SYS_close_range, 3U, low - 1, 0U);
    if (high > low + 1)
        (void)syscall(SYS_close_range, low + 1, high - 1, 0U);
    (void)syscall(SYS_close_range, high + 1, ~0U, 0U);
}

void init_main(int socket_fd, int specification_fd, int error_fd) {
    if (error_fd >= 0)
        (void)RETRY(dup2(error_fd, STDERR_FILENO));
    else
        (void)close(STDERR_FILENO);
    (void)fcntl(socket_fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(specification_fd, F_SETFD, FD_CLOEXEC);
    /* The attack: code inside attaches to this process, which has no filter, and runs programs from it unseen. */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    (void)prctl(PR_SET_NAME, "sallyport-init", 0, 0, 0);
    off_t size = lseek(specification_fd, 0, SEEK_END);
    uint8_t *bytes = size <= 0 ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, specification_fd, 0);
    if (bytes == MAP_FAILED || (size_t)size < sizeof(struct init_header))
        fail(socket_fd, "reading the launch specification");
    struct init_header header;
    memcpy(&header, bytes, sizeof header);
    const uint8_t *end = bytes + sizeof header + header.launch_size;
    struct reader reader = {bytes + sizeof header, end, end > bytes + size};
    struct launch_spec launch;
    struct inherited_state inherited;
    bool parsed = !reader.bad && launch_parse(&reader, &launch);
    if (parsed && header.takes_callers_place) {
        reader = (struct reader){end, bytes + size, false};
        read_inherited(&reader, &inherited);
    } else {
        close_other_descriptors(socket_fd, specification_fd);
    }
    if (!parsed || reader.bad) {
        errno = EPROTO;
        fail(socket_fd, "reading the launch specification");
    }
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    probe_wall(socket_fd, &launch, &header.targets);
    if (launch.terminal != TERMINAL_NONE)
        keep_terminal();
    CLEANUP_FD int wrappers_fd = receive_wrappers_socket(socket_fd, &launch);
    pid_t command = header.takes_callers_place ? start_in_callers_place(socket_fd, &launch, &inherited) : fork();
    if (command < 0)
        fail(socket_fd, "starting the command");
    if (command == 0)
        become_command(socket_fd, wrappers_fd, &launch);
    if (header.takes_callers_place)
        close_other_descriptors(socket_fd, specification_fd); /* the caller's, of which the program has its own */
    cleanup_fd(&wrappers_fd);                                 /* held here too, it would never end */
    wrappers_fd = -1;
    (void)munmap(bytes, (size_t)size);
    /* The command's own ends of pipes must not stay open here, or their readers never see the end. */
    int null_fd = RETRY(open("/dev/null", O_RDWR | O_CLOEXEC));
    for (int fd = 0; fd <= 2 && null_fd >= 0; fd++)
        if (dup2(null_fd, fd) < 0)
            fail(socket_fd, "letting go of the command's descriptors");
    watch(socket_fd, command, &all);
}
