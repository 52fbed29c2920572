/* Growing byte buffers, bounded readers, and the frames between broker and Node.
 *
 * A frame: u32 payload length, u8 version, u8 kind, u16 zero, payload. Integers are little endian. A string is a u32
 * length and its bytes. Both sides refuse another version and a payload above FRAME_CAP. */
#ifndef SALLYPORT_BUFFER_H
#define SALLYPORT_BUFFER_H

#include "common.h"

enum { FRAME_VERSION = 2, FRAME_HEADER = 8, FRAME_CAP = 16 * 1024 * 1024 };

enum frame_kind {
    /* Node to broker */
    FRAME_LAUNCH = 1,
    FRAME_VERDICT = 2,
    FRAME_SIGNAL = 3,
    FRAME_TERMINATE = 4,
    FRAME_RESOLVE = 5,
    FRAME_RESIZE = 6,
    FRAME_INPUT = 7,
    FRAME_ACKNOWLEDGE = 8,
    FRAME_REVOKE = 9,
    FRAME_SESSION_RESOLVE = 10,
    FRAME_SESSION_SEND = 11,
    FRAME_SESSION_START = 12,
    FRAME_SESSION_SIGNAL = 13,
    FRAME_PROGRAM = 20,
    FRAME_PROGRAM_OPENED = 21,
    FRAME_PROGRAM_TERMINATE = 22,
    FRAME_HOLD = 30,
    FRAME_SHOW = 31,
    FRAME_LET_GO = 32,
    /* broker to Node */
    FRAME_HELLO = 101,
    FRAME_STARTED = 102,
    FRAME_EXEC = 103,
    FRAME_EXEC_END = 104,
    FRAME_RESOLVED = 105,
    FRAME_FAILED = 106,
    FRAME_ENDED = 107,
    FRAME_OUTPUT = 108,
    FRAME_LINGERING = 109,
    FRAME_SESSION = 110,
    FRAME_SESSION_RESOLVED = 111,
    FRAME_SESSION_MESSAGE = 112,
    FRAME_SESSION_STATE = 113,
    FRAME_INPUT_TAKEN = 114,
    FRAME_PROGRAM_PIPES = 130,
    FRAME_PROGRAM_EVENT = 131,
    FRAME_PROGRAM_GONE = 132,
    FRAME_HELD = 140,
    FRAME_TYPED = 141,
};

struct buffer {
    uint8_t *data;
    size_t length;
    size_t capacity;
};

void buffer_reserve(struct buffer *buffer, size_t more);
void buffer_bytes(struct buffer *buffer, const void *bytes, size_t length);
void buffer_u8(struct buffer *buffer, uint8_t value);
void buffer_u32(struct buffer *buffer, uint32_t value);
void buffer_u64(struct buffer *buffer, uint64_t value);
void buffer_i32(struct buffer *buffer, int32_t value);
void buffer_string(struct buffer *buffer, const void *bytes, size_t length);
void buffer_patch_u32(struct buffer *buffer, size_t at, uint32_t value);
void buffer_drop(struct buffer *buffer, size_t length);
void buffer_free(struct buffer *buffer);

/* Starts a frame and returns where it starts, for buffer_end_frame. */
size_t buffer_begin_frame(struct buffer *buffer, enum frame_kind kind);
void buffer_end_frame(struct buffer *buffer, size_t start);

/* Reads what somebody else wrote: after the first read past the end `bad` is set and everything reads as zero or empty. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

struct slice {
    const uint8_t *bytes;
    size_t length;
};

uint8_t read_u8(struct reader *reader);
uint32_t read_u32(struct reader *reader);
uint64_t read_u64(struct reader *reader);
int32_t read_i32(struct reader *reader);
struct slice read_string(struct reader *reader);
/* A string with a NUL after it, to be freed by the caller; refuses (bad) a string with a NUL in it. */
char *read_text(struct reader *reader);
/* A NULL-ended vector of texts in one allocation, to be freed by the caller; NULL when bad. */
char **read_text_vector(struct reader *reader);

#endif
