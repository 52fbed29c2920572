/* Starts a program with signals blocked: run-blocked NUMBER... -- PROGRAM [ARG...] */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    sigset_t set;
    int at = 1;
    sigemptyset(&set);
    for (; at < argc && strcmp(argv[at], "--") != 0; at++)
        sigaddset(&set, atoi(argv[at]));
    if (at + 1 >= argc || sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return 2;
    execv(argv[at + 1], argv + at + 1);
    return 98;
}
