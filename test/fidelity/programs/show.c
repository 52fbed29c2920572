/* Shows what a program was started with: show WHAT [ARG...] */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

static void print_bytes(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte > 0x20 && byte < 0x7f)
            fputc(byte, out);
        else
            fprintf(out, "\\x%02x", byte);
    }
    fputc('\n', out);
}

static void print_list(FILE *out, char **list) {
    for (; *list != NULL; list++)
        print_bytes(out, *list);
}

static void print_sum(char **list) {
    uint64_t sum = 0;
    size_t bytes = 0, count = 0;
    for (; *list != NULL; list++, count++) {
        uint64_t entry = 0;
        for (const char *at = *list; *at != '\0'; at++, bytes++)
            entry = entry * 31 + (unsigned char)*at;
        /* The order of the environment means nothing. */
        sum += entry * entry;
    }
    printf("%zu entries, %zu bytes, sum %llu\n", count, bytes, (unsigned long long)sum);
}

static int compare_numbers(const void *left, const void *right) {
    return *(const int *)left - *(const int *)right;
}

static void print_descriptors(FILE *out) {
    DIR *folder = opendir("/proc/self/fd");
    int numbers[1024], count = 0;
    if (folder == NULL) {
        fprintf(out, "cannot open\n");
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL && count < 1024;) {
        int number = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && number != dirfd(folder))
            numbers[count++] = number;
    }
    closedir(folder);
    qsort(numbers, (size_t)count, sizeof numbers[0], compare_numbers);
    for (int i = 0; i < count; i++)
        fprintf(out, "%d ", numbers[i]);
    fputc('\n', out);
}

static void print_status(const char *const *names) {
    FILE *status = fopen("/proc/self/status", "re");
    char line[512];
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        for (const char *const *name = names; *name != NULL; name++)
            if (strncmp(line, *name, strlen(*name)) == 0)
                fputs(line, stdout);
    }
    if (status != NULL)
        fclose(status);
}

static void print_limits(void) {
    for (int which = 0; which < (int)RLIM_NLIMITS; which++) {
        struct rlimit limit;
        if (getrlimit((unsigned)which, &limit) == 0)
            printf("%d %lld %lld\n", which, (long long)limit.rlim_cur, (long long)limit.rlim_max);
    }
}

static void print_flags(char **numbers) {
    for (; *numbers != NULL; numbers++) {
        int number = atoi(*numbers);
        printf("%d %x %lld\n", number, (unsigned)fcntl(number, F_GETFL), (long long)lseek(number, 0, SEEK_CUR));
    }
}

static void print_cpus(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    printf("%d processors, the first %s\n", CPU_COUNT(&set), CPU_ISSET(0, &set) ? "too" : "not");
}

int main(int argc, char **argv) {
    static const char *const signals[] = {"SigIgn", "SigBlk", "SigPnd", "ShdPnd", NULL};
    const char *what = argc > 1 ? argv[1] : "argv";
    char **rest = argc > 1 ? argv + 2 : argv + argc;
    if (strcmp(what, "argv") == 0)
        print_list(stdout, argv);
    else if (strcmp(what, "argv-sum") == 0)
        print_sum(rest);
    else if (strcmp(what, "env") == 0)
        print_list(stdout, environ);
    else if (strcmp(what, "env-sum") == 0)
        print_sum(environ);
    else if (strcmp(what, "fds") == 0)
        print_descriptors(stdout);
    else if (strcmp(what, "write-fds") == 0)
        dprintf(7, "%d %d %d\n", fcntl(0, F_GETFD), fcntl(1, F_GETFD), fcntl(2, F_GETFD));
    else if (strcmp(what, "flags") == 0)
        print_flags(rest);
    else if (strcmp(what, "signals") == 0)
        print_status(signals);
    else if (strcmp(what, "limits") == 0)
        print_limits();
    else if (strcmp(what, "nice") == 0)
        printf("%d\n", getpriority(PRIO_PROCESS, 0));
    else if (strcmp(what, "cpus") == 0)
        print_cpus();
    else if (strcmp(what, "session") == 0)
        printf("%s %s\n", getsid(0) == getpid() ? "leads its session" : "member of a session",
               getpgrp() == getpid() ? "leads its group" : "member of a group");
    else if (strcmp(what, "cwd") == 0) {
        char *path = getcwd(NULL, 0);
        print_bytes(stdout, path == NULL ? "none" : path);
        free(path);
    } else
        return 2;
    return fflush(stdout) == 0 ? 0 : 1;
}
