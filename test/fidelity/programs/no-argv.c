/* Starts a program with an empty argument list. */
#include <unistd.h>

int main(int argc, char **argv) {
    char *none[] = {(char *)0};
    if (argc > 1)
        execve(argv[1], none, none);
    return 98;
}
