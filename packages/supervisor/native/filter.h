/* The seccomp filters and Landlock: what the kernel enforces on a process and everything below it. */
#ifndef SALLYPORT_FILTER_H
#define SALLYPORT_FILTER_H

#include "launch.h"

/* Installs the filter that reports execve, execveat and the magic call; the listener, or -1. `killable` tells whether the
 * wait is one that signals do not interrupt. */
int install_exec_filter(bool *killable);
bool install_wall_filter(const struct wall_spec *wall);
/* Cuts capabilities and the bounding set down to `keep`; nothing happens for a process that has none. */
bool cut_capabilities(uint64_t keep);

int landlock_abi(void);
bool restrict_by_landlock(const struct wall_spec *wall);
/* A ruleset that takes away reading files below `denied` and nothing else, for a program that runs outside the wall; -1 when
 * it can't be made. It is kept, and made anew when a folder beside a denied path has changed. */
int ruleset_denying_reads(char *const *denied);
bool restrict_by_ruleset(int ruleset);

#endif
