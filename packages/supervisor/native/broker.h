/* The broker: one process per command, outside the sandbox. It holds descriptors, sockets and processes; it does what Node
 * answers and knows nothing of rules. */
#ifndef SALLYPORT_BROKER_H
#define SALLYPORT_BROKER_H

#include "bounds.h"
#include "caller-state.h"
#include "init.h"
#include "launch.h"

enum { CONTROL_FD = 3 };

enum source_kind {
    SOURCE_CONTROL,        /* frames to and from Node */
    SOURCE_SIGNALS,        /* signalfd */
    SOURCE_INIT,           /* the init process */
    SOURCE_LISTENER,       /* seccomp notifications */
    SOURCE_PROCESS,        /* pidfd of a process whose exec was decided */
    SOURCE_STAND_IN,       /* socket of a stand-in */
    SOURCE_REPORT,         /* socket of an escalated program that is being started */
    SOURCE_WRAPPERS,       /* our end of the socket that wrappers share */
    SOURCE_SESSION,        /* a wrapper's own socket */
    SOURCE_SESSION_REPORT, /* as SOURCE_REPORT */
    SOURCE_TERMINAL,       /* master side of a pty of ours */
    SOURCE_KEEPER,         /* control socket of a keeper */
    SOURCE_TIMER,
    SOURCE_QUESTION, /* the terminal that a person is asked at */
};

/* The first member of everything that epoll watches. */
struct source {
    enum source_kind kind;
    int fd;
};

struct listener {
    struct source source;
    uint8_t outside; /* 0: inside, 1: below an escalated program, 2: in a bounded sandbox */
    pid_t starting;  /* our own child, whose next exec is the one that we decided on; 0 otherwise; ANY_STARTER */
};

enum { INSIDE = 0, OUTSIDE = 1, IN_BOUNDS = 2, ANY_STARTER = -1 /* nobody else is under that filter yet */ };

struct request;

/* A process whose exec was decided: as the program itself or as a stand-in. */
struct process {
    struct source source;
    pid_t tgid;
    uint64_t request_id; /* 0 until a verdict took effect */
    bool reports;        /* its end is the end of that exec's record */
    struct process *next;
};

/* VERDICT_STAND: run, and run again without asking what is the same in everything that was looked at.
 * VERDICT_BOUNDED: outside, in a sandbox of its own.
 * VERDICT_SAME: run, if the call names what it did when it was asked about. */
enum verdict_kind {
    VERDICT_RUN = 0,
    VERDICT_ESCALATE = 1,
    VERDICT_DENY = 2,
    VERDICT_STAND = 3,
    VERDICT_BOUNDED = 4,
    VERDICT_SAME = 5,
};

struct broker {
    int epoll_fd;
    struct source control, signals, init, timer;
    struct buffer in, out;
    size_t unhurried;      /* bytes of `out` that nobody waits for, when nothing else is in it */
    uint64_t flush_at_ms;  /* when they are sent all the same */
    bool control_writable; /* EPOLLOUT is asked for */
    bool listeners_paused; /* Node reads too slowly: no new execs until it caught up */
    int stand_in_fd;       /* the stand-in's executable */
    int wall_messages_fd;  /* what bubblewrap wrote to its stderr */
    bool own_pipes;  /* the command's descriptors 0 to 2 are pipes of ours, whose other ends Node opens through /proc */
    int pipes[3][2]; /* of each its reading and its writing end */
    bool is_keeper;  /* our own descriptors 0 to 2 are the program's pipes, until it has them */
    pid_t pid, session, group;
    struct rlimit own_files_limit; /* as we were started */
    struct launch_spec launch;
    bool launched, started, ending, node_gone;
    bool lingering; /* plain mode: the program has ended, what it left behind may go on for a moment */
    bool linger_timed;
    pid_t launch_pid; /* bubblewrap or init; in plain mode the program */
    bool launch_reaped;
    bool status_known;
    int status; /* wait status of the command */
    uint64_t usual_capabilities;
    struct probe_targets probe_targets; /* what stands outside for a wall's probe to aim at */
    char failure[600];                  /* what init said when it failed, "" otherwise */
    int failure_errno;
    char probed[500];
    uint64_t killed;
    uint64_t kill_at_ms; /* 0: no kill is due */
    const char *cgroups[4];
};

extern struct broker broker;

/* broker.c */
void watch_source(struct source *source, uint32_t events);
void close_source(struct source *source);
void send_exec_end(uint64_t request_id, int how, bool known, int status);
void flush_control(void);
struct reader;
void handle_frame(uint8_t kind, struct reader *reader);
/* What was appended to `out` from `start` on is what nobody waits for. */
void leave_unhurried(size_t start);
/* In a process that the starter has forked, with the program's descriptors at 0 to 2 and its own control socket in place. */
_Noreturn void keep_program(struct reader *launch_reader);

/* exec-requests.c */
void add_listener(int fd, uint8_t outside, pid_t starting);
void pause_listeners(bool pause);
void handle_listener(struct listener *listener, uint32_t events);
void handle_process_exit(struct process *process, uint32_t events);
void handle_stand_in(struct source *source);
void handle_report(struct source *source);
void apply_verdict(struct reader *reader);
void answer_resolve(struct reader *reader);
/* A child or tracee changed state; true when it was a stand-in's business. */
bool handle_wait_status(pid_t pid, int status);
void report_command_ended(pid_t pid, int status);
pid_t first_command_pid(void);
struct process *know_process(pid_t tid, pid_t *tgid);
void append_parents(struct buffer *out, const struct process *process);
/* Remembers the root and the capabilities of the first process that is asked about. */
void note_command(pid_t pid);
int shared_root(bool outside);
/* Forks into the tree's cgroup, for a program outside. `joined`: the child need not join the first one itself. */
pid_t fork_into_cgroup(bool *joined);
bool escalated_anything(void);
/* A caller is on its way to become a stand-in, held by ptrace. */
bool redirects_somebody(void);
/* After the tree has ended: the ends that nobody was there to tell. */
void report_all_ended(void);

/* process-tree.c */
/* Sends `signal` to every living descendant of this process but `except`; how many there were. */
size_t signal_descendants(int signal, pid_t except);
/* Writes a list of the names of the living descendants. */
void write_descendant_names(struct buffer *out);
struct descendant {
    pid_t pid, parent;
};
/* A list to be freed by the caller. A leader that has ended is in it: other threads of its may run. `vanished`: how many processes of
 * the whole machine ended while it was made. */
struct descendant *list_living_descendants(size_t *living, size_t *vanished);
pid_t parent_of(pid_t pid);
/* Kills the living children that are not spared. Their own children come to a subreaper when they have ended, and not before. */
void kill_children(bool (*is_spared)(pid_t pid));
bool kill_cgroup(const char *folder);

/* Messages of init that have come; how often it has told that it has signalled everybody. */
void handle_init(void);
size_t times_all_were_signalled(void);

enum exec_end { END_ENDED = 0, END_VANISHED = 1, END_FAILED = 2, END_CHANGED = 3 };

#endif
