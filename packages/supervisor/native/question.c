/*   Node                    broker                           terminal
 *     | -- HOLD ------------> | freezes the tree
 *     |                        | takes the foreground, modes, screen -> |
 *     | <-------------- HELD - | <------------------- its size ------- |
 *     | -- SHOW, the text ---> | prints ------------------------------> |
 *     | -- SHOW, listen -----> | throws away what was typed, prints --> |
 *     | <------------- TYPED - | <------------------------- a line ---- |
 *     | -- LET_GO -----------> | puts everything back ----------------> |
 *
 * The attacks: code inside types at the terminal, makes the terminal itself type by asking it things, paints over the question or
 * prepares the terminal so that it shows something else, changes the modes so that one key is a line, holds the output. It stands
 * still while the question is open, so what counts is what it left behind: the modes are all set anew, sequences that it
 * began are ended, the screen is another one and cleared, and what arrived before Node says "listen" is thrown away. */
#define _GNU_SOURCE
#include "question.h"
#include "broker.h"
#include "freeze.h"
#include "terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
    HOLD_TIMEOUT_MS = 2000,
    HOLD_RETRY_MS = 5,
    WRITE_TIMEOUT_MS = 3000,
    REPLY_TIMEOUT_MS = 250,
    WRITE_PIECE = 128, /* a terminal that can be written to takes this much, whatever the flags of the descriptor */
    LINE_LIMIT = 4096,
    REPLY_LIMIT = 1024,
    CTRL_C = 3,
    CTRL_BACKSLASH = 28,
};

/* Ends whatever sequence or string the job left open; leaves VT52 mode, in which nothing of the following would be understood. */
#define END_SEQUENCES "\x18\x1b\\\x1b<"
/* Is the alternate screen on? And a question that every terminal answers: when that answer is there, all earlier ones are. */
#define ASK_TERMINAL "\x1b[?1049$p\x1b[c"
#define ALTERNATE_IS_ON "\x1b[?1049;1$y"
/* How far does the cursor get? That is how large the screen is. */
#define ASK_SIZE "\x1b[999;999H\x1b[6n"
#define OWN_MODES "1;5;6;7;9;25;69;1000;1002;1003;1004;1005;1006;1015;2004;2026"
/* Margins, origin, reverse screen, mouse, pasting, held-back drawing, insert mode, locked keyboard, character sets, colours (their
 * meanings too), pictures that lie over the text, text that is protected from being cleared. The clearing comes last. */
#define RESET_SCREEN                                                                                                   \
    "\x1b[?" OWN_MODES "s\x1b[?5;6;9;69;1000;1002;1003;1004;1005;1006;1015;2004;2026l\x1b[?7;25h"                      \
    "\x1b[2;4;20l\x1b[12h\x0f\x1b(B\x1b)B\x1b%G\x1b[0\"q\x1b[0m\x1b[r\x1b_Ga=d\x1b\\\x1b]104\x1b\\\x1b]110\x1b\\\x1b]" \
    "111\x1b\\"                                                                                                        \
    "\x1b[H\x1b[2J"
#define LEAVE_SCREEN "\x1b[0m\x1b[H\x1b[2J\x1b[?" OWN_MODES "r"

static enum { GOING, WANTED, HELD } stage;
static uint64_t give_up_ms;
static const char *refusal;
static struct buffer deferred;
static struct source question = {SOURCE_QUESTION, -1};
static bool has_screen;    /* the terminal understands sequences */
static bool taken;         /* foreground, modes and screen are ours */
static bool usable;        /* all of that succeeded */
static bool was_alternate; /* the job has the alternate screen, and we are on it too */
static bool listening, hung_up;
static uint32_t asked_token; /* of the last SHOW: a line that answers an earlier one must not answer this one */
static struct termios job_modes, question_modes;
static struct winsize job_size;
static struct winsize screen_size; /* what can be relied on to be seen */
static pid_t job_group;            /* who had the foreground; 0: nobody of ours */

bool holds_tree(void) {
    return stage != GOING;
}

/* --- frames that have to wait --- */

void defer_frame(uint8_t kind, const struct reader *payload) {
    size_t length = (size_t)(payload->end - payload->at);
    buffer_u8(&deferred, kind);
    buffer_string(&deferred, payload->at, length);
}

static void handle_deferred_frames(void) {
    struct buffer frames = deferred;
    deferred = (struct buffer){0};
    struct reader reader = {frames.data, frames.data + frames.length, false};
    while (reader.at < reader.end) {
        uint8_t kind = read_u8(&reader);
        struct slice payload = read_string(&reader);
        struct reader one = {payload.bytes, payload.bytes + payload.length, false};
        handle_frame(kind, &one);
        if (one.bad)
            die("Node sent a malformed frame of kind %u", kind);
    }
    buffer_free(&frames);
}

/* --- the terminal --- */

/* At most WRITE_TIMEOUT_MS for all of it: a terminal that nobody reads must not hold us. */
static bool print(const void *bytes, size_t length) {
    uint64_t until = monotonic_ms() + WRITE_TIMEOUT_MS;
    for (size_t done = 0; done < length;) {
        uint64_t now = monotonic_ms();
        struct pollfd polled = {question.fd, POLLOUT, 0};
        if (now >= until || RETRY(poll(&polled, 1, (int)(until - now))) != 1 || (polled.revents & POLLOUT) == 0)
            return false;
        size_t piece = length - done < WRITE_PIECE ? length - done : WRITE_PIECE;
        ssize_t written = RETRY(write(question.fd, (const uint8_t *)bytes + done, piece));
        if (written < 0 && errno != EAGAIN)
            return false;
        done += written > 0 ? (size_t)written : 0;
    }
    return true;
}

static bool print_text(const char *text) {
    return print(text, strlen(text));
}

/* Nothing is taken from what the job has set: it could have made "n" the key that erases. */
static void make_question_modes(void) {
    question_modes = job_modes;
    question_modes.c_iflag = ICRNL | (job_modes.c_iflag & IUTF8);
    question_modes.c_oflag = OPOST | ONLCR;
    question_modes.c_lflag = ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | IEXTEN; /* the last for VEOL2 */
    for (size_t i = 0; i < NCCS; i++)
        question_modes.c_cc[i] = _POSIX_VDISABLE;
    question_modes.c_cc[VERASE] = persons_erase_key();
    question_modes.c_cc[VKILL] = 'U' & 0x1f;
    question_modes.c_cc[VEOF] = 'D' & 0x1f;
    /* No signals: they would reach the rest of the caller's job. These keys end a line, and Node sees them in it. */
    question_modes.c_cc[VEOL] = CTRL_C;
    question_modes.c_cc[VEOL2] = CTRL_BACKSLASH;
}

/* Reads what the terminal answers, up to `last`; false where no answer comes within a moment. */
static bool ask_terminal(const char *asked, char last, char reply[REPLY_LIMIT]) {
    size_t length = 0;
    bool answered = false;
    uint64_t until = monotonic_ms() + REPLY_TIMEOUT_MS;
    bool told = print_text(asked);
    for (uint64_t now = monotonic_ms(); told && !answered && now < until && length + 1 < REPLY_LIMIT;
         now = monotonic_ms()) {
        struct pollfd polled = {question.fd, POLLIN, 0};
        if (RETRY(poll(&polled, 1, (int)(until - now))) != 1 || (polled.revents & POLLIN) == 0)
            break;
        ssize_t got = RETRY(read(question.fd, reply + length, REPLY_LIMIT - 1 - length));
        if (got <= 0)
            break;
        length += (size_t)got;
        answered = reply[length - 1] == last;
    }
    reply[length] = '\0';
    return answered;
}

static void keep_smaller(struct winsize *size, unsigned rows, unsigned columns) {
    if (rows < size->ws_row)
        size->ws_row = (unsigned short)rows;
    if (columns < size->ws_col)
        size->ws_col = (unsigned short)columns;
}

/* The attack: the job says that the terminal has a thousand rows. What is asked about then stands above its upper edge, where nobody
 * sees it. So the size from before the job counts too, and what the terminal itself says. */
static void measure_screen(bool answers) {
    char reply[REPLY_LIMIT];
    unsigned rows, columns;
    struct winsize first;
    screen_size = job_size;
    if (size_before_job(&first))
        keep_smaller(&screen_size, first.ws_row, first.ws_col);
    if (!answers || !ask_terminal(ASK_SIZE, 'R', reply))
        return;
    const char *position = strrchr(reply, '\x1b');
    if (position != NULL && sscanf(position, "\x1b[%u;%uR", &rows, &columns) == 2)
        keep_smaller(&screen_size, rows, columns);
}

/* On the alternate screen, its modes reset. */
static bool take_screen(void) {
    char reply[REPLY_LIMIT];
    struct termios raw = question_modes;
    raw.c_lflag = 0;
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    (void)tcsetattr(question.fd, TCSANOW, &raw);
    (void)tcflush(question.fd, TCIFLUSH);
    bool answers = ask_terminal(END_SEQUENCES ASK_TERMINAL, 'c', reply);
    was_alternate = strstr(reply, ALTERNATE_IS_ON) != NULL;
    /* Switching to the screen that is on already would make leaving it take the job's away. */
    bool ready = print_text(was_alternate ? "\x1b"
                                            "7" RESET_SCREEN
                                          : "\x1b[?1049h" RESET_SCREEN);
    measure_screen(ready && answers);
    return ready;
}

static bool take_terminal(void) {
    taken = true;
    was_alternate = false;
    if (tcgetattr(question.fd, &job_modes) != 0)
        return false;
    if (job_group != 0 && job_group != broker.group)
        (void)tcsetpgrp(question.fd, broker.group); /* SIGTTOU is blocked here */
    make_question_modes();
    (void)ioctl(question.fd, TCXONC, TCOON); /* the job may have stopped the output */
    bool ready = !has_screen || take_screen();
    (void)tcflush(question.fd, TCIFLUSH);
    if (tcsetattr(question.fd, TCSANOW, &question_modes) != 0)
        return false;
    if (has_screen)
        return ready;
    measure_screen(false);
    return print_text("\r\n\r\n");
}

static void give_foreground_back(void) {
    if (job_group == 0 || job_group == broker.group || tcgetpgrp(question.fd) != broker.group)
        return; /* a shell that has stopped us by force has it by now */
    if (tcsetpgrp(question.fd, job_group) != 0 && broker.init.fd >= 0)
        (void)send_init_message(broker.init.fd, INIT_RESUME, RESUME_FOREGROUND_ONLY, "", -1);
}

static void put_terminal_back(void) {
    if (!taken)
        return;
    taken = false;
    if (has_screen && !hung_up) {
        (void)print_text(LEAVE_SCREEN);
        (void)print_text(was_alternate ? "\x1b"
                                         "8"
                                       : "\x1b[?1049l");
    }
    (void)tcsetattr(question.fd, TCSANOW, &job_modes);
    give_foreground_back();
}

/* A screen that we have painted over, or whose size has changed while the job was not told. */
static bool job_has_to_draw(void) {
    struct winsize size;
    bool resized = question.fd >= 0 && ioctl(question.fd, TIOCGWINSZ, &size) == 0 &&
                   (size.ws_row != job_size.ws_row || size.ws_col != job_size.ws_col);
    return was_alternate || resized;
}

/* --- frames --- */

static void send_held(const char *why) {
    size_t frame = buffer_begin_frame(&broker.out, FRAME_HELD);
    buffer_string(&broker.out, why, strlen(why));
    buffer_u8(&broker.out, frozen_by_cgroup());
    buffer_u32(&broker.out, screen_size.ws_row);
    buffer_u32(&broker.out, screen_size.ws_col);
    buffer_end_frame(&broker.out, frame);
}

static void send_typed(const void *bytes, size_t length) {
    listening = false;
    size_t frame = buffer_begin_frame(&broker.out, FRAME_TYPED);
    buffer_u32(&broker.out, asked_token);
    buffer_string(&broker.out, bytes, length);
    buffer_end_frame(&broker.out, frame);
}

static void watch_keys(void) {
    struct epoll_event event = {listening ? (uint32_t)EPOLLIN : 0U, {.ptr = &question}};
    (void)epoll_ctl(broker.epoll_fd, EPOLL_CTL_MOD, question.fd, &event);
}

void hold_tree(struct reader *reader) {
    has_screen = read_u8(reader) != 0;
    if (stage != GOING)
        die("Node held the tree twice");
    stage = WANTED;
    refusal = "the command is being ended";
    give_up_ms = monotonic_ms() + HOLD_TIMEOUT_MS;
    watch_terminal();
}

static const char *hold_now(void) {
    const char *why = NULL;
    if (!broker.launched || !broker.launch.guarded)
        return "only a guarded command can be held";
    question.fd = open_persons_terminal(&job_group, &why);
    if (question.fd < 0)
        return why;
    hung_up = taken = usable = listening = was_alternate = false;
    watch_source(&question, 0);
    why = freeze_tree();
    /* Once more: until it stood still, a shell in the job could give the foreground to another one. */
    return why == NULL ? find_foreground(question.fd, &job_group) : why;
}

int go_on_holding(void) {
    if (stage != WANTED)
        return -1;
    const char *why = "a program is on its way out, and doesn't get there";
    if (redirects_somebody() && monotonic_ms() < give_up_ms)
        return HOLD_RETRY_MS;
    if (!redirects_somebody() && !broker.ending)
        why = hold_now();
    if (why == NULL) {
        stage = HELD;
        (void)ioctl(question.fd, TIOCGWINSZ, &job_size);
        usable = take_terminal(); /* now, because what is shown is laid out for the size that it has */
        send_held("");
    } else {
        refusal = why;
        let_go(false);
    }
    return 0;
}

void show_question(struct reader *reader) {
    bool listen = read_u8(reader) != 0;
    asked_token = read_u32(reader);
    struct slice text = read_string(reader);
    if (stage != HELD && listen)
        send_typed("", 0); /* the command is being ended */
    if (stage != HELD)
        return;
    bool ready = usable;
    if (ready && listen)
        (void)tcflush(question.fd, TCIFLUSH);
    ready = ready && print(text.bytes, text.length);
    if (!ready)
        send_typed("", 0);
    listening = ready && listen;
    if (!hung_up)
        watch_keys();
}

void handle_question(uint32_t events) {
    uint8_t line[LINE_LIMIT];
    ssize_t got = 0;
    if ((events & EPOLLIN) != 0 && listening) {
        got = RETRY(read(question.fd, line, sizeof line));
        if (got < 0 && errno == EAGAIN)
            return;
    } else if ((events & (EPOLLHUP | EPOLLERR)) == 0) {
        return;
    }
    bool was_listening = listening;
    listening = false;
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
        hung_up = true;
        (void)epoll_ctl(broker.epoll_fd, EPOLL_CTL_DEL, question.fd, NULL);
    } else {
        watch_keys();
    }
    if (was_listening)
        send_typed(line, got < 0 ? 0 : (size_t)got);
}

void take_question_up_again(void) {
    if (stage != HELD || !taken)
        return;
    if (job_group != 0 && tcgetpgrp(question.fd) == broker.group)
        (void)tcsetattr(question.fd, TCSANOW, &question_modes);
}

void let_go(bool interrupt) {
    if (stage == GOING)
        return;
    if (stage == WANTED)
        send_held(refusal);
    if (stage == HELD && listening)
        send_typed("", 0); /* the command is being ended: nobody needs the answer */
    stage = GOING;
    pid_t group = job_group == 0 || job_group == broker.group ? job_in_foreground() : job_group;
    bool draws = false;
    if (question.fd >= 0) {
        draws = job_has_to_draw();
        put_terminal_back();
        close_source(&question);
    }
    /* Pending before anybody runs again. */
    if (interrupt && group > 0)
        (void)kill(-group, SIGINT);
    else if (interrupt && broker.init.fd >= 0)
        (void)send_init_message(broker.init.fd, INIT_SIGNAL, SIGINT, "", -1);
    thaw_tree();
    if (draws && group > 0)
        (void)kill(-group, SIGWINCH);
    handle_deferred_frames();
    watch_terminal();
}
