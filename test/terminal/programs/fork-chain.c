/* Forks and ends, and so does the child, for ever: whoever looks for it finds one that is gone. */
#include <stdlib.h>
#include <unistd.h>

int main(void) {
    for (;;) {
        pid_t child = fork();
        if (child > 0)
            _exit(0);
        if (child < 0)
            (void)usleep(1000);
    }
}
