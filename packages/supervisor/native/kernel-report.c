#define _GNU_SOURCE
#include "kernel-report.h"
#include "filter.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each trial runs in a process of its own: filters and namespaces cannot be taken back. Its exit status is the answer. */
static int in_child(int (*trial)(void)) {
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(trial());
    int status = 0;
    if (pid < 0 || RETRY(waitpid(pid, &status, 0)) != pid || !WIFEXITED(status))
        return 255;
    return WEXITSTATUS(status);
}

/* 0: works with the killable wait, 1: without, else 2 + errno. */
static int try_listener(void) {
    bool killable;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return 2 + errno;
    int listener = install_exec_filter(&killable);
    return listener < 0 ? 2 + (errno & 127) : killable ? 0 : 1;
}

/* A made-up notification: the kernel checks the flags before it looks for it, so ENOENT means that the flag is known. */
static int try_add_descriptor(void) {
    bool killable;
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int listener = install_exec_filter(&killable);
    struct seccomp_notif_addfd inject = {.id = 1, .flags = SECCOMP_ADDFD_FLAG_SEND, .srcfd = 0};
    return listener >= 0 && ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &inject) < 0 && errno == ENOENT ? 0 : 1;
}

static int try_ptrace(void) {
    pid_t child = fork();
    if (child == 0)
        for (;;)
            (void)pause();
    bool seized = child > 0 && ptrace(PTRACE_SEIZE, child, 0, 0) == 0;
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    return seized ? 0 : 1;
}

static int try_user_namespace(void) {
    return unshare(CLONE_NEWUSER) == 0 ? 0 : 1;
}

static int try_exit_status(void) {
    struct {
        uint64_t mask, rest[12];
    } information = {.mask = 8};
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    (void)waitpid(child, NULL, 0);
    /* Sizes may differ: the number carries the size that the kernel reads, the oldest form is 64 bytes. */
    return fd >= 0 && ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 0xFF, 11, 64), &information) == 0 &&
                   (information.mask & 8) != 0
               ? 0
               : 1;
}

int print_kernel_report(void) {
    struct utsname name;
    (void)uname(&name);
    int listener = in_child(try_listener);
    printf("release %s\n", name.release);
    printf("notify %d\n", listener <= 1);
    printf("notify_error %s\n", listener <= 1 ? "-" : listener == 2 + EBUSY ? "EBUSY" : strerror(listener - 2));
    printf("killable_wait %d\n", listener == 0);
    printf("add_descriptor %d\n", in_child(try_add_descriptor) == 0);
    printf("ptrace %d\n", in_child(try_ptrace) == 0);
    printf("landlock_abi %d\n", landlock_abi());
    printf("user_namespace %d\n", in_child(try_user_namespace) == 0);
    printf("exit_status %d\n", in_child(try_exit_status) == 0);
#ifdef SALLYPORT_STATIC
    printf("static 1\n");
#else
    printf("static 0\n");
#endif
    return 0;
}
