/* Makes each dangerous system call with arguments that fail without it doing anything, and prints `NAME ERRNO`, `NAME worked` or the
 * signal that it died of. So the kernel's own answer to the arguments (EFAULT, EBADF, ...) shows that nothing was in the way. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const long bad = -1;

struct attempt {
    const char *name;
    long number;
    long arguments[6];
};

static const struct attempt attempts[] = {
    {"add_key", SYS_add_key, {bad, bad, bad, 0, 0}},
    {"request_key", SYS_request_key, {bad, bad, bad, 0}},
    {"keyctl", SYS_keyctl, {bad}},
    {"bpf", SYS_bpf, {0, bad, 8}},
    {"io_uring_setup", SYS_io_uring_setup, {1, bad}},
    {"io_uring_enter", SYS_io_uring_enter, {bad}},
    {"io_uring_register", SYS_io_uring_register, {bad}},
    {"perf_event_open", SYS_perf_event_open, {bad, 0, -1, -1, 0}},
    {"mount", SYS_mount, {bad, bad, bad, 0, 0}},
    {"umount2", SYS_umount2, {bad, 0}},
    {"pivot_root", SYS_pivot_root, {bad, bad}},
    {"move_mount", SYS_move_mount, {bad, bad, bad, bad, 0}},
    {"open_tree", SYS_open_tree, {bad, bad, 0}},
    {"fsopen", SYS_fsopen, {bad, 0}},
    {"fsmount", SYS_fsmount, {bad, 0, 0}},
    {"fspick", SYS_fspick, {bad, bad, 0}},
    {"mount_setattr", SYS_mount_setattr, {bad, bad, 0, bad, 32}},
    {"setns", SYS_setns, {bad, 0}},
    {"unshare mount", SYS_unshare, {CLONE_NEWNS | 1}},
    {"unshare user", SYS_unshare, {CLONE_NEWUSER | 1}},
    {"unshare pid", SYS_unshare, {CLONE_NEWPID | 1}},
    {"unshare network", SYS_unshare, {CLONE_NEWNET | 1}},
    {"unshare time", SYS_unshare, {0x80 | 1}},
    {"clone user", SYS_clone, {CLONE_NEWUSER | CLONE_FS | SIGCHLD}},
    {"clone mount", SYS_clone, {CLONE_NEWNS | CLONE_FS | SIGCHLD}},
    {"clone pid", SYS_clone, {CLONE_NEWPID | CLONE_VM | CLONE_SIGHAND | CLONE_THREAD}},
    {"clone3", SYS_clone3, {bad, 64}},
    {"open_by_handle_at", SYS_open_by_handle_at, {bad, bad, 0}},
    {"swapon", SYS_swapon, {bad, 0}},
    {"init_module", SYS_init_module, {bad, 0, bad}},
    {"delete_module", SYS_delete_module, {bad, 0}},
    {"kexec_load", SYS_kexec_load, {0, 17, 0, 0}},
    {"reboot", SYS_reboot, {0, 0, 0}},
    {"sethostname", SYS_sethostname, {bad, -1}},
    {"settimeofday", SYS_settimeofday, {bad, 0}},
    {"clock_settime", SYS_clock_settime, {0, bad}},
    {"type into the terminal", SYS_ioctl, {0, 0x5412, bad}},
    {"type into the terminal, high bits set", SYS_ioctl, {0, (long)0xdeadbeef00005412, bad}},
    {"paste into the console", SYS_ioctl, {0, 0x541C, bad}},
    {"paste into the console, high bits set", SYS_ioctl, {0, (long)0xdeadbeef0000541C, bad}},
    {"vsock", SYS_socket, {40, SOCK_STREAM, 12345}},
    {"crypto socket", SYS_socket, {38, SOCK_SEQPACKET, 12345}},
    {"packet socket", SYS_socket, {17, 12345, 0}},
    {"x32 getpid", SYS_getpid | 0x40000000, {0}},
    {"x32 execve", 520 | 0x40000000, {bad, 0, 0}},
};

static void answer(const char *name, long result) {
    printf("%s %s\n", name, result >= 0 ? "worked" : strerrorname_np((int)-result));
}

static long call(const struct attempt *attempt) {
    const long *a = attempt->arguments;
    long result = syscall(attempt->number, a[0], a[1], a[2], a[3], a[4], a[5]);
    return result >= 0 ? result : -errno;
}

static long call_32_bit(void) {
    long result;
    enum { GETPID = 20 };
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(GETPID) : "memory", "r8", "r9", "r10", "r11");
    return result;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i <= sizeof attempts / sizeof attempts[0]; i++) {
        const struct attempt *attempt = i < sizeof attempts / sizeof attempts[0] ? &attempts[i] : NULL;
        const char *name = attempt == NULL ? "32-bit getpid" : attempt->name;
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
            answer(name, attempt == NULL ? call_32_bit() : call(attempt));
            _exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
            return 1;
        if (WIFSIGNALED(status))
            printf("%s SIG%s\n", name, sigabbrev_np(WTERMSIG(status)));
    }
    return 0;
}
