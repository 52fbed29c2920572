#ifndef SALLYPORT_WALL_PROBE_H
#define SALLYPORT_WALL_PROBE_H

#include "launch.h"

/* What the probe aims at outside: ports of the broker's own sockets and the broker's process id as seen from outside. */
struct probe_targets {
    uint16_t tcp_port;
    uint16_t udp_port;
    pid_t outside_pid;
    char unix_path[108];
};

/* Tries, behind the finished wall, everything that it must stop. Appends the name of each attempt that succeeded, followed
 * by a blank. Called in a process of its own. */
void try_the_wall(const struct wall_spec *wall, const struct probe_targets *targets, char *succeeded, size_t size);

#endif
