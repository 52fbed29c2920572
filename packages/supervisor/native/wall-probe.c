/* Each attempt is harmless when it succeeds: the canary is a file that exists for this, modes and times are set to what they
 * are, and a mount is undone. */
#define _GNU_SOURCE
#include "wall-probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { REFUSAL_TIMEOUT_MS = 10000 }; /* spent only where there is a hole, or by a machine that hardly gets on */

struct attempt {
    const char *name;
    bool (*succeeds)(const struct wall_spec *wall, const struct probe_targets *targets);
    bool of_network;
};

static bool try_chmod(const struct wall_spec *wall, const struct probe_targets *targets) {
    (void)targets;
    return chmod(wall->probe.canary_file, 0644) == 0;
}

static bool try_chown(const struct wall_spec *wall, const struct probe_targets *targets) {
    (void)targets;
    return chown(wall->probe.canary_file, geteuid(), getegid()) == 0;
}

static bool try_utime(const struct wall_spec *wall, const struct probe_targets *targets) {
    (void)targets;
    return utimensat(AT_FDCWD, wall->probe.canary_file, NULL, 0) == 0;
}

static bool try_setxattr(const struct wall_spec *wall, const struct probe_targets *targets) {
    (void)targets;
    return setxattr(wall->probe.canary_file, "user.sallyport", "", 0, 0) == 0;
}

static bool try_truncate(const struct wall_spec *wall, const struct probe_targets *targets) {
    (void)targets;
    return truncate(wall->probe.canary_file, 0) == 0;
}

static bool try_open(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

static bool try_open_write(const struct wall_spec *wall, const struct probe_targets *targets) {
    (void)targets;
    return try_open(wall->probe.canary_file, O_WRONLY);
}

static bool try_create(const struct wall_spec *wall, const struct probe_targets *targets) {
    (void)targets;
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/created", wall->probe.canary_folder);
    return try_open(path, O_WRONLY | O_CREAT);
}

static bool try_unlink(const struct wall_spec *wall, const struct probe_targets *targets) {
    (void)targets;
    return unlink(wall->probe.canary_file) == 0;
}

/* Only root's kernel settings tell anything: an ordinary user may not write them anyway. */
static bool try_sysctl(const struct wall_spec *wall, const struct probe_targets *targets) {
    (void)wall;
    (void)targets;
    return try_open("/proc/sys/kernel/core_pattern", O_WRONLY);
}

static bool try_kill(const struct wall_spec *wall, const struct probe_targets *targets) {
    (void)wall;
    return kill(targets->outside_pid, 0) == 0;
}

static bool try_mount(const struct wall_spec *wall, const struct probe_targets *targets) {
    (void)targets;
    bool mounted = mount("tmpfs", wall->probe.canary_folder, "tmpfs", 0, NULL) == 0;
    if (mounted)
        (void)umount2(wall->probe.canary_folder, MNT_DETACH);
    return mounted || mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0;
}

static bool try_unshare(const struct wall_spec *wall, const struct probe_targets *targets) {
    (void)wall;
    (void)targets;
    return unshare(CLONE_NEWUSER) == 0 || unshare(CLONE_NEWNS) == 0;
}

static bool try_connect(int family, int type, const void *address, socklen_t length) {
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool connected = connect(fd, address, length) == 0 || errno == EINPROGRESS;
    if (connected && type == SOCK_DGRAM)
        connected = send(fd, "", 1, 0) == 1;
    (void)close(fd);
    return connected;
}

static bool try_unix_connect(const struct wall_spec *wall, const struct probe_targets *targets) {
    (void)wall;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, targets->unix_path, sizeof address.sun_path);
    return try_connect(AF_UNIX, SOCK_STREAM, &address, sizeof address);
}

static bool try_tcp_connect(const struct wall_spec *wall, const struct probe_targets *targets) {
    (void)wall;
    struct sockaddr_in address = {AF_INET, htons(targets->tcp_port), {htonl(INADDR_LOOPBACK)}, {0}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        (void)close(fd);
    return connected;
}

/* Sending alone succeeds on a loopback of its own, too, where nobody listens. There the refusal comes back. */
static bool try_udp_send(const struct wall_spec *wall, const struct probe_targets *targets) {
    (void)wall;
    struct sockaddr_in address = {AF_INET, htons(targets->udp_port), {htonl(INADDR_LOOPBACK)}, {0}};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool sent = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && send(fd, "", 1, 0) == 1;
    /* Where nobody listens the second one fails with ECONNREFUSED, as soon as a busy kernel has brought the news. */
    struct pollfd refusal = {fd, 0, 0};
    if (sent)
        (void)RETRY(poll(&refusal, 1, REFUSAL_TIMEOUT_MS));
    bool reached = sent && send(fd, "", 1, 0) == 1;
    (void)close(fd);
    return reached;
}

static const struct attempt attempts[] = {
    {"chmod", try_chmod, false},
    {"chown", try_chown, false},
    {"utime", try_utime, false},
    {"setxattr", try_setxattr, false},
    {"truncate", try_truncate, false},
    {"open-write", try_open_write, false},
    {"create", try_create, false},
    {"unlink", try_unlink, false},
    {"sysctl", try_sysctl, false},
    {"kill", try_kill, false},
    {"mount", try_mount, false},
    {"unshare", try_unshare, false},
    {"unix-connect", try_unix_connect, false},
    {"tcp-connect", try_tcp_connect, true},
    {"udp-send", try_udp_send, true},
};

void try_the_wall(const struct wall_spec *wall, const struct probe_targets *targets, char *succeeded, size_t size) {
    size_t used = 0;
    succeeded[0] = '\0';
    for (size_t i = 0; i < COUNT(attempts); i++) {
        if (attempts[i].of_network && wall->probe.network)
            continue; /* granted */
        if (!attempts[i].succeeds(wall, targets))
            continue;
        int length = snprintf(succeeded + used, size - used, "%s ", attempts[i].name);
        if (length > 0)
            used += (size_t)length;
    }
}
