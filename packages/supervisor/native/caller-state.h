/* Everything about a waiting caller that a faithful escalation gives to the program that runs in its place. */
#ifndef SALLYPORT_CALLER_STATE_H
#define SALLYPORT_CALLER_STATE_H

#include "launch.h"
#include "resolve.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

enum { LIMIT_COUNT = 16, GROUPS_LIMIT = 1024, DESCRIPTOR_LIMIT = 4096 };

struct caller_descriptor {
    int number; /* in the caller */
    int fd;     /* our copy */
};

struct caller_state {
    uid_t uids[3]; /* real, effective, saved */
    gid_t gids[3];
    gid_t groups[GROUPS_LIMIT];
    size_t group_count;
    uint64_t effective_capabilities;
    uint64_t ignored_signals, blocked_signals;
    mode_t umask;
    struct rlimit limits[LIMIT_COUNT];
    int nice;
    cpu_set_t affinity;
    bool has_affinity;
    char oom_score_adj[16];
    pid_t group, session;
    bool leads_session;
    int cwd_fd;
    struct stat cwd_status;
    struct caller_descriptor *descriptors;
    size_t descriptor_count;
};

/* Takes the snapshot while the caller waits in its system call. False (with `state` cleaned) when it cannot be complete. */
bool caller_state_take(struct caller_state *state, struct target *target, int pidfd);
/* The same for a caller that has sent its descriptors itself: `descriptors` (allocated, taken) are those. */
bool caller_state_take_with(struct caller_state *state, struct target *target, struct caller_descriptor *descriptors,
                            size_t count);
void caller_state_release(struct caller_state *state);

struct escalation {
    bool intercept; /* programs that it starts are reported too */
    struct caller_state *state;
    int program_fd;
    char *const *argv;
    char *const *env;
    const char *cwd; /* outside name of the caller's cwd */
    bool denies_reads;
    int read_ruleset;           /* Landlock, where something is denied */
    const char *const *cgroups; /* NULL-ended */
    pid_t broker_session;
    uint64_t
        usual_capabilities; /* what the caller has when it did not change anything: then outside means the broker's own */
};

/* In the forked child: the caller's cgroups, process group or session, and priority. */
void join_like_caller(const struct escalation *escalation, int report_fd);
/* In the forked child: becomes the program. Sends the exec filter's listener, or what failed, over `report_fd`
 * (SOCK_SEQPACKET, init messages). */
_Noreturn void become_escalated(const struct escalation *escalation, int report_fd);

/* What init finds behind the launch specification where its program takes a waiting caller's place; the descriptors follow. Every
 * number is that of a descriptor which init has inherited. */
struct inherited_state {
    struct caller_state state;
    int program_fd;
    uint64_t usual_capabilities;
};

/* In init's child, in a sandbox of its own: becomes the program behind that wall. `running_fd` closes when it runs. */
_Noreturn void become_in_bounds(const struct escalation *escalation, const struct wall_spec *wall, int report_fd,
                                int running_fd);

#endif
