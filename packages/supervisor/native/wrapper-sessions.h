/* The other interceptor: wrappers that a patched shell executes ask over a socket that everything inside inherits. */
#ifndef SALLYPORT_WRAPPER_SESSIONS_H
#define SALLYPORT_WRAPPER_SESSIONS_H

#include "broker.h"

/* Makes the shared socket and hands its other end to init. */
void open_wrappers_socket(int init_fd);
void handle_wrappers(uint32_t events);
void handle_session(struct source *source, uint32_t events);
void handle_session_report(struct source *source);
/* While Node reads too slowly nothing new is taken from wrappers. */
void pause_sessions(bool pause);

/* Frames from Node. */
void resolve_for_session(struct reader *reader);
void send_to_wrapper(struct reader *reader);
void start_session_program(struct reader *reader);
void signal_session_program(struct reader *reader);

/* A child changed state; true when it is a program that a session has started. */
bool handle_session_status(pid_t pid, int status);
/* The process that asked is gone. */
void end_sessions_of(pid_t pid);
/* After the tree has ended. */
void report_sessions_ended(void);

#endif
