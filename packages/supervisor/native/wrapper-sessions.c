/* One session, from a wrapper's datagram to its end.
 *
 *   wrapper                              broker                       Node
 *      | -- byte 0, a stream socket -----> |                            |
 *      | -- length, message 1 -----------> | -- SESSION: who, bytes --> |
 *      |                                   | <- RESOLVE: folder, file - |
 *      |                                   | -- RESOLVED: the files --> | decides
 *      | <------------ length, message 2 - | <- SEND, and what next --- |
 *      | -- length, message 3, + fds ----> | -- MESSAGE: bytes, count > |
 *      |                                   | <- START: what, numbers -- |
 *      |                                   | -- STATE, EXEC_END ------> |
 *      | <------------ length, message 4 - | <- SEND ------------------ |
 *
 * What the messages say is Node's business. Here are lengths and descriptors, and who it is that asks: the kernel tells that
 * with the datagram.
 *
 * The attack, in all of this: the other end is not a wrapper but hostile code. It names wrong lengths, stays silent, opens
 * thousands of sessions, sends descriptors of anything, and keeps a copy of our end of the stream. So each length is
 * bounded, nothing here ever waits for it, and who asks for too much loses its own sessions. */
#define _GNU_SOURCE
#include "wrapper-sessions.h"
#include "bounds.h"
#include "filter.h"
#include "freeze.h"
#include "question.h"
#include "stops.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LENGTH_BYTES = 4,
    FIRST_MESSAGE_CAP = FRAME_CAP - 65536, /* it goes to Node in a frame, with who asks and its parents */
    LATER_MESSAGE_CAP = 65536,
    UNREAD_CAP = 65536, /* what a wrapper may leave unread of ours */
    UNDECIDED_BYTES = 192 * 1024 * 1024,
    SESSION_LIMIT = 2048,
    /* A wrapper has one session. It may be followed by another one in the same process before the first one's end is read. */
    PROCESS_SESSION_LIMIT = 8,
    RECEIVED_LIMIT = 8192, /* descriptors that all sessions hold together */
    ONE_MESSAGE_DESCRIPTORS = 253,
    HIGHEST_NUMBER = 1 << 20,
    READ_SIZE = 8192,
};

/* Newer than the oldest headers. */
enum { PASS_PIDFD = 76, PIDFD_MESSAGE = 4 };

enum session_stage {
    READING, /* message 1 is not complete */
    ASKED,   /* Node decides */
    LEFT,    /* Run: it becomes the program; the record ends with the process */
    DENIED,
    GRANTED, /* it sends its descriptors */
    STARTED, /* the real program runs */
    ENDED,   /* it is being told how that ended */
};

/* What SESSION_SEND does besides sending. */
enum send_next { SEND_ONLY = 0, SEND_RUN = 1, SEND_DENY = 2, SEND_GRANT = 3, SEND_END = 4, SEND_STOPPED = 5 };
enum session_state { STATE_STARTED = 1, STATE_STOPPED = 2, STATE_FAILED = 3 };

struct session {
    struct source stream;
    struct source report; /* from the child that becomes the real program */
    uint64_t id;
    pid_t pid;
    enum session_stage stage;
    struct buffer in, out;
    struct target target;
    bool has_target;
    struct exec_chain chain;
    struct caller_descriptor *received;
    size_t received_count;
    pid_t real_pid; /* 0 before it runs and after it ended; of a bounded program the sandbox's */
    struct stops stops;
    uint32_t told_stops;  /* the number of the last one that the wrapper was told of */
    uint32_t known_stops; /* the same when it sent its last message */
    bool bounded;
    bool runs, has_stopped, has_failed, has_ended; /* of a bounded program, as its init tells */
    int wall_messages_fd;
    struct session *next; /* the newest first */
};

static struct source wrappers = {SOURCE_WRAPPERS, -1};
static struct session *sessions;
static size_t session_count, received_total, undecided_bytes;
static uint64_t last_session_id;
static bool paused;

/* --- the sessions --- */

static struct session *find_session(uint64_t id) {
    for (struct session *session = sessions; session != NULL; session = session->next)
        if (session->id == id)
            return session;
    return NULL;
}

static struct session *session_of_source(const struct source *source) {
    for (struct session *session = sessions; session != NULL; session = session->next)
        if (&session->stream == source || &session->report == source)
            return session;
    return NULL;
}

static void drop_received(struct session *session) {
    for (size_t i = 0; i < session->received_count; i++)
        cleanup_fd(&session->received[i].fd);
    received_total -= session->received_count;
    free(session->received);
    session->received = NULL;
    session->received_count = 0;
}

static void forget_input(struct session *session) {
    if (session->stage <= ASKED)
        undecided_bytes -= session->in.capacity;
    buffer_free(&session->in);
}

static void finish_session(struct session *session) {
    struct session **slot = &sessions;
    while (*slot != session)
        slot = &(*slot)->next;
    *slot = session->next;
    session_count--;
    close_source(&session->stream);
    close_source(&session->report);
    drop_received(session);
    chain_close(&session->chain);
    if (session->has_target)
        target_close(&session->target);
    forget_input(session);
    buffer_free(&session->out);
    cleanup_fd(&session->wall_messages_fd);
    free(session);
}

/* The wrapper is gone, or what it says can't be understood, which comes to the same. */
static void end_session(struct session *session) {
    switch (session->stage) {
    case READING:
    case LEFT:
    case ENDED:
        break;
    case ASKED:
    case GRANTED:
        send_exec_end(session->id, END_VANISHED, false, 0);
        break;
    case DENIED:
        send_exec_end(session->id, END_ENDED, true, 1 << 8);
        break;
    case STARTED:
        /* Killed before its program ended: then the program goes the same way, and its end is the end of the session. */
        if (session->real_pid > 0) {
            (void)kill(session->real_pid, SIGKILL);
            close_source(&session->stream);
            return;
        }
        break;
    }
    finish_session(session);
}

void end_sessions_of(pid_t pid) {
    for (struct session *session = sessions, *next; session != NULL; session = next) {
        next = session->next;
        if (session->pid == pid)
            end_session(session);
    }
}

void report_sessions_ended(void) {
    while (sessions != NULL) {
        sessions->real_pid = 0; /* the tree has ended */
        end_session(sessions);
    }
}

static void watch_session(struct session *session) {
    struct epoll_event event = {(paused ? 0U : (uint32_t)EPOLLIN) | (session->out.length > 0 ? (uint32_t)EPOLLOUT : 0U),
                                {.ptr = &session->stream}};
    (void)epoll_ctl(broker.epoll_fd, EPOLL_CTL_MOD, session->stream.fd, &event);
}

void pause_sessions(bool pause) {
    paused = pause;
    for (struct session *session = sessions; session != NULL; session = session->next)
        if (session->stream.fd >= 0)
            watch_session(session);
    if (wrappers.fd < 0)
        return;
    struct epoll_event event = {pause ? 0U : (uint32_t)(EPOLLIN | EPOLLRDHUP), {.ptr = &wrappers}};
    (void)epoll_ctl(broker.epoll_fd, EPOLL_CTL_MOD, wrappers.fd, &event);
}

/* --- who asks --- */

void open_wrappers_socket(int init_fd) {
    int pair[2], yes = 1;
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) != 0 ||
        setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) != 0)
        die("making the wrappers' socket: %s", strerror(errno));
    (void)setsockopt(pair[0], SOL_SOCKET, PASS_PIDFD, &yes, sizeof yes); /* Linux 6.5 */
    if (!send_init_message(init_fd, INIT_WRAPPERS, 0, "", pair[1]))
        die("handing the wrappers' socket to init: %s", strerror(errno));
    (void)close(pair[1]);
    wrappers.fd = pair[0];
    watch_source(&wrappers, EPOLLIN | EPOLLRDHUP);
}

struct datagram {
    bool whole;          /* one byte, and who sent it */
    struct ucred sender; /* as the kernel tells it */
    int pidfd;           /* of the sender, -1 before Linux 6.5 */
    int stream;          /* -1: none was passed */
};

static void take_item(struct datagram *datagram, struct cmsghdr *item) {
    size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int fds[ONE_MESSAGE_DESCRIPTORS];
    if (item->cmsg_level != SOL_SOCKET)
        return;
    if (item->cmsg_type == SCM_CREDENTIALS && item->cmsg_len == CMSG_LEN(sizeof datagram->sender)) {
        memcpy(&datagram->sender, CMSG_DATA(item), sizeof datagram->sender);
        datagram->whole = true;
    }
    if (item->cmsg_type == PIDFD_MESSAGE && count == 1)
        memcpy(&datagram->pidfd, CMSG_DATA(item), sizeof datagram->pidfd);
    if (item->cmsg_type != SCM_RIGHTS || count > COUNT(fds))
        return;
    memcpy(fds, CMSG_DATA(item), count * sizeof fds[0]);
    for (size_t i = 0; i < count; i++)
        if (datagram->stream < 0 && count == 1)
            datagram->stream = fds[i];
        else
            (void)close(fds[i]); /* the attack: descriptors that nobody asked for, to fill our table */
}

/* False when there is none. */
static bool receive_datagram(struct datagram *datagram) {
    *datagram = (struct datagram){.pidfd = -1, .stream = -1};
    char bytes[2];
    struct iovec part = {bytes, sizeof bytes};
    union {
        char space[CMSG_SPACE(ONE_MESSAGE_DESCRIPTORS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred)) +
                   CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
    ssize_t length = RETRY(recvmsg(wrappers.fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT));
    if (length < 0)
        return false;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&header); item != NULL; item = CMSG_NXTHDR(&header, item))
        take_item(datagram, item);
    if (length == 0 && !datagram->whole)
        return false; /* the other end is shut: only that comes without a sender */
    datagram->whole = datagram->whole && length == 1 && (header.msg_flags & MSG_CTRUNC) == 0;
    return true;
}

/* The attack: a file, a device or a socket of another kind, on which our reading would block or fail in odd ways. */
static bool is_stream_socket(int fd) {
    int domain = 0, type = 0;
    socklen_t length = sizeof(int);
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

/* The attack: the sender ends at once, and its number belongs to another process, even to one outside, whose credentials an
 * escalated program would get. The kernel's own descriptor of the sender tells that it still is the one; before Linux 6.5 the
 * user that the kernel named has to be the user that the number has now. */
static bool is_still_sender(const struct datagram *datagram, pid_t pid) {
    if (datagram->pidfd >= 0)
        return syscall(SYS_pidfd_send_signal, datagram->pidfd, 0, NULL, 0) == 0 || errno == EPERM;
    char path[64], text[16384];
    (void)snprintf(path, sizeof path, "/proc/%d/status", pid);
    const char *line = read_small_file(path, text, sizeof text) > 0 ? strstr(text, "\nUid:") : NULL;
    return line != NULL && (uid_t)strtoul(line + 5, NULL, 10) == datagram->sender.uid;
}

/* The attack: 10,000 sessions. A process has few of its own; and where all are taken, the oldest that has not even said what
 * it wants makes room. False: there is none. */
static bool make_room(pid_t pid) {
    size_t own = 0;
    struct session *silent = NULL;
    for (struct session *session = sessions; session != NULL; session = session->next) {
        own += session->pid == pid;
        if (session->stage == READING)
            silent = session; /* the last one is the oldest */
    }
    if (own >= PROCESS_SESSION_LIMIT)
        return false;
    if (session_count < SESSION_LIMIT)
        return true;
    if (silent != NULL)
        end_session(silent);
    return silent != NULL;
}

static void read_session(struct session *session);

static void begin_session(struct datagram *datagram) {
    pid_t tgid;
    pid_t pid = datagram->sender.pid;
    const struct process *process = pid > 0 ? know_process(pid, &tgid) : NULL;
    if (process == NULL || tgid != pid || !is_still_sender(datagram, pid) || !make_room(pid))
        return;
    struct session *session = allocate(sizeof *session);
    *session = (struct session){.stream = {SOURCE_SESSION, steal_fd(&datagram->stream)},
                                .report = {SOURCE_SESSION_REPORT, -1},
                                .id = ++last_session_id,
                                .pid = pid,
                                .stage = READING,
                                .target = {.root_fd = -1, .cwd_fd = -1},
                                .wall_messages_fd = -1,
                                .next = sessions};
    sessions = session;
    session_count++;
    watch_source(&session->stream, paused ? 0 : EPOLLIN);
    if (!paused)
        read_session(session); /* the message usually is there already */
}

void handle_wrappers(uint32_t events) {
    if ((events & EPOLLIN) == 0 && (events & (EPOLLHUP | EPOLLRDHUP)) == 0)
        return;
    struct datagram datagram;
    if (!receive_datagram(&datagram)) {
        /* Nobody holds it any more, or somebody inside has shut it for all: no wrapper will get an answer. */
        if ((events & (EPOLLHUP | EPOLLRDHUP)) != 0)
            close_source(&wrappers);
        return;
    }
    if (datagram.whole && datagram.stream >= 0 && is_stream_socket(datagram.stream))
        begin_session(&datagram);
    cleanup_fd(&datagram.stream);
    cleanup_fd(&datagram.pidfd);
}

/* --- messages --- */

static uint32_t length_of(const struct buffer *in) {
    return (uint32_t)in->data[0] | (uint32_t)in->data[1] << 8 | (uint32_t)in->data[2] << 16 |
           (uint32_t)in->data[3] << 24;
}

/* Takes descriptors where they are expected; false where they are not. */
static bool take_descriptors(struct session *session, const int *fds, size_t count) {
    bool good = session->stage == GRANTED && received_total + count <= RECEIVED_LIMIT;
    struct caller_descriptor *grown =
        good ? realloc(session->received, (session->received_count + count) * sizeof *grown) : NULL;
    if (grown == NULL) {
        for (size_t i = 0; i < count; i++)
            (void)close(fds[i]);
        return false;
    }
    session->received = grown;
    for (size_t i = 0; i < count; i++)
        session->received[session->received_count++] = (struct caller_descriptor){-1, fds[i]};
    received_total += count;
    return true;
}

/* What recv says, with 0 also for what is no good. */
static ssize_t receive_bytes(struct session *session) {
    size_t before = session->in.capacity;
    buffer_reserve(&session->in, READ_SIZE);
    if (session->stage <= ASKED)
        undecided_bytes += session->in.capacity - before;
    struct iovec part = {session->in.data + session->in.length, session->in.capacity - session->in.length};
    union {
        char space[CMSG_SPACE(ONE_MESSAGE_DESCRIPTORS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
    /* Never without MSG_DONTWAIT: the flag on the socket itself can be changed from inside, through a copy of our end. */
    ssize_t got = RETRY(recvmsg(session->stream.fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT));
    if (got < 0)
        return errno == EAGAIN ? -1 : 0;
    session->in.length += (size_t)got;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&header); item != NULL; item = CMSG_NXTHDR(&header, item)) {
        if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS)
            continue;
        int fds[ONE_MESSAGE_DESCRIPTORS];
        size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof fds[0];
        memcpy(fds, CMSG_DATA(item), count * sizeof fds[0]);
        if (!take_descriptors(session, fds, count))
            got = 0;
    }
    /* Some did not fit, here or into our table: then their numbers would be those of others. */
    return (header.msg_flags & MSG_CTRUNC) != 0 ? 0 : got;
}

/* The attack: many large messages that never end, to use up memory. The largest of them is given up. */
static void keep_within_budget(void) {
    if (undecided_bytes <= UNDECIDED_BYTES)
        return;
    struct session *largest = sessions;
    for (struct session *session = sessions; session != NULL; session = session->next)
        if (session->stage <= ASKED && session->in.capacity > largest->in.capacity)
            largest = session;
    end_session(largest);
}

/* Hands message 1 to Node with who asks. False when the session has ended. */
static bool announce(struct session *session, const struct slice *message) {
    pid_t tgid;
    const struct process *process = know_process(session->pid, &tgid);
    note_command(session->pid);
    session->has_target = true;
    if (process == NULL || !target_open(&session->target, session->pid, session->pid, shared_root(false))) {
        end_session(session);
        return false;
    }
    session->stage = ASKED;
    size_t frame = buffer_begin_frame(&broker.out, FRAME_SESSION);
    buffer_u64(&broker.out, session->id);
    buffer_u64(&broker.out, process->request_id);
    buffer_i32(&broker.out, session->pid);
    append_parents(&broker.out, process);
    buffer_string(&broker.out, session->target.cwd, strlen(session->target.cwd));
    buffer_string(&broker.out, message->bytes, message->length);
    buffer_end_frame(&broker.out, frame);
    forget_input(session); /* it is Node's now, and may be large */
    return true;
}

static void pass_on(struct session *session, const struct slice *message) {
    session->known_stops = session->told_stops;
    size_t frame = buffer_begin_frame(&broker.out, FRAME_SESSION_MESSAGE);
    buffer_u64(&broker.out, session->id);
    buffer_u32(&broker.out, (uint32_t)session->received_count);
    buffer_string(&broker.out, message->bytes, message->length);
    buffer_end_frame(&broker.out, frame);
}

/* Passes complete messages on. False when the session has ended. */
static bool take_messages(struct session *session) {
    while (session->in.length >= LENGTH_BYTES) {
        bool first = session->stage == READING;
        bool expected = first || session->stage == GRANTED || session->stage == STARTED || session->stage == ENDED;
        uint32_t length = length_of(&session->in), cap = first ? FIRST_MESSAGE_CAP : LATER_MESSAGE_CAP;
        bool complete = length <= cap && session->in.length - LENGTH_BYTES >= length;
        /* Nothing may follow message 1 before its answer. */
        bool too_much = first && complete && session->in.length - LENGTH_BYTES > length;
        if (length > cap || !expected || too_much) {
            end_session(session);
            return false;
        }
        if (!complete)
            return true;
        struct slice message = {session->in.data + LENGTH_BYTES, length};
        if (first)
            return announce(session, &message);
        if (session->stage != ENDED)
            pass_on(session, &message);
        buffer_drop(&session->in, LENGTH_BYTES + length);
    }
    return true;
}

static void read_session(struct session *session) {
    ssize_t got = receive_bytes(session);
    if (got == 0)
        end_session(session);
    else if (got > 0 && take_messages(session))
        keep_within_budget();
}

/* Sends as much as the wrapper takes. False when the session has ended. */
static bool write_session(struct session *session) {
    while (session->out.length > 0) {
        ssize_t sent =
            RETRY(send(session->stream.fd, session->out.data, session->out.length, MSG_NOSIGNAL | MSG_DONTWAIT));
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0) {
            end_session(session);
            return false;
        }
        buffer_drop(&session->out, (size_t)sent);
    }
    if (session->out.length == 0 && session->stage == LEFT) {
        finish_session(session); /* all is said */
        return false;
    }
    watch_session(session);
    return true;
}

void handle_session(struct source *source, uint32_t events) {
    struct session *session = session_of_source(source);
    if ((events & EPOLLOUT) != 0 && !write_session(session))
        return;
    if ((events & EPOLLIN) != 0)
        read_session(session);
    else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
        end_session(session);
}

/* --- what Node answers --- */

/* A relative file starts at the folder that the message names, which need not be where the process is. */
void resolve_for_session(struct reader *reader) {
    uint64_t id = read_u64(reader);
    uint64_t token = read_u64(reader);
    bool is_program = read_u8(reader) != 0; /* what is asked for itself: its files stay open until the answer */
    struct session *session = find_session(id);
    char *folder = read_text(reader), *file = read_text(reader);
    if (reader->bad)
        die("Node sent a malformed question");
    struct exec_chain other = {0};
    struct exec_chain *chain = session != NULL && is_program ? &session->chain : &other;
    int error = ESRCH;
    if (session != NULL && session->stage == ASKED) {
        chain_close(chain);
        error = folder[0] == '\0' ? 0 : target_enter(&session->target, folder);
        if (error == 0)
            error = resolve_chain(&session->target, -1, file, true, chain);
    }
    if (error != 0)
        chain_close(chain);
    size_t frame = buffer_begin_frame(&broker.out, FRAME_SESSION_RESOLVED);
    buffer_u64(&broker.out, token);
    buffer_i32(&broker.out, error);
    const char *cwd = session == NULL ? "" : session->target.cwd;
    buffer_string(&broker.out, cwd, strlen(cwd));
    chain_append(chain, &broker.out);
    chain_append_descriptors(chain, &broker.out);
    buffer_end_frame(&broker.out, frame);
    chain_close(&other);
    free(folder);
    free(file);
}

static void change_stage(struct session *session, enum send_next next) {
    struct process *process = NULL;
    if (next == SEND_RUN || next == SEND_DENY || next == SEND_GRANT) {
        if (session->stage != ASKED)
            die("Node answered a wrapper that does not ask");
        forget_input(session);
        pid_t tgid;
        process = know_process(session->pid, &tgid);
    }
    switch (next) {
    case SEND_ONLY:
    case SEND_STOPPED:
        return;
    case SEND_RUN:
        session->stage = LEFT;
        if (process == NULL) {
            send_exec_end(session->id, END_VANISHED, false, 0);
            return;
        }
        process->request_id = session->id;
        process->reports = true;
        return;
    case SEND_DENY:
    case SEND_GRANT:
        session->stage = next == SEND_DENY ? DENIED : GRANTED;
        if (process != NULL)
            process->reports = false; /* the record ends with the real program, or with the refusal */
        return;
    case SEND_END:
        if (session->stage == GRANTED) /* what it sent was no good */
            send_exec_end(session->id, END_VANISHED, false, 0);
        session->stage = ENDED;
        return;
    }
}

static bool stands_stopped(const struct session *session) {
    if (session->bounded)
        return session->has_stopped;
    return session->real_pid > 0 && is_stopped(session->real_pid);
}

void send_to_wrapper(struct reader *reader) {
    struct session *session = find_session(read_u64(reader));
    uint8_t next = read_u8(reader);
    struct slice message = read_string(reader);
    if (reader->bad || next > SEND_STOPPED)
        die("Node sent a malformed answer for a wrapper");
    if (session == NULL)
        return; /* it vanished while Node decided, and Node was told */
    /* Node is of the job too, and was stopped with it before it had passed this on; then a shell said "fg", and all goes on. */
    if (next == SEND_STOPPED && !stands_stopped(session))
        return;
    if (next == SEND_STOPPED)
        session->told_stops = session->stops.count;
    change_stage(session, (enum send_next)next);
    if (session->stream.fd < 0)
        return;
    /* The attack: a wrapper that never reads. */
    if (session->out.length > UNREAD_CAP) {
        end_session(session);
        return;
    }
    if (message.length > 0) {
        uint32_t length = (uint32_t)message.length;
        const uint8_t prefix[LENGTH_BYTES] = {(uint8_t)length, (uint8_t)(length >> 8), (uint8_t)(length >> 16),
                                              (uint8_t)(length >> 24)};
        buffer_bytes(&session->out, prefix, sizeof prefix);
        buffer_bytes(&session->out, message.bytes, message.length);
    }
    (void)write_session(session);
}

/* --- the real program --- */

static void tell_state(const struct session *session, enum session_state state, int32_t value, const char *text) {
    size_t frame = buffer_begin_frame(&broker.out, FRAME_SESSION_STATE);
    buffer_u64(&broker.out, session->id);
    buffer_u8(&broker.out, (uint8_t)state);
    buffer_i32(&broker.out, value);
    buffer_string(&broker.out, text, strlen(text));
    buffer_end_frame(&broker.out, frame);
}

/* The wrapper waits for Node to pass this on, unlike other ends. */
static void send_hurried_end(uint64_t id, int status) {
    send_exec_end(id, END_ENDED, true, status);
    broker.unhurried = 0;
}

struct start {
    uint32_t chain_index;
    char **argv, **env, *cwd, **deny_read;
    uint32_t number_count;
    struct slice numbers;
    uint64_t blocked_signals, kept_ignored;
    bool bounded;
    struct bounds bounds;
};

static bool parse_start(struct reader *reader, struct start *start) {
    start->chain_index = read_u32(reader);
    start->argv = read_text_vector(reader);
    start->env = read_text_vector(reader);
    start->cwd = read_text(reader);
    start->deny_read = read_text_vector(reader);
    start->numbers = read_string(reader);
    start->blocked_signals = read_u64(reader);
    start->kept_ignored = read_u64(reader);
    start->number_count = (uint32_t)(start->numbers.length / sizeof(uint32_t));
    start->bounds = (struct bounds){0};
    start->bounded = read_u8(reader) != 0;
    return !reader->bad && (!start->bounded || bounds_parse(reader, &start->bounds));
}

static void release_start(struct start *start) {
    free(start->argv);
    free(start->env);
    free(start->cwd);
    free(start->deny_read);
    bounds_release(&start->bounds);
}

/* The numbers go with the descriptors in the order in which these came. */
static bool number_descriptors(struct session *session, const struct start *start) {
    if (session->received_count != start->number_count)
        return false;
    for (size_t i = 0; i < session->received_count; i++) {
        uint32_t number;
        memcpy(&number, start->numbers.bytes + i * sizeof number, sizeof number);
        if (number > HIGHEST_NUMBER)
            return false;
        session->received[i].number = (int)number;
    }
    return true;
}

/* A wrapper of the plain protocol did not say which signals were blocked before it came, so what it has now counts. */
static bool take_state(struct session *session, const struct start *start, struct caller_state *state) {
    size_t count = session->received_count;
    struct caller_descriptor *received = session->received;
    session->received = NULL;
    session->received_count = 0;
    received_total -= count;
    if (!caller_state_take_with(state, &session->target, received, count))
        return false;
    state->blocked_signals = start->blocked_signals;
    state->ignored_signals &= start->kept_ignored;
    return true;
}

static const char *fork_program(struct session *session, const struct start *start, struct caller_state *state) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return "making a socket";
    session->bounded = start->bounded;
    if (session->bounded)
        session->wall_messages_fd = memfd_create("sallyport-wall", MFD_CLOEXEC);
    bool denies_reads = !session->bounded && start->deny_read[0] != NULL;
    struct escalation escalation = {
        .intercept = false, /* where this interceptor is used, the kernel's cannot be had */
        .state = state,
        .program_fd = session->chain.files[start->chain_index].path_fd,
        .argv = start->argv,
        .env = start->env,
        .cwd = start->cwd,
        .denies_reads = denies_reads,
        .read_ruleset = denies_reads ? ruleset_denying_reads(start->deny_read) : -1,
        .cgroups = broker.cgroups,
        .broker_session = broker.session,
        .usual_capabilities = broker.usual_capabilities,
    };
    bool joined;
    pid_t pid = fork_into_cgroup(&joined);
    if (pid == 0) {
        (void)close(pair[0]);
        escalation.cgroups += joined;
        if (session->bounded)
            become_bounded(&escalation, &start->bounds, &broker.probe_targets, pair[1], session->wall_messages_fd);
        become_escalated(&escalation, pair[1]);
    }
    (void)close(pair[1]);
    if (session->bounded)
        (void)fcntl(pair[0], F_SETFL, O_NONBLOCK); /* an init that somebody has stopped must not stop us */
    if (pid < 0) {
        (void)close(pair[0]);
        return "forking";
    }
    session->report.fd = pair[0];
    session->real_pid = pid;
    watch_source(&session->report, EPOLLIN);
    struct process *process = know_process(pid, &pid);
    if (process != NULL)
        process->request_id = session->id;
    return NULL;
}

static const char *start_program(struct session *session, const struct start *start) {
    if (!number_descriptors(session, start))
        return "matching the descriptors with their numbers";
    struct caller_state state;
    if (!take_state(session, start, &state))
        return "looking at the caller";
    const char *failure = fork_program(session, start, &state);
    caller_state_release(&state);
    return failure;
}

void start_session_program(struct reader *reader) {
    struct session *session = find_session(read_u64(reader));
    struct start start;
    if (!parse_start(reader, &start))
        die("Node sent a malformed start");
    if (session != NULL && session->stage == GRANTED) {
        if (start.chain_index >= session->chain.count)
            die("Node starts file %u of %u", start.chain_index, session->chain.count);
        session->stage = STARTED;
        const char *failure = start_program(session, &start);
        if (failure != NULL) {
            tell_state(session, STATE_FAILED, errno, failure);
            send_hurried_end(session->id, EXIT_OWN_FAILURE << 8);
        }
        chain_close(&session->chain);
    }
    release_start(&start);
}

/* --- a sandbox of its own --- */

static void fail_bounded(struct session *session, int error, const char *what) {
    if (!session->has_failed)
        tell_state(session, STATE_FAILED, error, what);
    session->has_failed = true;
}

static void tell_wall_failure(struct session *session, const char *probed) {
    char what[BOUNDS_FAILURE_SIZE];
    read_bounds_failure(session->wall_messages_fd, probed, what);
    fail_bounded(session, 0, what);
}

static void end_bounded(struct session *session, int status) {
    if (!session->has_ended)
        send_hurried_end(session->id, status);
    session->has_ended = true;
}

static void obey_bounded_init(struct session *session, const struct init_message *message) {
    switch ((enum init_message_kind)message->kind) {
    case INIT_RUNS:
        session->runs = true;
        tell_state(session, STATE_STARTED, 0, "");
        return;
    case INIT_STOPPED:
        session->has_stopped = true;
        session->stops.count = message->stops;
        if (!holds_tree()) /* else by us, while a person is asked */
            tell_state(session, STATE_STOPPED, message->value, "");
        return;
    case INIT_CONTINUED:
        session->has_stopped = false;
        return;
    case INIT_PROBED:
        if (message->text[0] == '\0')
            return;
        tell_wall_failure(session, message->text);
        return;
    case INIT_FAILED:
        fail_bounded(session, message->value, message->text);
        return;
    case INIT_ENDED:
        end_bounded(session, message->value);
        return;
    case INIT_LISTENER: /* where this interceptor is used, the kernel's cannot be had */
    case INIT_SIGNAL:
    case INIT_SIGNAL_ALL:
    case INIT_RESUME:
    case INIT_WRAPPERS:
    default:
        return;
    }
}

static void handle_bounded_report(struct session *session) {
    struct init_message message;
    int passed_fd;
    if (receive_init_message(session->report.fd, &message, &passed_fd) == 1)
        obey_bounded_init(session, &message);
    else
        close_source(&session->report); /* bubblewrap's end follows */
    cleanup_fd(&passed_fd);
}

/* bubblewrap has ended, and the sandbox with it. */
static void handle_bounded_end(struct session *session) {
    struct pollfd polled = {session->report.fd, POLLIN, 0};
    while (session->report.fd >= 0 && poll(&polled, 1, 0) == 1)
        handle_bounded_report(session);
    if (!session->has_ended && !session->runs)
        tell_wall_failure(session, "");
    end_bounded(session, session->runs ? SIGKILL : EXIT_OWN_FAILURE << 8);
    session->real_pid = 0;
}

/* First nothing (its exec succeeded), or what failed. */
void handle_session_report(struct source *source) {
    struct session *session = session_of_source(source);
    if (session->bounded) {
        handle_bounded_report(session);
        return;
    }
    struct init_message message;
    int passed_fd;
    int got = receive_init_message(source->fd, &message, &passed_fd);
    cleanup_fd(&passed_fd);
    close_source(source);
    bool failed = got == 1 && message.kind == INIT_FAILED;
    tell_state(session, failed ? STATE_FAILED : STATE_STARTED, failed ? message.value : 0, failed ? message.text : "");
}

/* The terminal sends its own to the whole group, so the real program, a member, has that one already. */
void signal_session_program(struct reader *reader) {
    struct session *session = find_session(read_u64(reader));
    int number = read_i32(reader);
    bool from_terminal = read_u8(reader) != 0;
    if (session == NULL || session->real_pid <= 0)
        return;
    bool same_group = getpgid(session->real_pid) == getpgid(session->pid);
    if (from_terminal && same_group)
        return;
    if (session->bounded && session->report.fd >= 0)
        (void)send_stop_message(session->report.fd, INIT_SIGNAL, number, session->known_stops);
    else if (takes_signal(&session->stops, session->real_pid, number, session->known_stops))
        (void)kill(session->real_pid, number);
}

bool handle_session_status(pid_t pid, int status) {
    struct session *session = sessions;
    while (session != NULL && session->real_pid != pid)
        session = session->next;
    if (session == NULL)
        return false;
    if (WIFSTOPPED(status)) {
        if (session->bounded) /* that is the sandbox and not the program, and init tells of that one */
            return true;
        session->stops.count++;
        tell_state(session, STATE_STOPPED, WSTOPSIG(status), "");
        return true;
    }
    if (session->bounded) {
        handle_bounded_end(session);
    } else {
        if (session->report.fd >= 0)
            handle_session_report(&session->report); /* what failed comes before the end */
        session->real_pid = 0;
        send_hurried_end(session->id, status);
    }
    if (session->stream.fd < 0)
        finish_session(session); /* nobody waits for it any more */
    return true;
}
