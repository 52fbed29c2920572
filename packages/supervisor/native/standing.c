/* A table of whole keys, each in the one place that its hash gives. No hash stands for a key: the attack is a path chosen so
 * that its hash is that of a program which may run. Two keys of one place drive each other out, which costs time only. */
#include "standing.h"

#include <stdlib.h>
#include <string.h>

enum { PLACES = 1024 };

struct entry {
    size_t length;
    uint8_t bytes[];
};

static struct entry *entries[PLACES];
static uint32_t unacknowledged;

void standing_key_add(struct standing_key *key, const uint8_t *bytes, size_t length) {
    if (key->length + length > STANDING_KEY_LIMIT) {
        key->length = STANDING_KEY_LIMIT + 1; /* stays too long, whatever is added */
        return;
    }
    memcpy(key->bytes + key->length, bytes, length);
    key->length += length;
}

static bool is_usable(const struct standing_key *key) {
    return key->length > 0 && key->length <= STANDING_KEY_LIMIT;
}

/* FNV-1a. */
static struct entry **place_of(const struct standing_key *key) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key->length; i++)
        hash = (hash ^ key->bytes[i]) * UINT64_C(0x100000001b3);
    return &entries[(hash ^ hash >> 32) % PLACES];
}

void standing_remember(const struct standing_key *key) {
    if (!is_usable(key))
        return;
    struct entry **place = place_of(key);
    free(*place);
    *place = allocate(sizeof **place + key->length);
    (*place)->length = key->length;
    memcpy((*place)->bytes, key->bytes, key->length);
}

bool standing_holds(const struct standing_key *key) {
    /* Fails closed: a Node that hangs, is stopped or can't write its journal acknowledges nothing, and then everything waits. */
    if (!is_usable(key) || unacknowledged >= STANDING_WINDOW)
        return false;
    const struct entry *entry = *place_of(key);
    return entry != NULL && entry->length == key->length && memcmp(entry->bytes, key->bytes, key->length) == 0;
}

void standing_forget_all(void) {
    for (size_t i = 0; i < PLACES; i++) {
        free(entries[i]);
        entries[i] = NULL;
    }
}

void standing_answered(void) {
    unacknowledged++;
}

bool standing_acknowledge(uint32_t count) {
    if (count > unacknowledged)
        return false;
    unacknowledged -= count;
    return true;
}

bool standing_window_narrows(void) {
    return unacknowledged >= STANDING_WINDOW / 2;
}
