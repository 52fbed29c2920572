/* Verdicts that stand: what Node has let run, and lets run again when nothing that it looked at is different. The broker
 * compares bytes and knows nothing of why. */
#ifndef SALLYPORT_STANDING_H
#define SALLYPORT_STANDING_H

#include "buffer.h"

enum {
    STANDING_KEY_LIMIT = 1024, /* a longer key never stands */
    STANDING_WINDOW = 64,      /* programs that may have been started and are not acknowledged by Node */
};

/* All that a decision can depend on, one part behind the other; `length` 0: nothing can stand for this exec. */
struct standing_key {
    size_t length;
    uint8_t bytes[STANDING_KEY_LIMIT];
};

/* Adds a part, which has to tell its own length. */
void standing_key_add(struct standing_key *key, const uint8_t *bytes, size_t length);

void standing_remember(const struct standing_key *key);
/* True when a verdict stands for this key and Node has acknowledged enough of what was answered so before. */
bool standing_holds(const struct standing_key *key);
void standing_forget_all(void);

/* Counts one more exec that was answered without asking. */
void standing_answered(void);
/* False when Node acknowledges more than was answered. */
bool standing_acknowledge(uint32_t count);
/* Half of the window is used: Node must hear of it now. */
bool standing_window_narrows(void);

#endif
