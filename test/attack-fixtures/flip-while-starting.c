/* flip-while-starting ROUNDS WHAT FIRST SECOND FILE: starts a `mark` ROUNDS times while another thread changes its path
 * (WHAT is "path") or its first argument (WHAT is the path) in memory between FIRST and SECOND, two texts of one length. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char flipped[4096];
static const char *first, *second;

static void *flip(void *unused) {
    size_t length = strlen(first);
    for (;;) {
        memcpy(flipped, second, length);
        memcpy(flipped, first, length);
    }
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 6 || strlen(argv[3]) != strlen(argv[4]))
        return 1;
    first = argv[3];
    second = argv[4];
    const char *path = strcmp(argv[2], "path") == 0 ? flipped : argv[2];
    char word[] = "word";
    char *const words[] = {(char[]){"mark"}, path == flipped ? word : flipped, argv[5], NULL};
    for (int i = 0; i < atoi(argv[1]); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            strcpy(flipped, first);
            pthread_t thread;
            if (pthread_create(&thread, NULL, flip, NULL) == 0)
                execve(path, words, environ);
            _exit(99);
        }
        if (pid < 0 || waitpid(pid, NULL, 0) != pid)
            return 1;
    }
    return 0;
}
