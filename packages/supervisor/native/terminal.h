/* Terminals: the one that the command shares with its caller, and the pty that the broker makes. */
#ifndef SALLYPORT_TERMINAL_H
#define SALLYPORT_TERMINAL_H

#include "common.h"

struct reader;
struct signalfd_siginfo;
struct winsize;

/* Before the command starts: decides what becomes of the terminal and opens the pty or the merged pipe. The
 * descriptor that the command prints to, or -1 where it keeps the caller's. */
int prepare_terminal(void);

/* --- the pty, or the merged pipe --- */
void handle_terminal(uint32_t events);
/* What it has to say goes to Node only while Node reads. */
void watch_terminal(void);
void type_into_terminal(struct reader *reader);
void resize_terminal(struct reader *reader);
void read_rest_of_terminal(void);

/* --- stops, and the foreground --- */
/* The command has stopped. */
void handle_stop(int signal);
/* A signal to our own group, such as a key sends. */
void handle_terminal_signal(const struct signalfd_siginfo *information);
/* Somebody has continued us. */
void handle_continue(void);
/* The caller gets the foreground back. */
void give_terminal_back(void);

/* --- asking a person --- */
/* The terminal that a person sits at, opened anew, so that its flags are shared with nobody; *group: who of our session has its
 * foreground, 0 where it is not of our session. -1 and *why: there is none, or it is somebody else's at the moment. */
int open_persons_terminal(pid_t *group, const char **why);
/* Who has the foreground now; NULL, or why nobody can be asked. */
const char *find_foreground(int fd, pid_t *group);
/* The group in the foreground of the command's own pty, 0 without one. */
pid_t job_in_foreground(void);
/* As it was before the command started. */
unsigned char persons_erase_key(void);
/* The same of its size; false where the job can't have said a wrong one. */
bool size_before_job(struct winsize *size);

/* --- the caller's terminal, whose modes a pty of ours has changed --- */
void restore_outer_terminal(void);

#endif
