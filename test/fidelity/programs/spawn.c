/* Starts a program in one of the ways there are: spawn [WAY] PROGRAM [ARG...] */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int status_of(pid_t pid) {
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 99;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int by_vfork(char **argv) {
    pid_t pid = vfork();
    if (pid == 0) {
        execve(argv[0], argv, environ);
        _exit(98);
    }
    return status_of(pid);
}

static int by_posix_spawn(char **argv) {
    pid_t pid = -1;
    if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0)
        return 97;
    return status_of(pid);
}

static int by_fork(char **argv) {
    pid_t pid = fork();
    if (pid == 0) {
        execve(argv[0], argv, environ);
        _exit(98);
    }
    return status_of(pid);
}

static int by_descriptor(char **argv, int by_system_call) {
    pid_t pid = fork();
    if (pid == 0) {
        int file = open(argv[0], O_PATH | O_CLOEXEC);
        if (by_system_call)
            syscall(SYS_execveat, file, "", argv, environ, AT_EMPTY_PATH);
        else
            fexecve(file, argv, environ);
        _exit(98);
    }
    return status_of(pid);
}

static void *in_thread(void *data) {
    return (void *)(long)by_vfork(data);
}

static void *exec_in_thread(void *data) {
    char **argv = data;
    execve(argv[0], argv, environ);
    _exit(98);
}

static int by_thread(char **argv, void *(*start)(void *)) {
    pthread_t thread;
    void *result = NULL;
    if (pthread_create(&thread, NULL, start, argv) != 0)
        return 96;
    pthread_join(thread, &result);
    return (int)(long)result;
}

int main(int argc, char **argv) {
    if (argc < 2)
        return 2;
    const char *way = argv[1];
    if (strchr(way, '/') != NULL)
        return by_fork(argv + 1);
    argv += 2;
    if (strcmp(way, "vfork") == 0)
        return by_vfork(argv);
    if (strcmp(way, "posix_spawn") == 0)
        return by_posix_spawn(argv);
    if (strcmp(way, "thread") == 0)
        return by_thread(argv, in_thread);
    if (strcmp(way, "thread-exec") == 0)
        return by_thread(argv, exec_in_thread);
    return by_descriptor(argv, strcmp(way, "execveat") == 0);
}
