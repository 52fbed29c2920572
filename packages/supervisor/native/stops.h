/* A stand-in and its program outside stop and go on together. */
#ifndef SALLYPORT_STOPS_H
#define SALLYPORT_STOPS_H

#include "common.h"

struct stops {
    uint32_t count;     /* of the program; the stand-in is told each with its number */
    bool has_passed;    /* a stop signal that the stand-in got, and no SIGCONT since */
    uint32_t passed_at; /* what the stand-in knew then */
};

/* Whether a signal that the stand-in got when it knew of `known` stops is for the program too. */
bool takes_signal(struct stops *stops, pid_t program, int signal, uint32_t known);

#endif
