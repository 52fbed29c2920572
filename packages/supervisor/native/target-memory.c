/* Strings of one exec lie close together, and every call that reads another process costs more than the bytes it brings. So
 * whole pages are read, many at once, and kept for the length of one request. What was read is the snapshot that is judged. */
#define _GNU_SOURCE
#include "target-memory.h"

#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096, CACHED_PAGES = 48, FETCHED_PAGES = 32, BATCH = 32, PIECE = 16 * PAGE };

struct cached_page {
    uint64_t address; /* 1 (no page begins there): empty */
    uint8_t bytes[PAGE];
};

static struct cached_page pages[CACHED_PAGES];
static size_t next_victim;

static uint64_t page_start(uint64_t address) {
    return address & ~(uint64_t)(PAGE - 1);
}

static enum read_outcome native(int error) {
    errno = error;
    return READ_NATIVE;
}

static enum read_outcome outcome_of_errno(void) {
    return errno == EPERM ? READ_BLIND : native(EFAULT);
}

static struct cached_page *find_page(uint64_t start) {
    for (size_t i = 0; i < CACHED_PAGES; i++)
        if (pages[i].address == start)
            return &pages[i];
    return NULL;
}

/* Brings the pages of these addresses with one call. What is not mapped stays out and fails when it is asked for. */
static void fetch_pages(pid_t tid, const uint64_t *addresses, size_t count) {
    struct iovec local[FETCHED_PAGES], remote[FETCHED_PAGES];
    struct cached_page *fetched[FETCHED_PAGES];
    size_t wanted = 0;
    for (size_t i = 0; i < count && wanted < FETCHED_PAGES; i++) {
        uint64_t start = page_start(addresses[i]);
        if (addresses[i] == 0 || find_page(start) != NULL)
            continue;
        struct cached_page *page = &pages[next_victim];
        next_victim = (next_victim + 1) % CACHED_PAGES;
        page->address = start;
        local[wanted] = (struct iovec){page->bytes, PAGE};
        remote[wanted] = (struct iovec){(void *)(uintptr_t)start, PAGE};
        fetched[wanted++] = page;
    }
    ssize_t got = wanted == 0 ? 0 : process_vm_readv(tid, local, wanted, remote, wanted, 0);
    size_t complete = got < 0 ? 0 : (size_t)got / PAGE;
    int error = errno;
    for (size_t i = complete; i < wanted; i++)
        fetched[i]->address = 1;
    errno = error;
}

/* The bytes from `address` to the end of its page, or NULL with errno. */
static const uint8_t *page_bytes(pid_t tid, uint64_t address, size_t *available) {
    uint64_t start = page_start(address);
    struct cached_page *page = find_page(start);
    if (page == NULL) {
        errno = EFAULT;
        fetch_pages(tid, &address, 1);
        page = find_page(start);
    }
    if (page == NULL)
        return NULL;
    *available = PAGE - (size_t)(address - start);
    return page->bytes + (address - start);
}

void begin_target_memory(pid_t tid, const uint64_t *addresses, size_t count) {
    for (size_t i = 0; i < CACHED_PAGES; i++)
        pages[i].address = 1;
    fetch_pages(tid, addresses, count);
}

enum read_outcome read_target_path(pid_t tid, uint64_t address, char *path, size_t size, size_t *length) {
    size_t used = 0;
    while (used < size) {
        size_t available;
        const uint8_t *bytes = address + used == 0 ? NULL : page_bytes(tid, address + used, &available);
        if (bytes == NULL)
            return address + used == 0 ? native(EFAULT) : outcome_of_errno();
        size_t taken = available < size - used ? available : size - used;
        const uint8_t *end = memchr(bytes, '\0', taken);
        memcpy(path + used, bytes, end == NULL ? taken : (size_t)(end - bytes) + 1);
        if (end != NULL) {
            *length = used + (size_t)(end - bytes);
            return READ_OK;
        }
        used += taken;
    }
    return native(ENAMETOOLONG);
}

/* Appends the rest of a long string, in large pieces and past the cache. */
static enum read_outcome read_long_string(pid_t tid, uint64_t address, struct buffer *out, size_t used) {
    while (used < MAX_STRING) {
        size_t size = PAGE - (size_t)((address + used) & (PAGE - 1)) + PIECE;
        buffer_reserve(out, size);
        struct iovec local = {out->data + out->length, size};
        struct iovec remote = {(void *)(uintptr_t)(address + used), size};
        ssize_t got = process_vm_readv(tid, &local, 1, &remote, 1, 0);
        if (got <= 0)
            return got < 0 ? outcome_of_errno() : native(EFAULT);
        const uint8_t *end = memchr(out->data + out->length, '\0', (size_t)got);
        size_t taken = end == NULL ? (size_t)got : (size_t)(end - (out->data + out->length));
        out->length += taken;
        used += taken;
        if (end != NULL)
            return used < MAX_STRING ? READ_OK : native(E2BIG);
    }
    return native(E2BIG); /* a string above MAX_ARG_STRLEN */
}

static enum read_outcome append_string(pid_t tid, uint64_t address, struct buffer *out) {
    size_t used = 0;
    while (used < 2 * PAGE) {
        size_t available;
        const uint8_t *bytes = page_bytes(tid, address + used, &available);
        if (bytes == NULL)
            return outcome_of_errno();
        const uint8_t *end = memchr(bytes, '\0', available);
        size_t taken = end == NULL ? available : (size_t)(end - bytes);
        buffer_bytes(out, bytes, taken);
        used += taken;
        if (end != NULL)
            return READ_OK;
    }
    return read_long_string(tid, address, out, used);
}

static enum read_outcome append_strings(pid_t tid, const uint64_t *pointers, size_t count, bool counted,
                                        struct buffer *out, size_t *budget) {
    fetch_pages(tid, pointers, count);
    for (size_t i = 0; i < count; i++) {
        size_t length_at = out->length;
        if (counted)
            buffer_u32(out, 0);
        size_t string_at = out->length;
        enum read_outcome outcome = append_string(tid, pointers[i], out);
        if (outcome != READ_OK)
            return outcome;
        size_t length = out->length - string_at;
        if (counted)
            buffer_patch_u32(out, length_at, (uint32_t)length);
        else
            buffer_u8(out, 0);
        size_t cost = length + 1 + sizeof(uint64_t);
        if (cost > *budget)
            return native(E2BIG);
        *budget -= cost;
    }
    return READ_OK;
}

/* A pointer may straddle two pages. */
static enum read_outcome read_pointer(pid_t tid, uint64_t address, uint64_t *pointer) {
    uint8_t *to = (uint8_t *)pointer;
    for (size_t used = 0; used < sizeof *pointer;) {
        size_t available;
        const uint8_t *bytes = page_bytes(tid, address + used, &available);
        if (bytes == NULL)
            return outcome_of_errno();
        size_t taken = available < sizeof *pointer - used ? available : sizeof *pointer - used;
        memcpy(to + used, bytes, taken);
        used += taken;
    }
    return READ_OK;
}

enum read_outcome read_target_vector(pid_t tid, uint64_t address, bool counted, struct buffer *out, uint32_t *count,
                                     size_t *budget) {
    *count = 0;
    if (address == 0)
        return READ_OK; /* the kernel takes a NULL vector for an empty one */
    for (bool ended = false; !ended;) {
        uint64_t pointers[BATCH];
        size_t batch = 0;
        while (batch < BATCH && !ended) {
            enum read_outcome outcome = read_pointer(tid, address, &pointers[batch]);
            if (outcome != READ_OK)
                return outcome;
            address += sizeof(uint64_t);
            if (pointers[batch] == 0)
                ended = true;
            else
                batch++;
        }
        enum read_outcome outcome = append_strings(tid, pointers, batch, counted, out, budget);
        if (outcome != READ_OK)
            return outcome;
        *count += (uint32_t)batch;
    }
    return READ_OK;
}
