/* Asking a person: the tree stands still, and the terminal is ours until Node lets go. */
#ifndef SALLYPORT_QUESTION_H
#define SALLYPORT_QUESTION_H

#include "common.h"

struct reader;

void hold_tree(struct reader *reader);
/* After each event: a hold that had to wait may be possible now. How long the loop may sleep, -1: as long as it likes. */
int go_on_holding(void);
void show_question(struct reader *reader);
void handle_question(uint32_t events);
/* Everything goes on as it was; of no effect where nothing is held. `interrupt`: as the key would do it. */
void let_go(bool interrupt);

/* From the wish to hold until all goes on: what would set the tree going has to wait. */
bool holds_tree(void);
/* Keeps a frame until then. */
void defer_frame(uint8_t kind, const struct reader *payload);
/* The job was stopped by force and continued: the shell has set modes of its own. */
void take_question_up_again(void);

#endif
