/* Tries to get hold of process 1 of its pid namespace, and of a process of its own. One line each. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, int good) {
    printf("%s: %s\n", what, good ? "worked" : "refused");
}

static void attach(const char *what, pid_t pid) {
    int good = ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0;
    say(what, good);
    if (good && ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0 && waitpid(pid, NULL, __WALL) == pid)
        ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

static void open_memory(const char *what, pid_t pid) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    say(what, fd >= 0);
    if (fd >= 0)
        close(fd);
}

int main(void) {
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    attach("ptrace of a child", child);
    open_memory("memory of a child", child);
    attach("ptrace of the init", 1);
    open_memory("memory of the init", 1);
    kill(child, 9);
    return 0;
}
