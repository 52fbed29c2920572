/* The whole tree of the command, brought to a stand and set going again: while a person is asked, nothing that the command started
 * may type, paint or run. */
#ifndef SALLYPORT_FREEZE_H
#define SALLYPORT_FREEZE_H

#include "common.h"

/* Returns when no process of the tree can get back to its program: NULL, or why that can't be had, and then all go on. */
const char *freeze_tree(void);
/* Everything goes on, except what had stopped by itself. */
void thaw_tree(void);
bool tree_is_frozen(void);
/* Every thread of it is stopped. */
bool is_stopped(pid_t pid);
/* Whether a cgroup holds it; else every process was stopped. */
bool frozen_by_cgroup(void);

#endif
