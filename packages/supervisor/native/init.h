/* The process inside: it builds the wall around the command, starts it, reaps everything, tells the broker how it ended. */
#ifndef SALLYPORT_INIT_H
#define SALLYPORT_INIT_H

#include "wall-probe.h"

/* Messages on the socket between init and broker (SOCK_SEQPACKET). */
enum init_message_kind {
    INIT_LISTENER =
        'L', /* the command starts; with the descriptor where execs are reported; value: 1 when the wait is killable */
    INIT_PROBED = 'P',    /* text: the attempts that succeeded */
    INIT_FAILED = 'F',    /* value: errno, text: what */
    INIT_STOPPED = 'T',   /* value: signal */
    INIT_CONTINUED = 'C', /* where the program takes a waiting caller's place */
    INIT_ENDED = 'X',     /* value: wait status */
    INIT_RUNS = 'G',      /* the exec has succeeded, where the program takes a waiting caller's place */
    /* from the broker */
    INIT_SIGNAL = 'S',     /* value: signal for the command's process group */
    INIT_SIGNAL_ALL = 'A', /* value: signal for everything in the namespace; answered by the same kind */
    INIT_RESUME = 'R',     /* value: enum resume */
    INIT_WRAPPERS = 'W',   /* with the wrappers' socket, before anything else, where the launch names a number for it */
};

enum resume { RESUME, RESUME_IN_FOREGROUND, RESUME_FOREGROUND_ONLY /* it runs already */ };

struct init_message {
    uint8_t kind;
    int32_t value;
    uint32_t stops; /* of INIT_STOPPED its number, of INIT_SIGNAL what its sender knew: stops.h */
    char text[500];
};

/* Sent in a memfd before the launch specification. */
struct init_header {
    struct probe_targets targets;
    uint32_t launch_size;
    bool takes_callers_place; /* a struct inherited_state follows the launch specification */
};

/* `--init SOCKET SPECIFICATION STDERR`: does not return. STDERR is the command's, or -1 where it has none. */
_Noreturn void init_main(int socket_fd, int specification_fd, int error_fd);

/* Puts this process behind the wall, or tells what failed and ends. */
void build_wall(int socket_fd, const struct wall_spec *wall);

bool send_init_message(int socket_fd, enum init_message_kind kind, int32_t value, const char *text, int pass_fd);
/* INIT_STOPPED or INIT_SIGNAL. */
bool send_stop_message(int socket_fd, enum init_message_kind kind, int32_t signal, uint32_t stops);
/* 1, 0 at the end, -1 on error. A passed descriptor goes to *passed_fd (or -1). */
int receive_init_message(int socket_fd, struct init_message *message, int *passed_fd);

#endif
