/* A sandbox of its own for one program outside the command's: bubblewrap, then init, then the program. */
#ifndef SALLYPORT_BOUNDS_H
#define SALLYPORT_BOUNDS_H

#include "buffer.h"
#include "caller-state.h"
#include "wall-probe.h"

struct bounds {
    char **outer_argv; /* as in a launch */
    uint8_t *launch;   /* the launch specification for its init: argv, env, cwd, wall */
    size_t launch_size;
};

/* False for a payload that is none; `bounds` then holds nothing. */
bool bounds_parse(struct reader *reader, struct bounds *bounds);
void bounds_release(struct bounds *bounds);

/* Why it has not started: what bubblewrap wrote to `messages_fd`, or what the wall's probe got away with ("": nothing). */
enum { BOUNDS_FAILURE_SIZE = 340 };
void read_bounds_failure(int messages_fd, const char *probed, char what[BOUNDS_FAILURE_SIZE]);

/* In the forked child: becomes bubblewrap. `report_fd` goes to init, which speaks as the command's init does; what bubblewrap has
 * to say goes to `messages_fd`. Of the escalation, argv, env and cwd are the launch specification's. */
_Noreturn void become_bounded(const struct escalation *escalation, const struct bounds *bounds,
                              const struct probe_targets *targets, int report_fd, int messages_fd);

#endif
