/* The launch specification as Node sends it; read by the broker and, from a memfd, by the init process. */
#ifndef SALLYPORT_LAUNCH_H
#define SALLYPORT_LAUNCH_H

#include "buffer.h"

struct landlock_path {
    char *path;
    uint64_t access;
};

struct probe_spec {
    char *canary_file;
    char *canary_folder;
    bool network;
    char **gaps;
};

struct wall_spec {
    bool present;
    bool seccomp;
    bool refuse_unix_sockets;
    bool refuse_inet_sockets;
    uint64_t keep_capabilities;
    bool landlock;
    uint64_t handled_fs, handled_net, scoped;
    uint32_t path_count;
    struct landlock_path *paths;
    char **except_paths;
    uint64_t except_access;
    bool probing;
    struct probe_spec probe;
};

/* Where what the command prints goes: to the descriptors that we got, or through us. */
enum output_kind { OUTPUT_INHERITED = 0, OUTPUT_PTY = 1, OUTPUT_PIPE = 2 };

/* Node says NONE, or BACKGROUND for "as it comes"; what init reads is what the broker has found. */
enum terminal_use { TERMINAL_NONE = 0, TERMINAL_BACKGROUND = 1, TERMINAL_FOREGROUND = 2 };

struct launch_spec {
    bool guarded, intercept, pid_namespace, pty, merged_output;
    enum terminal_use terminal;
    uint32_t rows, columns;
    char *cgroup, *pids_cgroup, *freezer_cgroup; /* empty: none */
    uint64_t nofile_soft;                        /* the caller's own limit, which Node raised for itself; 0: leave it */
    uint64_t ignored_signals;                    /* bit n-1: signal n was ignored by the caller */
    uint8_t closed_descriptors;                  /* bit n: the caller had no descriptor n */
    bool own_session;                            /* plain mode */
    uint32_t linger_ms;                          /* plain mode: how long what the program leaves behind may go on */
    uint32_t escalate_socket; /* number at which the command inherits the wrappers' socket; 0: it has none */
    char **outer_argv;
    char *file;
    char **argv, **env;
    char *cwd;
    struct wall_spec wall;
};

/* False for a payload that is not a launch specification. What it allocated stays until the process ends. */
bool launch_parse(struct reader *reader, struct launch_spec *launch);

#endif
