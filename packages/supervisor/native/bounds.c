/*   broker                 bubblewrap, init (pid 1)              the program
 *     | -- memfd: wall, caller's state --> |                        |
 *     |                                    | -- fork -------------> | descriptors, wall, filter
 *     | <-- L: listener --------------------------------------------- | execveat
 *     | <-- G: it runs ------------------- | <- pipe closes ------- |
 *     | <-- T, X: stopped, ended --------- |                        |
 *
 * The caller's descriptors come along as inherited ones. bubblewrap closes them in the process that stays outside; init does it
 * when it has forked the program. */
#define _GNU_SOURCE
#include "bounds.h"
#include "init.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

bool bounds_parse(struct reader *reader, struct bounds *bounds) {
    *bounds = (struct bounds){.outer_argv = read_text_vector(reader)};
    struct slice launch = read_string(reader);
    if (reader->bad || bounds->outer_argv[0] == NULL) {
        bounds_release(bounds);
        return false;
    }
    bounds->launch = allocate(launch.length);
    memcpy(bounds->launch, launch.bytes, launch.length);
    bounds->launch_size = launch.length;
    return true;
}

void bounds_release(struct bounds *bounds) {
    free(bounds->outer_argv);
    free(bounds->launch);
    *bounds = (struct bounds){0};
}

void read_bounds_failure(int messages_fd, const char *probed, char what[BOUNDS_FAILURE_SIZE]) {
    char text[300];
    ssize_t length = pread(messages_fd, text, sizeof text - 1, 0);
    text[length < 0 ? 0 : length] = '\0';
    text[strcspn(text, "\n")] = '\0';
    (void)snprintf(what, BOUNDS_FAILURE_SIZE, "the bounded sandbox %s%s",
                   probed[0] != '\0' ? "has a hole: " : "can't be built: ", probed[0] != '\0' ? probed : text);
}

static _Noreturn void fail(int report_fd, const char *what) {
    (void)send_init_message(report_fd, INIT_FAILED, errno, what, -1);
    _exit(EXIT_OWN_FAILURE);
}

/* Above the standard descriptors, and inherited. */
static int hand_on(int fd, int report_fd) {
    int copy = fcntl(fd, F_DUPFD, STDERR_FILENO + 1);
    if (copy < 0)
        fail(report_fd, "handing descriptors to the bounded sandbox");
    return copy;
}

static void write_part(int fd, const void *bytes, size_t length, int report_fd) {
    for (size_t done = 0; done < length;) {
        ssize_t written = RETRY(write(fd, (const char *)bytes + done, length - done));
        if (written <= 0)
            fail(report_fd, "writing the bounded sandbox's specification");
        done += (size_t)written;
    }
}

static int make_specification(const struct inherited_state *inherited, const struct bounds *bounds,
                              const struct probe_targets *targets, int report_fd) {
    struct init_header header = {
        .targets = *targets, .launch_size = (uint32_t)bounds->launch_size, .takes_callers_place = true};
    int fd = memfd_create("sallyport-bounds", 0);
    if (fd < 0)
        fail(report_fd, "making the bounded sandbox's specification");
    write_part(fd, &header, sizeof header, report_fd);
    write_part(fd, bounds->launch, bounds->launch_size, report_fd);
    write_part(fd, inherited, sizeof *inherited, report_fd);
    write_part(fd, inherited->state.descriptors,
               inherited->state.descriptor_count * sizeof inherited->state.descriptors[0], report_fd);
    return fd;
}

/* The caller's terminal among its standard descriptors, or -1. */
static int terminal_of(const struct caller_state *state) {
    for (size_t i = 0; i < state->descriptor_count; i++)
        if (state->descriptors[i].number <= STDERR_FILENO && isatty(state->descriptors[i].fd))
            return state->descriptors[i].fd;
    return -1;
}

/* bubblewrap's own: nothing to read, nowhere to print but for us. A terminal that is its stdout it shows as /dev/console, so that
 * the program's has a name. */
static void use_quiet_descriptors(int messages_fd, int terminal_fd, int report_fd) {
    int null_fd = RETRY(open("/dev/null", O_RDWR | O_CLOEXEC));
    int output_fd = terminal_fd >= 0 ? terminal_fd : null_fd;
    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0 ||
        dup2(messages_fd, STDERR_FILENO) < 0)
        fail(report_fd, "setting bubblewrap's descriptors");
}

static _Noreturn void exec_bubblewrap(char *const *outer, int report_fd, int specification_fd, int self_fd) {
    char self_path[32], report_text[16], specification_text[16], init_flag[] = "--init", no_stderr[] = "-1";
    (void)snprintf(self_path, sizeof self_path, "/proc/self/fd/%d", self_fd);
    (void)snprintf(report_text, sizeof report_text, "%d", report_fd);
    (void)snprintf(specification_text, sizeof specification_text, "%d", specification_fd);
    size_t count = 0;
    while (outer[count] != NULL && strcmp(outer[count], "@init") != 0)
        count++;
    char **argv = allocate((count + 6) * sizeof argv[0]);
    memcpy(argv, outer, count * sizeof argv[0]);
    char *own[] = {self_path, init_flag, report_text, specification_text, no_stderr, NULL};
    memcpy(argv + count, own, sizeof own);
    char *no_environment[] = {NULL};
    (void)execve(argv[0], argv, no_environment);
    fail(report_fd, "starting bubblewrap");
}

void become_bounded(const struct escalation *escalation, const struct bounds *bounds,
                    const struct probe_targets *targets, int report_fd, int messages_fd) {
    join_like_caller(escalation, report_fd);
    /* The attack: a key at the terminal or a signal to the group ends bubblewrap and the sandbox with it. What is meant for the
     * program reaches the program. */
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    int self_fd = open("/proc/self/exe", O_RDONLY); /* inherited: inside there need be no path to this program */
    if (self_fd < 0 || syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) != 0)
        fail(report_fd, "marking descriptors");
    struct inherited_state inherited = {.state = *escalation->state,
                                        .program_fd = hand_on(escalation->program_fd, report_fd),
                                        .usual_capabilities = escalation->usual_capabilities};
    /* A folder of the outside, held open, would be a way past the mounts: the working folder is opened anew by its name. */
    inherited.state.cwd_fd = -1;
    for (size_t i = 0; i < inherited.state.descriptor_count; i++)
        inherited.state.descriptors[i].fd = hand_on(inherited.state.descriptors[i].fd, report_fd);
    self_fd = hand_on(self_fd, report_fd);
    int report = hand_on(report_fd, report_fd);
    int specification_fd = make_specification(&inherited, bounds, targets, report);
    use_quiet_descriptors(messages_fd, terminal_of(&inherited.state), report);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    exec_bubblewrap(bounds->outer_argv, report, specification_fd, self_fd);
}
