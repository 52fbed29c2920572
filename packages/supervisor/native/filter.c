#define _GNU_SOURCE
#include "filter.h"
#include "denied-paths.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers of the oldest system that we build on. */
enum {
    NR_OPEN_TREE_ATTR = 467,
    NR_QUOTACTL_FD = 443,
    X32_BIT = 0x40000000,
    TIOC_STI = 0x5412,
    TIOC_LINUX = 0x541C,
};

enum { PROGRAM_LIMIT = 512 };

struct program {
    struct sock_filter code[PROGRAM_LIMIT];
    unsigned short length;
};

static void emit(struct program *program, struct sock_filter instruction) {
    if (program->length == PROGRAM_LIMIT)
        die("seccomp program above %d instructions", PROGRAM_LIMIT);
    program->code[program->length++] = instruction;
}

static void emit_load(struct program *program, size_t offset) {
    emit(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void emit_return(struct program *program, uint32_t action) {
    emit(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* if (loaded value == value) return action */
static void emit_return_if(struct program *program, uint32_t value, uint32_t action) {
    emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
    emit_return(program, action);
}

/* Every filter starts here. int 0x80 and x32 reach the same kernel functions under other numbers, and a filter that only
 * looks at the number is bypassed by them. */
static void emit_own_abi_only(struct program *program) {
    emit_load(program, offsetof(struct seccomp_data, arch));
    emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
    emit_return(program, SECCOMP_RET_KILL_PROCESS);
    emit_load(program, offsetof(struct seccomp_data, nr));
    emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
    emit_return(program, SECCOMP_RET_ERRNO | ENOSYS);
}

static int install(const struct program *program, unsigned flags) {
    struct sock_fprog filter = {program->length, (struct sock_filter *)program->code};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
}

int install_exec_filter(bool *killable) {
    struct program program = {.length = 0};
    emit_own_abi_only(&program);
    emit_return_if(&program, SYS_execve, SECCOMP_RET_USER_NOTIF);
    emit_return_if(&program, SYS_execveat, SECCOMP_RET_USER_NOTIF);
    emit_return_if(&program, MAGIC_SYSCALL, SECCOMP_RET_USER_NOTIF);
    emit_return(&program, SECCOMP_RET_ALLOW);
    *killable = true;
    int listener = install(&program, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    if (listener < 0 && errno == EINVAL) {
        *killable = false;
        listener = install(&program, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    }
    return listener;
}

static const unsigned refused_calls[] = {
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_move_mount,
    SYS_open_tree,
    NR_OPEN_TREE_ATTR,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_setns,
    SYS_swapon,
    SYS_swapoff,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_reboot,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_acct,
    SYS_quotactl,
    NR_QUOTACTL_FD,
    SYS_open_by_handle_at,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_iopl,
    SYS_ioperm,
    /* The session's keys live outside every namespace: a credential cache must not be readable from inside. */
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
};

static void emit_refuse_namespaces(struct program *program) {
    uint32_t new_namespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |
                              CLONE_NEWCGROUP | 0x80U /* CLONE_NEWTIME, of unshare only */;
    /* clone3 hides its flags behind a pointer; the C libraries fall back to clone when told that it does not exist. */
    emit_return_if(program, SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
    const unsigned calls[] = {SYS_clone, SYS_unshare};
    for (size_t i = 0; i < COUNT(calls); i++) {
        uint32_t mask = calls[i] == SYS_clone ? new_namespaces & ~0x80U : new_namespaces;
        emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 4));
        emit_load(program, offsetof(struct seccomp_data, args[0]));
        emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1));
        emit_return(program, SECCOMP_RET_ERRNO | EPERM);
        emit_return(program, SECCOMP_RET_ALLOW);
    }
}

/* TIOCSTI types into the shared terminal, TIOCLINUX pastes into the console. The kernel reads 32 bits of the request, so a
 * request with junk above them is the same call. */
static void emit_refuse_typing(struct program *program) {
    emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 6));
    emit_load(program, offsetof(struct seccomp_data, args[1]));
    emit_return_if(program, TIOC_STI, SECCOMP_RET_ERRNO | EPERM);
    emit_return_if(program, TIOC_LINUX, SECCOMP_RET_ERRNO | EPERM);
    emit_return(program, SECCOMP_RET_ALLOW);
}

/* Unix, internet and netlink sockets are what programs use; others (vsock above all) lead past the network namespace. */
static void emit_refuse_sockets(struct program *program, const struct wall_spec *wall) {
    unsigned families[4];
    size_t count = 0;
    if (!wall->refuse_unix_sockets)
        families[count++] = AF_UNIX;
    if (!wall->refuse_inet_sockets) {
        families[count++] = AF_INET;
        families[count++] = AF_INET6;
        families[count++] = AF_NETLINK;
    }
    emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, (uint8_t)(2 + 2 * count)));
    emit_load(program, offsetof(struct seccomp_data, args[0]));
    for (size_t i = 0; i < count; i++)
        emit_return_if(program, families[i], SECCOMP_RET_ALLOW);
    emit_return(program, SECCOMP_RET_ERRNO | EPERM);
}

bool install_wall_filter(const struct wall_spec *wall) {
    struct program program = {.length = 0};
    emit_own_abi_only(&program);
    for (size_t i = 0; i < COUNT(refused_calls); i++)
        emit_return_if(&program, refused_calls[i], SECCOMP_RET_ERRNO | EPERM);
    emit_refuse_namespaces(&program);
    emit_refuse_typing(&program);
    emit_refuse_sockets(&program, wall);
    emit_return(&program, SECCOMP_RET_ALLOW);
    return install(&program, 0) == 0;
}

bool cut_capabilities(uint64_t keep) {
    for (int capability = 0; capability < 64; capability++) {
        int held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
        if (held < 0)
            break; /* past the last one that the kernel knows */
        /* Without CAP_SETPCAP the bounding set stays; then there is no way to gain from it either (no_new_privs). */
        if (held == 1 && (keep >> capability & 1) == 0 && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 &&
            errno != EPERM)
            return false;
    }
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) != 0)
        return false;
    for (int half = 0; half < 2; half++) {
        uint32_t mask = (uint32_t)(keep >> (32 * half));
        data[half].effective &= mask;
        data[half].permitted &= mask;
        data[half].inheritable = 0;
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &header, data) == 0;
}

/* --- Landlock --- */

/* Newer than the oldest headers: network and scopes (ABI 4 and 6). */
struct ruleset_attributes {
    uint64_t handled_fs;
    uint64_t handled_net;
    uint64_t scoped;
};

int landlock_abi(void) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? 0 : (int)abi;
}

/* The rights that this kernel's Landlock knows: asking for others makes it refuse the whole ruleset. */
static uint64_t known_rights(int abi) {
    unsigned bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;
    return (UINT64_C(1) << bits) - 1;
}

enum {
    FILE_RIGHTS = 0x1 | 0x2 | 0x4 | 0x4000 | 0x8000
}; /* execute, write, read, truncate, ioctl: what a file can carry */

static bool add_rule(int ruleset, const char *path, uint64_t access) {
    CLEANUP_FD int fd = RETRY(open(path, O_PATH | O_CLOEXEC));
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR ||
               errno == ELOOP; /* what is not there needs no right */
    if (!S_ISDIR(status.st_mode))
        access &= FILE_RIGHTS;
    struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    return access == 0 || syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

static bool lies_below(const char *path, const char *folder) {
    size_t length = strlen(folder);
    if (strcmp(folder, "/") == 0)
        return path[0] == '/';
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* The folders that were listed on the way, and when each had changed last: what is in them now has its rule. */
struct listed_folder {
    char path[PATH_MAX];
    struct timespec changed;
};

enum { LISTED_LIMIT = 64 };
static struct listed_folder *listed;
static size_t listed_count;

static void note_listed(const char *folder) {
    struct stat status;
    if (listed == NULL || listed_count >= LISTED_LIMIT || stat(folder, &status) != 0)
        return;
    (void)snprintf(listed[listed_count].path, sizeof listed[0].path, "%s", folder);
    listed[listed_count++].changed = status.st_mtim;
}

static bool listed_have_not_changed(void) {
    for (size_t i = 0; i < listed_count; i++) {
        struct stat status;
        if (stat(listed[i].path, &status) != 0 || status.st_mtim.tv_sec != listed[i].changed.tv_sec ||
            status.st_mtim.tv_nsec != listed[i].changed.tv_nsec)
            return false;
    }
    return listed_count < LISTED_LIMIT;
}

/* Landlock can only grant. To deny a path, grant every sibling on the way to it, one level after the other. */
static bool grant_except(int ruleset, const char *folder, uint64_t access, char *const *except) {
    bool leads_to_exception = false;
    for (char *const *path = except; *path != NULL; path++) {
        if (lies_below(folder, *path))
            return true;
        leads_to_exception = leads_to_exception || lies_below(*path, folder);
    }
    if (!leads_to_exception)
        return add_rule(ruleset, folder, access);
    note_listed(folder);
    DIR *directory = opendir(folder);
    if (directory == NULL)
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR;
    bool good = true;
    for (struct dirent *entry; good && (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char path[PATH_MAX];
        int length = snprintf(path, sizeof path, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, entry->d_name);
        struct stat status;
        /* A symlink carries no content of its own, and its target is granted, or not, where it lies. */
        if (length > 0 && (size_t)length < sizeof path && lstat(path, &status) == 0 && !S_ISLNK(status.st_mode) &&
            !is_denied(&status))
            good = grant_except(ruleset, path, access, except);
    }
    (void)closedir(directory);
    return good;
}

/* `echo x >/dev/stderr` opens the caller's own file or terminal anew, by a way on which no rule lies. What the command holds
 * open it may open again, as far as it is open. Pipes and sockets need no rule. */
static bool grant_standard_descriptors(int ruleset, uint64_t handled) {
    for (int fd = 0; fd <= 2; fd++) {
        struct stat status;
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fstat(fd, &status) != 0 || !(S_ISCHR(status.st_mode) || S_ISREG(status.st_mode)))
            continue;
        uint64_t access = LANDLOCK_ACCESS_FS_READ_FILE;
        if ((flags & O_ACCMODE) != O_RDONLY)
            access = 0x2 | 0x4000 | 0x8000 | ((flags & O_ACCMODE) == O_RDWR ? LANDLOCK_ACCESS_FS_READ_FILE : 0U);
        char path[32];
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (!add_rule(ruleset, path, access & handled))
            return false;
    }
    return true;
}

bool restrict_by_landlock(const struct wall_spec *wall) {
    int abi = landlock_abi();
    if (abi == 0)
        return false;
    uint64_t known = known_rights(abi);
    struct ruleset_attributes attributes = {wall->handled_fs & known, abi >= 4 ? wall->handled_net & 3 : 0,
                                            abi >= 6 ? wall->scoped & 3 : 0};
    size_t size = abi >= 6 ? sizeof attributes : abi >= 4 ? 16 : 8;
    CLEANUP_FD int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
    if (ruleset < 0)
        return false;
    for (uint32_t i = 0; i < wall->path_count; i++)
        if (!add_rule(ruleset, wall->paths[i].path, wall->paths[i].access & attributes.handled_fs))
            return false;
    if (!grant_standard_descriptors(ruleset, attributes.handled_fs))
        return false;
    uint64_t except_access = wall->except_access & attributes.handled_fs;
    if (except_access != 0 && !grant_except(ruleset, "/", except_access, wall->except_paths))
        return false;
    return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
}

static char *join_paths(char *const *paths) {
    size_t length = 1;
    for (char *const *path = paths; *path != NULL; path++)
        length += strlen(*path) + 1;
    char *joined = allocate(length);
    for (char *const *path = paths; *path != NULL; path++)
        (void)strcat(strcat(joined, *path), "\n");
    return joined;
}

static int make_ruleset_denying_reads(char *const *denied) {
    struct ruleset_attributes attributes = {.handled_fs = LANDLOCK_ACCESS_FS_READ_FILE};
    CLEANUP_FD int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, 8, 0);
    if (listed == NULL)
        listed = allocate(LISTED_LIMIT * sizeof listed[0]);
    listed_count = 0;
    bool good = ruleset >= 0 && grant_except(ruleset, "/", LANDLOCK_ACCESS_FS_READ_FILE, denied);
    return good ? steal_fd(&ruleset) : -1;
}

static char *joined_names_of_denied(char *const *denied) {
    char **names = names_of_denied(denied);
    char *joined = names == NULL ? NULL : join_paths(names);
    release_names(names);
    return joined;
}

int ruleset_denying_reads(char *const *denied) {
    static int ruleset = -1;
    static char *made_for;
    for (int tries = 0; tries < 4; tries++) {
        char **names = names_of_denied(denied);
        if (names == NULL)
            return -1;
        char *wanted = join_paths(names);
        bool holds = ruleset >= 0 && strcmp(made_for, wanted) == 0 && listed_have_not_changed();
        free(made_for);
        made_for = wanted;
        if (!holds) {
            cleanup_fd(&ruleset);
            ruleset = make_ruleset_denying_reads(names);
        }
        release_names(names);
        if (holds || ruleset < 0)
            return ruleset;
        /* The attack: a folder that leads to a denied path is renamed while its siblings are listed, and is listed as one of them. */
        char *now = joined_names_of_denied(denied);
        bool stayed = now != NULL && strcmp(now, wanted) == 0;
        free(now);
        if (stayed)
            return ruleset;
    }
    cleanup_fd(&ruleset);
    return -1;
}

bool restrict_by_ruleset(int ruleset) {
    return ruleset >= 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
}
