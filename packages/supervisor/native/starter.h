/* The starter: one process that starts plain programs for Node, each below a keeper of its own. */
#ifndef SALLYPORT_STARTER_H
#define SALLYPORT_STARTER_H

#include "broker.h"

/* From now on this broker is a starter: it takes frames about programs, and no others. */
void become_starter(void);
bool is_starter(void);
/* False for a frame that is not the starter's business. */
bool handle_starter_frame(uint8_t kind, struct reader *reader);
void handle_keeper(struct source *source);
/* The starter itself stays: Node, which may have got the same signal, may have programs to start before it ends. */
void pass_on_sigterm(void);
/* A child changed state; true when that was the starter's business. */
bool handle_keeper_status(pid_t pid, int status);

#endif
