/* Says "ready", then each signal that arrives and each line that it reads; ends at the end of its input. Stops itself as a
 * program would that puts the screen in order first. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void stop_now(void) {
    sigset_t one;
    (void)sigemptyset(&one);
    (void)sigaddset(&one, SIGTSTP);
    (void)raise(SIGTSTP);
    (void)sigprocmask(SIG_UNBLOCK, &one, NULL);
    (void)sigprocmask(SIG_BLOCK, &one, NULL);
}

static void tell(int number) {
    struct winsize size = {0};
    if (number == SIGWINCH && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
        printf("got WINCH %hu %hu\n", size.ws_row, size.ws_col);
    else if (number != SIGWINCH)
        printf("got %s\n", sigabbrev_np(number));
    if (number == SIGTSTP)
        stop_now();
}

int main(void) {
    static const int watched[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH, SIGUSR1};
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++)
        (void)sigaddset(&set, watched[i]);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGTTIN, SIG_IGN); /* in a pid namespace of its own it can't tell whose the terminal is */
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    struct pollfd polled[2] = {{STDIN_FILENO, POLLIN, 0}, {signalfd(-1, &set, 0), POLLIN, 0}};
    printf("ready\n");
    for (;;) {
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            return 1;
        struct signalfd_siginfo information;
        if (polled[1].revents != 0 && read(polled[1].fd, &information, sizeof information) > 0)
            tell((int)information.ssi_signo);
        char line[200];
        /* In the background, what is typed is the shell's. */
        bool may_read = polled[0].revents != 0 && (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) == getpgrp());
        ssize_t length = !may_read ? -1 : read(STDIN_FILENO, line, sizeof line - 1);
        if (length == 0)
            return 7;
        if (length > 0)
            printf("read %.*s", (int)length, line);
    }
}
