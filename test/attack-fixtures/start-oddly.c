/* start-oddly HOW PROGRAM ARG...: starts a program in ways that give an interceptor inside the process nothing to hold on to. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char **words;
static char *no_environment[] = {NULL};

static void *start_from_thread(void *unused) {
    execve(words[0], words, environ);
    return unused;
}

/* A filter of the caller's own: it comes on top of the interceptor's, and answers before it where it is stricter. */
static bool answer_call(unsigned number, unsigned answer) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, answer),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof code / sizeof code[0], code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0;
}

static int trace(pid_t pid) {
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
        ptrace(PTRACE_CONT, pid, NULL, WSTOPSIG(status) == SIGTRAP ? 0L : (long)WSTOPSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int wait_for(pid_t pid) {
    int status = 0;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 97;
    const char *how = argv[1];
    words = argv + 2;
    if (strcmp(how, "closed descriptors") == 0) {
        if (syscall(SYS_close_range, 0, ~0U, 0) != 0)
            return 96;
        execve(words[0], words, environ);
    } else if (strcmp(how, "empty environment") == 0) {
        execve(words[0], words, no_environment);
    } else if (strcmp(how, "no arguments") == 0) {
        /* The kernel makes one empty argument of none. */
        execve(words[0], no_environment, no_environment);
    } else if (strcmp(how, "vfork") == 0) {
        pid_t pid = vfork();
        if (pid == 0) {
            execve(words[0], words, environ);
            _exit(99);
        }
        return wait_for(pid);
    } else if (strcmp(how, "thread") == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, start_from_thread, NULL) == 0)
            pthread_join(thread, NULL);
    } else if (strcmp(how, "by descriptor") == 0) {
        int fd = open(words[0], O_PATH | O_CLOEXEC);
        syscall(SYS_execveat, fd, "", words, environ, AT_EMPTY_PATH);
    } else if (strcmp(how, "relative to a folder") == 0) {
        int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        syscall(SYS_execveat, root, words[0] + 1, words, environ, 0);
    } else if (strcmp(how, "through the root link") == 0) {
        char path[4096];
        (void)snprintf(path, sizeof path, "/proc/self/root%s", words[0]);
        execve(path, words, environ);
    } else if (strcmp(how, "copy in memory") == 0) {
        int from = open(words[0], O_RDONLY | O_CLOEXEC);
        int memory = memfd_create("innocent", MFD_CLOEXEC);
        struct stat status;
        if (fstat(from, &status) != 0 || sendfile(memory, from, NULL, (size_t)status.st_size) != status.st_size)
            return 96;
        syscall(SYS_execveat, memory, "", words, environ, AT_EMPTY_PATH);
    } else if (strcmp(how, "traced by its parent") == 0) {
        pid_t pid = fork();
        if (pid != 0)
            return trace(pid);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
            execve(words[0], words, environ);
    } else if (strcmp(how, "unreadable memory") == 0) {
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
            execve(words[0], words, environ);
    } else if (strcmp(how, "a filter that refuses execveat") == 0) {
        if (answer_call(SYS_execveat, SECCOMP_RET_ERRNO | 1))
            execve(words[0], words, environ);
    } else if (strcmp(how, "a filter that kills at execveat") == 0) {
        if (answer_call(SYS_execveat, SECCOMP_RET_KILL_PROCESS))
            execve(words[0], words, environ);
    } else if (strcmp(how, "a filter that answers the stand-in") == 0) {
        if (answer_call(23057, SECCOMP_RET_ERRNO | 0))
            execve(words[0], words, environ);
    }
    return 99;
}
