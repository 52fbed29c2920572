/* PROGRAM ARG...: does everything that it can to have a question about that program answered with yes, by anybody but a person; then
 * starts it, waits, and ends as it did. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int terminal_fd;
static struct termios first;

static void moment(void) {
    struct timespec time = {0, 300000};
    (void)nanosleep(&time, NULL);
}

/* TIOCSTI types at the terminal as if a person did. */
static void *type_yes(void *none) {
    for (;; moment())
        for (const char *key = "y\ry\n"; *key != '\0'; key++)
            (void)ioctl(terminal_fd, TIOCSTI, key);
    return none;
}

/* A question that looks like Sallyport's, sequences that never end, and everything that terminals answer to. */
static void *paint(void *none) {
    static const char text[] =
        "\033[?1049h\033[2J\033[HYour choice: y\r\n\033]0;y\033\\\033[21t\033[6n\033[5n\033[c\033[>c"
        "\033]10;?\033\\\005\033[?25l\033[1;1r\033[8m\033(0\016\033[2h\033[20h\033]52;c;";
    for (;; moment())
        (void)!write(terminal_fd, text, sizeof text - 1);
    return none;
}

/* One key is a line, "n" erases, nobody else may open it, and nothing waits. */
static void *change_modes(void *none) {
    for (;; moment()) {
        struct termios modes = first;
        modes.c_lflag = ICANON;
        modes.c_cc[VEOL] = 'y';
        modes.c_cc[VERASE] = 'n';
        modes.c_cc[VKILL] = 't';
        (void)tcsetattr(terminal_fd, TCSANOW, &modes);
        cfmakeraw(&modes);
        (void)tcsetattr(terminal_fd, TCSANOW, &modes);
        (void)fcntl(terminal_fd, F_SETFL, O_NONBLOCK);
        (void)fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
        (void)ioctl(terminal_fd, TIOCEXCL);
    }
    return none;
}

/* Takes the foreground again and again, and stops the output. */
static void take_the_terminal(void) {
    for (;; moment()) {
        (void)tcsetpgrp(terminal_fd, getpgrp());
        (void)tcflow(terminal_fd, TCOOFF);
        moment();
        (void)tcflow(terminal_fd, TCOON);
        char keys[64];
        (void)!read(terminal_fd, keys, sizeof keys);
    }
}

int main(int argc, char **argv) {
    if (argc < 2)
        return 2;
    terminal_fd = open("/dev/tty", O_RDWR);
    (void)tcgetattr(terminal_fd, &first);
    (void)signal(SIGTTOU, SIG_IGN);
    pid_t taker = fork();
    if (taker == 0)
        take_the_terminal();
    void *(*const threads[])(void *) = {type_yes, paint, change_modes};
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        pthread_t thread;
        (void)pthread_create(&thread, NULL, threads[i], NULL);
    }
    for (int times = 0; times < 100; times++)
        moment();
    pid_t child = fork();
    if (child == 0) {
        (void)execvp(argv[1], argv + 1);
        _exit(127);
    }
    int status = 0;
    (void)waitpid(child, &status, 0);
    (void)kill(taker, SIGKILL);
    (void)waitpid(taker, NULL, 0);
    (void)tcflow(terminal_fd, TCOON);
    (void)tcsetattr(terminal_fd, TCSANOW, &first);
    (void)fcntl(STDIN_FILENO, F_SETFL, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128);
}
