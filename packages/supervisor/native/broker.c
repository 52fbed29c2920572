/*   Node                     broker                      inside
 *     | -- LAUNCH -------------> | -- bubblewrap, init ------> |
 *     | <------------- STARTED - | <- the filter's listener -- |
 *     | <---------------- EXEC - | <- execve, it waits ------- |
 *     | -- VERDICT ------------> | -- continue, or stand-in -> |
 *     | <------------ EXEC_END - | <- process gone ----------- |
 *     | <--------------- ENDED - | (the tree is gone)          |
 *
 * When Node disappears the control socket ends, and so does the whole tree. */
#define _GNU_SOURCE
#include "broker.h"
#include "filter.h"
#include "freeze.h"
#include "kernel-report.h"
#include "question.h"
#include "standing.h"
#include "starter.h"
#include "terminal.h"
#include "wrapper-sessions.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FLUSH_DELAY_MS = 5,
    OUT_LIMIT = 1024 * 1024, /* above this no new exec is taken up until Node has read */
    TREE_TIMEOUT_MS = 5000,
    LAST_WORDS_MS = 1000,
};

struct broker broker = {
    .control = {SOURCE_CONTROL, CONTROL_FD},
    .signals = {SOURCE_SIGNALS, -1},
    .init = {SOURCE_INIT, -1},
    .timer = {SOURCE_TIMER, -1},
    .stand_in_fd = -1,
};

/* --- sources --- */

void watch_source(struct source *source, uint32_t events) {
    struct epoll_event event = {events, {.ptr = source}};
    if (epoll_ctl(broker.epoll_fd, EPOLL_CTL_ADD, source->fd, &event) != 0)
        die("watching a descriptor: %s", strerror(errno));
}

void close_source(struct source *source) {
    if (source->fd >= 0)
        (void)epoll_ctl(broker.epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    cleanup_fd(&source->fd);
}

static void set_delay(const struct source *timer, uint64_t delay_ms) {
    struct itimerspec when = {.it_value = {(time_t)(delay_ms / 1000), (long)(delay_ms % 1000) * 1000000}};
    (void)timerfd_settime(timer->fd, 0, &when, NULL);
}

/* --- frames to Node --- */

/* The end of an exec hurries nobody, and neither does an exec that was answered already. Both wait for the next frame that
 * does, or a few milliseconds, so that a shell that starts one program after the other wakes Node once for each and not twice.
 * Returns how long the loop may sleep, in milliseconds. */
static int flush_what_hurries(void) {
    if (broker.out.length > 0 && broker.out.length == broker.unhurried && !standing_window_narrows()) {
        uint64_t now = monotonic_ms();
        if (broker.flush_at_ms == 0)
            broker.flush_at_ms = now + FLUSH_DELAY_MS;
        if (now < broker.flush_at_ms)
            return (int)(broker.flush_at_ms - now);
    }
    flush_control();
    return -1;
}

void flush_control(void) {
    broker.unhurried = 0;
    broker.flush_at_ms = 0;
    while (broker.out.length > 0 && !broker.node_gone) {
        ssize_t sent = RETRY(send(CONTROL_FD, broker.out.data, broker.out.length, MSG_NOSIGNAL | MSG_DONTWAIT));
        if (sent < 0 && errno != EAGAIN) {
            broker.node_gone = true;
            break;
        }
        if (sent < 0)
            break;
        buffer_drop(&broker.out, (size_t)sent);
    }
    if (broker.node_gone)
        buffer_free(&broker.out);
    bool wants = broker.out.length > 0;
    if (wants != broker.control_writable) {
        struct epoll_event event = {EPOLLIN | (wants ? (uint32_t)EPOLLOUT : 0U), {.ptr = &broker.control}};
        (void)epoll_ctl(broker.epoll_fd, EPOLL_CTL_MOD, CONTROL_FD, &event);
        broker.control_writable = wants;
    }
    if ((broker.out.length > OUT_LIMIT) != broker.listeners_paused) {
        pause_listeners(broker.out.length > OUT_LIMIT);
        pause_sessions(broker.listeners_paused);
        watch_terminal();
    }
}

void leave_unhurried(size_t start) {
    if (broker.unhurried == start)
        broker.unhurried = broker.out.length;
}

void send_exec_end(uint64_t request_id, int how, bool known, int status) {
    if (request_id == 0)
        return;
    size_t frame = buffer_begin_frame(&broker.out, FRAME_EXEC_END);
    buffer_u64(&broker.out, request_id);
    buffer_u8(&broker.out, (uint8_t)how);
    buffer_u8(&broker.out, known);
    buffer_i32(&broker.out, status);
    buffer_u64(&broker.out, wall_clock_ms());
    buffer_end_frame(&broker.out, frame);
    leave_unhurried(frame);
}

static void send_failed(const char *stage, int error) {
    size_t frame = buffer_begin_frame(&broker.out, FRAME_FAILED);
    buffer_string(&broker.out, stage, strlen(stage));
    buffer_i32(&broker.out, error);
    buffer_string(&broker.out, broker.probed, strlen(broker.probed));
    buffer_end_frame(&broker.out, frame);
}

static void send_started(pid_t pid) {
    if (broker.started)
        return;
    broker.started = true;
    size_t frame = buffer_begin_frame(&broker.out, FRAME_STARTED);
    buffer_i32(&broker.out, pid);
    buffer_end_frame(&broker.out, frame);
}

/* --- pipes of our own: Node would make sockets, and a program can't open /dev/stdout when that is a socket --- */

static void make_own_pipes(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (pipe2(broker.pipes[fd], O_CLOEXEC) != 0)
            die("making pipes: %s", strerror(errno));
    broker.own_pipes = true;
}

/* In the child, on its way to the command. */
static void use_own_pipes(void) {
    for (int fd = 0; fd <= 2 && broker.own_pipes; fd++)
        if (dup2(broker.pipes[fd][fd == STDIN_FILENO ? 0 : 1], fd) < 0)
            die("using our own pipes: %s", strerror(errno));
}

/* Node opened its ends before it launched. */
static void close_own_pipes(void) {
    for (int fd = 0; fd <= 2 && broker.own_pipes; fd++) {
        (void)close(broker.pipes[fd][0]);
        (void)close(broker.pipes[fd][1]);
    }
    broker.own_pipes = false;
}

static void send_hello(void) {
    size_t frame = buffer_begin_frame(&broker.out, FRAME_HELLO);
    buffer_i32(&broker.out, landlock_abi());
    for (int fd = 0; fd <= 2 && broker.own_pipes; fd++)
        buffer_i32(&broker.out, broker.pipes[fd][fd == STDIN_FILENO ? 1 : 0]);
    buffer_end_frame(&broker.out, frame);
}

/* --- starting --- */

/* Sockets that stand outside for the probe to aim at. They stay open until the broker ends. */
static void open_probe_targets(struct probe_targets *targets, const char *folder) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(tcp, (struct sockaddr *)&address, length) == 0 && listen(tcp, 1) == 0 &&
        getsockname(tcp, (struct sockaddr *)&address, &length) == 0)
        targets->tcp_port = ntohs(address.sin_port);
    address.sin_port = 0;
    if (bind(udp, (struct sockaddr *)&address, length) == 0 &&
        getsockname(udp, (struct sockaddr *)&address, &length) == 0)
        targets->udp_port = ntohs(address.sin_port);
    targets->outside_pid = getpid();
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    int used = snprintf(local.sun_path, sizeof local.sun_path, "%s/socket", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (used > 0 && (size_t)used < sizeof local.sun_path && bind(fd, (struct sockaddr *)&local, sizeof local) == 0 &&
        listen(fd, 1) == 0)
        memcpy(targets->unix_path, local.sun_path, sizeof local.sun_path);
}

static int make_specification(const struct slice *payload) {
    struct init_header header = {.launch_size = (uint32_t)payload->length};
    if (broker.launch.wall.present && broker.launch.wall.probing)
        open_probe_targets(&header.targets, broker.launch.wall.probe.canary_folder);
    broker.probe_targets = header.targets;
    int fd = memfd_create("sallyport-launch", MFD_CLOEXEC);
    if (fd < 0 || write(fd, &header, sizeof header) != (ssize_t)sizeof header)
        die("writing the launch specification: %s", strerror(errno));
    for (size_t done = 0; done < payload->length;) {
        ssize_t written = RETRY(write(fd, payload->bytes + done, payload->length - done));
        if (written <= 0)
            die("writing the launch specification: %s", strerror(errno));
        done += (size_t)written;
    }
    return fd;
}

static void join_cgroups(void) {
    for (const char *const *cgroup = broker.cgroups; *cgroup != NULL; cgroup++) {
        char path[4200];
        (void)snprintf(path, sizeof path, "%s/cgroup.procs", *cgroup);
        if (!write_small_file(path, "0"))
            die("joining the cgroup %s: %s", *cgroup, strerror(errno));
    }
}

static void unblock_signals(uint64_t ignored) {
    for (int number = 1; number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP)
            (void)signal(number, (ignored >> (number - 1) & 1) != 0 ? SIG_IGN : SIG_DFL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* `output_fd`: the slave of our pty, or the end of our pipe that is written to; that one leaves stdin as it is. */
static void use_own_output(int output_fd) {
    if (output_fd < 0)
        return;
    for (int fd = broker.launch.pty ? STDIN_FILENO : STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
        if (dup2(output_fd, fd) < 0)
            die("using our own output: %s", strerror(errno));
}

/* The argument vector of bubblewrap, or of init itself: "@init" becomes the path of this very program. */
static _Noreturn void exec_guarded(int init_fd, int specification_fd) {
    static char self_path[32], init_text[16], specification_text[16], error_text[16];
    /* What bubblewrap has to say is read by us; the command's own stderr goes past it to init. */
    int error_fd = fcntl(STDERR_FILENO, F_DUPFD, CONTROL_FD + 1); /* -1 where the caller has none */
    if (dup2(broker.wall_messages_fd, STDERR_FILENO) < 0)
        die("setting bubblewrap's stderr: %s", strerror(errno));
    (void)snprintf(error_text, sizeof error_text, "%d", error_fd);
    int self_fd = open("/proc/self/exe", O_RDONLY); /* inherited: inside there need be no path to this program */
    if (self_fd < 0 || fcntl(init_fd, F_SETFD, 0) != 0 || fcntl(specification_fd, F_SETFD, 0) != 0)
        die("handing descriptors to init: %s", strerror(errno));
    (void)snprintf(self_path, sizeof self_path, "/proc/self/fd/%d", self_fd);
    (void)snprintf(init_text, sizeof init_text, "%d", init_fd);
    (void)snprintf(specification_text, sizeof specification_text, "%d", specification_fd);
    char *const *outer = broker.launch.outer_argv;
    size_t count = 0;
    while (outer[count] != NULL)
        count++;
    char **argv = allocate((count + 6) * sizeof argv[0]);
    size_t used = 0;
    for (size_t i = 0; i < count && strcmp(outer[i], "@init") != 0; i++)
        argv[used++] = outer[i];
    argv[used++] = self_path;
    argv[used++] = (char *)(uintptr_t) "--init";
    argv[used++] = init_text;
    argv[used++] = specification_text;
    argv[used] = error_text;
    (void)execve(argv[0], argv, broker.launch.env);
    die("starting %s: %s", argv[0], strerror(errno));
}

/* The program gets the limit of open files that the caller had, not the one that the broker gave itself. */
static void restore_own_limits(void) {
    struct rlimit limit = broker.own_files_limit;
    if (broker.launch.nofile_soft != 0)
        limit.rlim_cur = broker.launch.nofile_soft < limit.rlim_max ? broker.launch.nofile_soft : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

struct plain_failure {
    int error;
    bool before_exec; /* the working directory could not be entered */
};

/* `result_fd` closes when the exec succeeds; else it carries what failed. */
static _Noreturn void exec_plain(int result_fd) {
    if (broker.launch.pty) {
        (void)setsid();
        (void)ioctl(STDIN_FILENO, TIOCSCTTY, 0);
    } else if (broker.launch.own_session) {
        (void)setsid();
    } else {
        (void)setpgid(0, 0);
    }
    unblock_signals(broker.launch.ignored_signals);
    restore_own_limits();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != broker.pid)
        _exit(EXIT_OWN_FAILURE); /* it died before that */
    struct plain_failure failure = {.before_exec = chdir(broker.launch.cwd) != 0};
    if (!failure.before_exec)
        (void)execve(broker.launch.file, broker.launch.argv, broker.launch.env);
    failure.error = errno;
    (void)!write(result_fd, &failure, sizeof failure);
    _exit(EXIT_OWN_FAILURE);
}

/* The command's descriptors are its own: as long as we hold them too, their readers never see the end. Stderr is the caller's own,
 * and for what we die of, but where it is a pipe of a keeper's. */
static void let_go_of_standard_descriptors(void) {
    int null_fd = RETRY(open("/dev/null", O_RDWR | O_CLOEXEC));
    for (int fd = STDIN_FILENO; fd <= (broker.is_keeper ? STDERR_FILENO : STDOUT_FILENO); fd++)
        if (null_fd < 0 || dup2(null_fd, fd) < 0)
            die("opening /dev/null: %s", strerror(errno));
    (void)close(null_fd);
}

static void launch_guarded(const struct slice *payload, int output_fd) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        die("making a socket for init: %s", strerror(errno));
    CLEANUP_FD int specification_fd = make_specification(payload);
    broker.wall_messages_fd = memfd_create("sallyport-wall", MFD_CLOEXEC);
    if (broker.wall_messages_fd < 0)
        die("making a file for bubblewrap's messages: %s", strerror(errno));
    broker.launch_pid = fork();
    if (broker.launch_pid < 0)
        die("starting the wall: %s", strerror(errno));
    if (broker.launch_pid == 0) {
        (void)setpgid(0, 0); /* what the terminal sends to our group is not meant for the wall */
        join_cgroups();
        use_own_pipes();
        use_own_output(output_fd);
        unblock_signals(0);
        restore_own_limits();
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        exec_guarded(pair[1], specification_fd);
    }
    (void)close(pair[1]);
    if (output_fd >= 0)
        (void)close(output_fd);
    (void)fcntl(pair[0], F_SETFL, O_NONBLOCK); /* an init that somebody has stopped must not stop us */
    broker.init.fd = pair[0];
    watch_source(&broker.init, EPOLLIN);
    if (broker.launch.escalate_socket != 0)
        open_wrappers_socket(pair[0]);
}

static void launch_plain(int output_fd) {
    int result[2];
    if (pipe2(result, O_CLOEXEC) != 0)
        die("making a pipe: %s", strerror(errno));
    broker.launch_pid = fork();
    if (broker.launch_pid < 0)
        die("starting the program: %s", strerror(errno));
    if (broker.launch_pid == 0) {
        join_cgroups();
        use_own_pipes();
        use_own_output(output_fd);
        exec_plain(result[1]);
    }
    (void)close(result[1]);
    if (output_fd >= 0)
        (void)close(output_fd);
    struct plain_failure failure;
    bool failed = RETRY(read(result[0], &failure, sizeof failure)) == (ssize_t)sizeof failure;
    (void)close(result[0]);
    if (failed)
        send_failed(failure.before_exec ? "entering the working directory" : "exec", failure.error);
    else
        send_started(broker.launch_pid);
}

static void launch(struct reader *reader) {
    struct slice payload = {reader->at, (size_t)(reader->end - reader->at)};
    if (broker.launched)
        die("Node launched twice");
    if (!launch_parse(reader, &broker.launch))
        die("Node sent a malformed launch specification");
    if (broker.is_keeper && (broker.launch.guarded || broker.launch.pty || broker.launch.merged_output))
        die("Node launched what is more than a program with pipes");
    broker.launched = true;
    size_t count = 0;
    if (broker.launch.cgroup[0] != '\0')
        broker.cgroups[count++] = broker.launch.cgroup;
    if (broker.launch.pids_cgroup[0] != '\0')
        broker.cgroups[count++] = broker.launch.pids_cgroup;
    if (broker.launch.freezer_cgroup[0] != '\0')
        broker.cgroups[count] = broker.launch.freezer_cgroup;
    int output_fd = prepare_terminal();
    if (broker.launch.guarded) {
        /* The byte that init reads has to say what was decided here. */
        uint8_t *terminal = (uint8_t *)(uintptr_t)payload.bytes + 3;
        *terminal = (uint8_t)broker.launch.terminal;
        launch_guarded(&payload, output_fd);
    } else {
        launch_plain(output_fd);
    }
    close_own_pipes();
    let_go_of_standard_descriptors();
}

/* --- ending --- */

static size_t kill_everything(void) {
    for (const char *const *cgroup = broker.cgroups; *cgroup != NULL; cgroup++)
        (void)kill_cgroup(*cgroup);
    return signal_descendants(SIGKILL, 0);
}

/* Ends what is left of the tree. Every orphan comes to us (subreaper), so when there is no child any more, none is left: usually
 * at once, and then there is no walk through /proc. */
static bool end_tree(void) {
    uint64_t until = monotonic_ms() + TREE_TIMEOUT_MS;
    for (bool killing = false;; killing = true) {
        if (killing)
            broker.killed += kill_everything();
        for (;;) {
            int status;
            pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
            if (pid < 0)
                return errno == ECHILD;
            if (pid == 0)
                break;
            if (!handle_wait_status(pid, status) && pid == broker.launch_pid && !broker.status_known &&
                !broker.launch.guarded) {
                broker.status = status;
                broker.status_known = true;
            }
        }
        if (monotonic_ms() > until)
            return false;
        struct timespec moment = {0, 2000000};
        if (killing)
            (void)nanosleep(&moment, NULL);
        else
            (void)setpriority(PRIO_PROCESS, 0, -20); /* a fork bomb starves an ordinary process; best effort */
    }
}

static void remove_cgroups(void) {
    for (const char *const *cgroup = broker.cgroups; *cgroup != NULL; cgroup++)
        for (int tries = 0; tries < 50 && rmdir(*cgroup) != 0 && errno == EBUSY; tries++) {
            struct timespec moment = {0, 2000000};
            (void)nanosleep(&moment, NULL);
        }
}

static void flush_before_leaving(void) {
    int flags = fcntl(CONTROL_FD, F_GETFL);
    (void)fcntl(CONTROL_FD, F_SETFL, flags & ~O_NONBLOCK);
    size_t sent = 0;
    while (sent < broker.out.length) {
        ssize_t one = RETRY(send(CONTROL_FD, broker.out.data + sent, broker.out.length - sent, MSG_NOSIGNAL));
        if (one <= 0)
            return;
        sent += (size_t)one;
    }
}

/* Node may still be answering what has ended meanwhile. A write that fails makes it drop what it has not read of ours, the last
 * frame included; so we read on until it has seen our end and closed its own, for a moment at most. */
static void read_until_node_closes(void) {
    uint64_t until = monotonic_ms() + LAST_WORDS_MS;
    if (shutdown(CONTROL_FD, SHUT_WR) != 0)
        return;
    for (uint64_t now = monotonic_ms(); now < until; now = monotonic_ms()) {
        struct pollfd polled = {CONTROL_FD, POLLIN, 0};
        uint8_t bytes[4096];
        (void)poll(&polled, 1, (int)(until - now));
        ssize_t got = recv(CONTROL_FD, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return;
    }
}

/* The namespace ends with its init, and bubblewrap after it: what that takes away is not ours to kill. */
static void wait_for_wall(void) {
    for (int tries = 0; broker.launch.guarded && broker.status_known && !broker.launch_reaped && tries < 500; tries++) {
        struct timespec moment = {0, 1000000};
        pid_t pid = waitpid(broker.launch_pid, NULL, WNOHANG);
        if (pid != 0)
            return;
        (void)nanosleep(&moment, NULL);
    }
}

/* Every child dies, also of a broker that gives up. */
static void give_up(void) {
    if (getpid() != broker.pid)
        return; /* a child on its way to its program */
    let_go(false);
    give_terminal_back();
    restore_outer_terminal();
    (void)end_tree();
    remove_cgroups();
}

static _Noreturn void leave(void) {
    let_go(false);
    give_terminal_back();
    wait_for_wall();
    struct buffer left = {0};
    if (broker.linger_timed)
        write_descendant_names(&left);
    else
        buffer_u32(&left, 0);
    bool sure = end_tree();
    read_rest_of_terminal();
    report_all_ended();
    report_sessions_ended();
    remove_cgroups();
    uint8_t how = broker.cgroups[0] != NULL && broker.launch.cgroup[0] != '\0' ? 1
                  : broker.launch.pid_namespace && !escalated_anything()       ? 0
                                                                               : 2;
    size_t frame = buffer_begin_frame(&broker.out, FRAME_ENDED);
    buffer_u8(&broker.out, broker.status_known);
    buffer_i32(&broker.out, broker.status);
    buffer_u8(&broker.out, how);
    buffer_u8(&broker.out, sure);
    buffer_u64(&broker.out, broker.killed);
    buffer_bytes(&broker.out, left.data, left.length);
    buffer_end_frame(&broker.out, frame);
    if (!broker.node_gone) {
        flush_before_leaving();
        read_until_node_closes();
    }
    /* After Node has printed all: in the caller's modes the last lines would get a second carriage return. */
    restore_outer_terminal();
    _exit(0);
}

static void terminate(uint32_t grace_ms) {
    let_go(false); /* what stands still can't end */
    if (broker.kill_at_ms != 0)
        return;
    if (broker.lingering) {
        broker.ending = true; /* the program itself has ended: nobody is left to be polite to */
        return;
    }
    broker.kill_at_ms = monotonic_ms() + grace_ms;
    if (grace_ms > 0) {
        (void)signal_descendants(SIGTERM, broker.launch.guarded ? broker.launch_pid : 0);
        (void)signal_descendants(SIGCONT, broker.launch.guarded ? broker.launch_pid : 0);
    }
    set_delay(&broker.timer, grace_ms == 0 ? 1 : grace_ms);
}

/* What the program left behind may go on for a moment, so that what it still prints is not lost. */
static void linger(void) {
    uint64_t now = monotonic_ms(), until = now + broker.launch.linger_ms;
    if (broker.kill_at_ms != 0 && broker.kill_at_ms < until)
        until = broker.kill_at_ms > now ? broker.kill_at_ms : now + 1;
    broker.linger_timed = true;
    buffer_end_frame(&broker.out, buffer_begin_frame(&broker.out, FRAME_LINGERING));
    set_delay(&broker.timer, until - now);
}

/* --- events --- */

static void send_to_command(enum init_message_kind kind, int32_t value) {
    if (broker.launch.guarded && broker.init.fd >= 0)
        (void)send_init_message(broker.init.fd, kind, value, "", -1);
    else if (!broker.launch.guarded && broker.launch_pid > 0 && kind == INIT_SIGNAL)
        (void)kill(-broker.launch_pid, value);
}

static void handle_child(pid_t pid, int status) {
    if (handle_keeper_status(pid, status))
        return;
    if (tree_is_frozen() && WIFSTOPPED(status) && status >> 16 == 0)
        return; /* by us, and nobody needs to know */
    if (handle_wait_status(pid, status) || pid != broker.launch_pid)
        return;
    if (WIFSTOPPED(status))
        return;
    broker.launch_reaped = true;
    if (!broker.launch.guarded) {
        broker.status = status;
        broker.status_known = true;
        broker.lingering = broker.launch.linger_ms > 0 && broker.started;
        broker.ending = !broker.lingering;
    }
}

static void handle_signals(void) {
    struct signalfd_siginfo information;
    while (read(broker.signals.fd, &information, sizeof information) == (ssize_t)sizeof information) {
        if (information.ssi_signo == SIGCONT)
            handle_continue();
        else if (information.ssi_signo == SIGTERM && is_starter())
            pass_on_sigterm();
        else if (information.ssi_signo == SIGTERM)
            terminate(2000);
        else
            handle_terminal_signal(&information);
    }
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | __WALL)) > 0)
        handle_child(pid, status);
    if (broker.lingering && pid < 0)
        broker.ending = true; /* nobody is left */
    else if (broker.lingering && !broker.linger_timed)
        linger();
}

/* The first line that bubblewrap wrote, after "wall: ". */
static void quote_wall_message(void) {
    char text[300];
    ssize_t length = pread(broker.wall_messages_fd, text, sizeof text - 1, 0);
    text[length < 0 ? 0 : length] = '\0';
    text[strcspn(text, "\n")] = '\0';
    (void)snprintf(broker.failure, sizeof broker.failure, "wall: %s", text);
}

static void fail_launch(void) {
    if (broker.failure[0] == '\0' && broker.probed[0] != '\0')
        (void)snprintf(broker.failure, sizeof broker.failure, "probe");
    else if (broker.failure[0] == '\0')
        quote_wall_message();
    send_failed(broker.failure, broker.failure_errno);
    broker.ending = true;
}

static size_t all_were_signalled;

size_t times_all_were_signalled(void) {
    return all_were_signalled;
}

static void handle_init_message(const struct init_message *message, int *passed_fd) {
    switch (message->kind) {
    case INIT_LISTENER:
        if (message->value != 1 || (broker.launch.intercept && *passed_fd < 0)) {
            (void)snprintf(broker.failure, sizeof broker.failure, "waiting without interruption (Linux 5.19)");
            fail_launch();
            return;
        }
        if (*passed_fd >= 0)
            add_listener(steal_fd(passed_fd), false, 0);
        send_started(0);
        return;
    case INIT_PROBED:
        (void)snprintf(broker.probed, sizeof broker.probed, "%s", message->text);
        return;
    case INIT_FAILED:
        (void)snprintf(broker.failure, sizeof broker.failure, "%s", message->text);
        broker.failure_errno = message->value;
        fail_launch();
        return;
    case INIT_STOPPED:
        handle_stop(message->value);
        return;
    case INIT_SIGNAL_ALL:
        all_were_signalled++;
        return;
    case INIT_ENDED:
        if (!broker.started)
            send_started(0);
        broker.status = message->value;
        broker.status_known = true;
        broker.ending = true;
        report_command_ended(first_command_pid(), message->value);
        return;
    default:
        return;
    }
}

void handle_init(void) {
    struct init_message message;
    int passed_fd;
    int got = receive_init_message(broker.init.fd, &message, &passed_fd);
    if (got == 1) {
        handle_init_message(&message, &passed_fd);
    } else {
        close_source(&broker.init);
        if (!broker.status_known && !broker.ending)
            fail_launch();
        broker.ending = true;
    }
    cleanup_fd(&passed_fd);
}

/* What would set something going. */
static bool has_to_wait(uint8_t kind) {
    return holds_tree() && (kind == FRAME_VERDICT || kind == FRAME_SESSION_SEND || kind == FRAME_SESSION_START ||
                            kind == FRAME_SESSION_SIGNAL || kind == FRAME_SIGNAL);
}

void handle_frame(uint8_t kind, struct reader *reader) {
    if (is_starter()) {
        if (!handle_starter_frame(kind, reader))
            die("Node sent a frame of unknown kind %u", kind);
        return;
    }
    if (has_to_wait(kind)) {
        defer_frame(kind, reader);
        return;
    }
    switch (kind) {
    case FRAME_LAUNCH:
        launch(reader);
        return;
    case FRAME_VERDICT:
        apply_verdict(reader);
        return;
    case FRAME_RESOLVE:
        answer_resolve(reader);
        return;
    case FRAME_ACKNOWLEDGE:
        if (!standing_acknowledge(read_u32(reader)))
            die("Node acknowledged execs that were not answered");
        return;
    case FRAME_REVOKE:
        standing_forget_all();
        return;
    case FRAME_SESSION_RESOLVE:
        resolve_for_session(reader);
        return;
    case FRAME_SESSION_SEND:
        send_to_wrapper(reader);
        return;
    case FRAME_SESSION_START:
        start_session_program(reader);
        return;
    case FRAME_SESSION_SIGNAL:
        signal_session_program(reader);
        return;
    case FRAME_SIGNAL:
        send_to_command(INIT_SIGNAL, read_i32(reader));
        return;
    case FRAME_TERMINATE:
        terminate(read_u32(reader));
        return;
    case FRAME_HOLD:
        hold_tree(reader);
        return;
    case FRAME_SHOW:
        show_question(reader);
        return;
    case FRAME_LET_GO:
        let_go(read_u8(reader) != 0);
        return;
    case FRAME_RESIZE:
        resize_terminal(reader);
        return;
    case FRAME_INPUT:
        type_into_terminal(reader);
        return;
    default:
        die("Node sent a frame of unknown kind %u", kind);
    }
}

static void handle_frames(void) {
    size_t used = 0;
    while (broker.in.length - used >= FRAME_HEADER) {
        struct reader header = {broker.in.data + used, broker.in.data + broker.in.length, false};
        uint32_t length = read_u32(&header);
        uint8_t version = read_u8(&header), kind = read_u8(&header);
        if (version != FRAME_VERSION)
            die("Node speaks frame version %u, expected %d: rebuild with npm run build", version, FRAME_VERSION);
        if (length > FRAME_CAP)
            die("Node sent a frame of %u bytes, at most %d are taken", length, FRAME_CAP);
        if (broker.in.length - used - FRAME_HEADER < length)
            break;
        struct reader payload = {broker.in.data + used + FRAME_HEADER, broker.in.data + used + FRAME_HEADER + length,
                                 false};
        used += FRAME_HEADER + length;
        handle_frame(kind, &payload);
        if (payload.bad)
            die("Node sent a malformed frame of kind %u", kind);
    }
    buffer_drop(&broker.in, used);
}

static void handle_control(uint32_t events) {
    if ((events & (EPOLLIN | EPOLLHUP)) == 0)
        return;
    buffer_reserve(&broker.in, 65536);
    ssize_t got =
        RETRY(recv(CONTROL_FD, broker.in.data + broker.in.length, broker.in.capacity - broker.in.length, MSG_DONTWAIT));
    if (got > 0) {
        broker.in.length += (size_t)got;
        handle_frames();
    } else if (got == 0 || errno != EAGAIN) {
        broker.node_gone = true; /* nobody answers any more: the tree ends now */
        broker.ending = true;
    }
}

static void handle_event(struct source *source, uint32_t events) {
    switch (source->kind) {
    case SOURCE_CONTROL:
        handle_control(events);
        return;
    case SOURCE_SIGNALS:
        handle_signals();
        return;
    case SOURCE_INIT:
        handle_init();
        return;
    case SOURCE_LISTENER:
        handle_listener((struct listener *)source, events);
        return;
    case SOURCE_PROCESS:
        handle_process_exit((struct process *)source, events);
        return;
    case SOURCE_STAND_IN:
        handle_stand_in(source);
        return;
    case SOURCE_REPORT:
        handle_report(source);
        return;
    case SOURCE_WRAPPERS:
        handle_wrappers(events);
        return;
    case SOURCE_SESSION:
        handle_session(source, events);
        return;
    case SOURCE_SESSION_REPORT:
        handle_session_report(source);
        return;
    case SOURCE_TERMINAL:
        handle_terminal(events);
        return;
    case SOURCE_KEEPER:
        handle_keeper(source);
        return;
    case SOURCE_TIMER:
        broker.ending = true;
        return;
    case SOURCE_QUESTION:
        handle_question(events);
        return;
    }
}

/* What a process does not have from the one that forked it. */
static void open_event_loop(void) {
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    (void)fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
    /* The attack: whoever started Sallyport left a folder open, and through it code inside walks around the mounts. The
     * command gets the standard descriptors and no others. */
    (void)syscall(SYS_close_range, CONTROL_FD + 1U, ~0U, 0U);
    broker.pid = getpid();
    broker.session = getsid(0);
    broker.group = getpgrp();
    before_dying = give_up;
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    broker.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    broker.signals.fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    broker.timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (broker.epoll_fd < 0 || broker.signals.fd < 0 || broker.timer.fd < 0)
        die("preparing the event loop: %s", strerror(errno));
    watch_source(&broker.control, EPOLLIN);
    watch_source(&broker.signals, EPOLLIN);
    watch_source(&broker.timer, EPOLLIN);
}

static void open_everything(const char *self) {
    /* Descriptors of waiting callers pass through here; the command gets the caller's own limit back. */
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        broker.own_files_limit = limit;
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    (void)prctl(PR_SET_NAME, "sallyport-brokr", 0, 0, 0);
    open_event_loop();
    char path[PATH_MAX];
    const char *slash = strrchr(self, '/');
    (void)snprintf(path, sizeof path, "%.*s/sallyport-stand-in", slash == NULL ? 1 : (int)(slash - self),
                   slash == NULL ? "." : self);
    broker.stand_in_fd = RETRY(open(path, O_RDONLY | O_CLOEXEC));
    if (broker.stand_in_fd < 0)
        die("opening %s: %s; rebuild with npm run build", path, strerror(errno));
}

static _Noreturn void run_until_the_end(void) {
    while (!broker.ending) {
        int hold_ms = go_on_holding();
        int sleep_ms = flush_what_hurries();
        if (hold_ms > 0)
            sleep_ms = sleep_ms < 0 || sleep_ms > hold_ms ? hold_ms : sleep_ms;
        if (broker.node_gone)
            break;
        /* One event at a time: handling one may close the source of another. */
        struct epoll_event event;
        if (RETRY(epoll_wait(broker.epoll_fd, &event, 1, sleep_ms)) == 1)
            handle_event(event.data.ptr, event.events);
    }
    leave();
}

void keep_program(struct reader *reader) {
    /* The starter's: what it was about to tell Node is not ours to tell, and what Node told it is not told to us. */
    broker.out = broker.in = (struct buffer){0};
    broker.control_writable = false;
    broker.stand_in_fd = -1;
    broker.is_keeper = true;
    (void)prctl(PR_SET_NAME, "sallyport-brokr", 0, 0, 0);
    open_event_loop();
    launch(reader);
    run_until_the_end();
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "--init") == 0)
        init_main(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
    if (argc == 2 && strcmp(argv[1], "--kernel-report") == 0)
        return print_kernel_report();
    bool starts_programs = argc == 2 && strcmp(argv[1], "--starter") == 0;
    bool with_pipes = argc == 2 && strcmp(argv[1], "--pipes") == 0;
    if ((argc != 1 && !starts_programs && !with_pipes) || fcntl(CONTROL_FD, F_GETFD) < 0)
        die("started by hand; use the sallyport command");
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length < 0 ? 0 : length] = '\0';
    open_everything(self);
    if (starts_programs)
        become_starter();
    if (with_pipes)
        make_own_pipes();
    send_hello();
    run_until_the_end();
}
