#define _GNU_SOURCE
#include "buffer.h"

#include <stdlib.h>
#include <string.h>

void buffer_reserve(struct buffer *buffer, size_t more) {
    if (buffer->capacity - buffer->length >= more)
        return;
    size_t capacity = buffer->capacity == 0 ? 4096 : buffer->capacity;
    while (capacity - buffer->length < more)
        capacity *= 2;
    uint8_t *data = realloc(buffer->data, capacity);
    if (data == NULL)
        die("out of memory for a buffer of %zu bytes", capacity);
    buffer->data = data;
    buffer->capacity = capacity;
}

void buffer_bytes(struct buffer *buffer, const void *bytes, size_t length) {
    if (length == 0)
        return;
    buffer_reserve(buffer, length);
    memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length += length;
}

void buffer_u8(struct buffer *buffer, uint8_t value) {
    buffer_bytes(buffer, &value, sizeof value);
}

void buffer_u32(struct buffer *buffer, uint32_t value) {
    buffer_bytes(buffer, &value, sizeof value);
}

void buffer_u64(struct buffer *buffer, uint64_t value) {
    buffer_bytes(buffer, &value, sizeof value);
}

void buffer_i32(struct buffer *buffer, int32_t value) {
    buffer_bytes(buffer, &value, sizeof value);
}

void buffer_string(struct buffer *buffer, const void *bytes, size_t length) {
    buffer_u32(buffer, (uint32_t)length);
    buffer_bytes(buffer, bytes, length);
}

void buffer_patch_u32(struct buffer *buffer, size_t at, uint32_t value) {
    memcpy(buffer->data + at, &value, sizeof value);
}

void buffer_drop(struct buffer *buffer, size_t length) {
    buffer->length -= length;
    if (buffer->length > 0)
        memmove(buffer->data, buffer->data + length, buffer->length);
    else if (buffer->capacity > 65536)
        buffer_free(buffer); /* one exec with a huge argv must not keep its memory for the rest of the run */
}

void buffer_free(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){0};
}

size_t buffer_begin_frame(struct buffer *buffer, enum frame_kind kind) {
    size_t start = buffer->length;
    buffer_u32(buffer, 0);
    buffer_u8(buffer, FRAME_VERSION);
    buffer_u8(buffer, (uint8_t)kind);
    buffer_bytes(buffer, "\0", 2);
    return start;
}

void buffer_end_frame(struct buffer *buffer, size_t start) {
    buffer_patch_u32(buffer, start, (uint32_t)(buffer->length - start - FRAME_HEADER));
}

static void read_bytes(struct reader *reader, void *bytes, size_t length) {
    if (reader->bad || (size_t)(reader->end - reader->at) < length) {
        reader->bad = true;
        memset(bytes, 0, length);
        return;
    }
    memcpy(bytes, reader->at, length);
    reader->at += length;
}

uint8_t read_u8(struct reader *reader) {
    uint8_t value;
    read_bytes(reader, &value, sizeof value);
    return value;
}

uint32_t read_u32(struct reader *reader) {
    uint32_t value;
    read_bytes(reader, &value, sizeof value);
    return value;
}

uint64_t read_u64(struct reader *reader) {
    uint64_t value;
    read_bytes(reader, &value, sizeof value);
    return value;
}

int32_t read_i32(struct reader *reader) {
    int32_t value;
    read_bytes(reader, &value, sizeof value);
    return value;
}

struct slice read_string(struct reader *reader) {
    uint32_t length = read_u32(reader);
    if (reader->bad || (size_t)(reader->end - reader->at) < length) {
        reader->bad = true;
        return (struct slice){(const uint8_t *)"", 0};
    }
    struct slice slice = {reader->at, length};
    reader->at += length;
    return slice;
}

char *read_text(struct reader *reader) {
    struct slice slice = read_string(reader);
    if (memchr(slice.bytes, '\0', slice.length) != NULL)
        reader->bad = true;
    return copy_text(slice.bytes, slice.length);
}

char **read_text_vector(struct reader *reader) {
    uint32_t count = read_u32(reader);
    size_t left = (size_t)(reader->end - reader->at);
    /* Every element takes at least its four length bytes: a count that lies cannot make us allocate more than it sent. */
    if (reader->bad || count > left / 4) {
        reader->bad = true;
        return NULL;
    }
    char **vector = allocate((count + 1) * sizeof(char *) + left + count);
    char *text = (char *)(vector + count + 1);
    for (uint32_t i = 0; i < count; i++) {
        struct slice slice = read_string(reader);
        if (memchr(slice.bytes, '\0', slice.length) != NULL)
            reader->bad = true;
        vector[i] = text;
        memcpy(text, slice.bytes, slice.length);
        text += slice.length + 1;
    }
    if (reader->bad) {
        free(vector);
        return NULL;
    }
    return vector;
}
