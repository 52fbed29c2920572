/* What the policy denies reading, told by what it is and not by its name alone. */
#ifndef SALLYPORT_DENIED_PATHS_H
#define SALLYPORT_DENIED_PATHS_H

#include "common.h"

#include <sys/stat.h>

/* The denied paths, and where that which was seen under them is by now; NULL where that can't be told. */
char **names_of_denied(char *const *denied);
void release_names(char **names);
/* True for what was seen under a denied path, whatever its name is. */
bool is_denied(const struct stat *status);

#endif
