/* A shell continues a whole group. The stand-in and the program both have that SIGCONT then, and what the stand-in passes on comes
 * late: after the next Ctrl-Z it would undo it, or continue a job in the background. But where the kernel keeps signals of the inside
 * from the outside, the stand-in alone has it. The numbers of the stops tell: a SIGCONT is for the stop that the stand-in knows. */
#define _GNU_SOURCE
#include "stops.h"
#include "freeze.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static bool is_stop(int signal) {
    return signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

static bool names_signal(const char *status, const char *field, int signal) {
    const char *line = strstr(status, field);
    return line != NULL && (strtoull(line + strlen(field), NULL, 16) >> (signal - 1) & 1) != 0;
}

/* It has a handler for SIGCONT, or reads it from a descriptor: then it may be sent to one that runs. */
static bool notices_continue(pid_t program) {
    char path[64], status[16384];
    (void)snprintf(path, sizeof path, "/proc/%d/status", program);
    return read_small_file(path, status, sizeof status) > 0 &&
           (names_signal(status, "\nSigCgt:", SIGCONT) || names_signal(status, "\nSigBlk:", SIGCONT));
}

/* Nobody has waited for its last stop yet. */
static bool has_untold_stop(pid_t program) {
    siginfo_t information = {0};
    return waitid(P_PID, (id_t)program, &information, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
           information.si_pid == program;
}

static bool takes_continue(const struct stops *stops, pid_t program, uint32_t known) {
    /* Both came through the stand-in, so their order has to be kept: "kill -TSTP %1; kill -CONT %1". */
    if (stops->has_passed && known == stops->passed_at)
        return true;
    if (!is_stopped(program))
        return notices_continue(program);
    return known == stops->count && !has_untold_stop(program);
}

bool takes_signal(struct stops *stops, pid_t program, int signal, uint32_t known) {
    if (is_stop(signal)) {
        stops->has_passed = true;
        stops->passed_at = known;
    }
    if (signal != SIGCONT)
        return true;
    bool takes = takes_continue(stops, program, known);
    stops->has_passed = false;
    return takes;
}
