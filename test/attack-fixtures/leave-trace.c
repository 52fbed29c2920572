/* A library that shows that it was loaded: in the working folder, and in the folder that LEAVE_TRACE_IN names when it is built. */
#include <fcntl.h>

__attribute__((constructor)) static void leave_trace(void) {
    (void)open("loaded", O_CREAT | O_WRONLY, 0600);
    (void)open(LEAVE_TRACE_IN "/loaded", O_CREAT | O_WRONLY, 0600);
}
