/* What a caller becomes when its program runs outside, or not at all. It asks the broker for its socket with a system call
 * that does not exist, then does what it is told:
 *
 *   D  print why not, exit 1, or die of the SIGINT that came meanwhile
 *   F  say what failed outside, exit 125
 *   G  the real program runs: let go of the caller's descriptors, pass signals on
 *   T  the real program was stopped: stop too          X  it ended: end the same way
 *
 * Every signal is blocked from before its first instruction, so none is lost and none kills it. */
#define _GNU_SOURCE
#include "init.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void print_line(const char *before, const char *text) {
    char line[700];
    int length = snprintf(line, sizeof line, "%s%s\n", before, text);
    if (length > 0)
        (void)!write(STDERR_FILENO, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

/* Raises a signal as if it had come now, though everything is blocked. */
static void suffer(int signal_number) {
    sigset_t one;
    (void)sigemptyset(&one);
    (void)sigaddset(&one, signal_number);
    (void)signal(signal_number, SIG_DFL);
    (void)kill(getpid(), signal_number);
    (void)sigprocmask(SIG_UNBLOCK, &one, NULL);
    (void)sigprocmask(SIG_BLOCK, &one, NULL);
}

static _Noreturn void end_like(int status) {
    if (WIFSIGNALED(status)) {
        struct rlimit no_core = {0, 0}; /* the real program has dumped its own */
        (void)setrlimit(RLIMIT_CORE, &no_core);
        suffer(WTERMSIG(status));
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void let_go_of_descriptors(int socket_fd, int signal_fd) {
    unsigned low = (unsigned)(socket_fd < signal_fd ? socket_fd : signal_fd);
    unsigned high = (unsigned)(socket_fd < signal_fd ? signal_fd : socket_fd);
    if (low > 0)
        (void)syscall(SYS_close_range, 0U, low - 1, 0U);
    if (high > low + 1)
        (void)syscall(SYS_close_range, low + 1, high - 1, 0U);
    (void)syscall(SYS_close_range, high + 1, ~0U, 0U);
}

static bool interrupted; /* a SIGINT was read already */

/* A program that Ctrl-C ends while it starts; a shell that waits for it goes on only when it saw another end. */
static void end_if_interrupted(void) {
    sigset_t pending;
    struct sigaction action;
    bool is_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGINT) == 1;
    if ((interrupted || is_pending) && sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
        suffer(SIGINT);
}

static uint32_t known_stops; /* of the real program: stops.h */

static void pass_on(int signal_number, char to, int socket_fd) {
    struct init_message message = {.kind = 'S', .value = signal_number, .stops = known_stops};
    message.text[0] = to;
    (void)RETRY(send(socket_fd, &message, sizeof message, MSG_NOSIGNAL));
}

/* As often as a stop may come late between two that do not. */
enum { LATE_STOPS = 8 };

/* The program stopped because another job had the terminal, and by now we have it: a shell said "fg" meanwhile, and takes us to go on. */
static bool stopped_late(int signal_number) {
    static int late;
    int terminal = signal_number == SIGTTIN || signal_number == SIGTTOU ? open("/dev/tty", O_RDONLY | O_CLOEXEC) : -1;
    bool is_late = terminal >= 0 && tcgetpgrp(terminal) == getpgrp() && late < LATE_STOPS;
    if (terminal >= 0)
        (void)close(terminal);
    late = is_late ? late + 1 : 0;
    return is_late;
}

static void obey(const struct init_message *message, int socket_fd, int signal_fd) {
    switch (message->kind) {
    case 'D':
        print_line(message->text[0] == '\0' ? "Execution denied" : "Execution denied: ", message->text);
        end_if_interrupted();
        _exit(1);
    case 'F':
        print_line("sallyport: cannot run this outside: ", message->text);
        _exit(EXIT_OWN_FAILURE);
    case 'G':
        let_go_of_descriptors(socket_fd, signal_fd);
        return;
    case 'T':
        known_stops = message->stops;
        if (stopped_late(message->value))
            pass_on(SIGCONT, 'u', socket_fd);
        else
            suffer(message->value);
        return;
    case 'X':
        end_like(message->value);
    default:
        return;
    }
}

static void pass_signal_on(const struct signalfd_siginfo *information, int socket_fd) {
    /* What the terminal sends, and what the namespace's first process does, goes to the whole group: see pass_signal(). */
    bool to_group = information->ssi_code == SI_KERNEL || information->ssi_pid == 1;
    pass_on((int)information->ssi_signo, to_group ? 'k' : 'u', socket_fd);
}

int main(int argc, char **argv) {
    int socket_fd = (int)syscall(MAGIC_SYSCALL);
    if (socket_fd < 0) {
        print_line("sallyport-stand-in: ", "only a broker starts this program");
        return EXIT_OWN_FAILURE;
    }
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    if (argc > 0)
        (void)prctl(PR_SET_NAME, slash == NULL ? argv[0] : slash + 1, 0, 0, 0);
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    int signal_fd = signalfd(-1, &all, SFD_CLOEXEC);
    struct pollfd polled[2] = {{socket_fd, POLLIN, 0}, {signal_fd, POLLIN, 0}};
    for (;;) {
        if (RETRY(poll(polled, 2, -1)) < 0)
            return EXIT_OWN_FAILURE;
        struct init_message message;
        if (polled[0].revents != 0) {
            ssize_t got = RETRY(recv(socket_fd, &message, sizeof message, 0));
            if (got != (ssize_t)sizeof message)
                return EXIT_OWN_FAILURE; /* the broker is gone; nothing is known of the real program */
            obey(&message, socket_fd, signal_fd);
        }
        struct signalfd_siginfo information = {0};
        if (polled[1].revents != 0 &&
            RETRY(read(signal_fd, &information, sizeof information)) == (ssize_t)sizeof information)
            pass_signal_on(&information, socket_fd);
        interrupted |= polled[1].revents != 0 && information.ssi_signo == SIGINT;
    }
}
