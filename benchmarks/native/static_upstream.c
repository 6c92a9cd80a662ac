/* A model server that answers from memory: the same JSON to every chat completion, or a stream of
 * events at a fixed pace, each carrying the moment it was written. One thread, epoll, no allocation
 * on the way.
 *
 *   static_upstream <payload folder> <microseconds between events> [port]
 *
 * Listens on 127.0.0.1 (on a free port when none is given) and prints "port N". "max_tokens" of a streaming request is the
 * number of content events to send. Ends when its parent does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { STAMP_DIGITS = 19, DEFAULT_EVENTS = 64, MAX_BODY = 64 << 20 };

typedef struct { char *at; size_t len, room; } Bytes;

typedef struct Conn {
    int fd;
    Bytes in, out;
    bool usage_asked, writing;
    long events_left;
    uint64_t due;
    struct Conn *earlier, *later;   /* place in the timetable while streaming */
} Conn;

static Bytes answer, models, role_event, content_event, finish_event, usage_event;
static size_t stamp_at;
static uint64_t interval;
static Conn *soonest, *latest;
static int poller, timer;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what) { perror(what); exit(2); }

static void append(Bytes *b, const void *data, size_t n) {
    if (b->len + n > b->room) {
        b->room = (b->len + n) * 2;
        if (!(b->at = realloc(b->at, b->room))) fail("out of memory");
    }
    memcpy(b->at + b->len, data, n);
    b->len += n;
}

static Bytes load(const char *folder, const char *name) {
    char path[4096], block[65536];
    Bytes b = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDONLY);
    if (fd < 0) fail(path);
    for (ssize_t n; (n = read(fd, block, sizeof block)) > 0;) append(&b, block, (size_t)n);
    close(fd);
    return b;
}

static Bytes framed(Bytes body, const char *type) {
    char head[256];
    Bytes b = {0};
    int n = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                     type, body.len);
    append(&b, head, (size_t)n);
    append(&b, body.at, body.len);
    return b;
}

static Bytes http_chunk(Bytes body) {
    char head[32];
    Bytes b = {0};
    append(&b, head, (size_t)snprintf(head, sizeof head, "%zx\r\n", body.len));
    append(&b, body.at, body.len);
    append(&b, "\r\n", 2);
    return b;
}

static void leave_timetable(Conn *c) {
    if (c != soonest && !c->earlier) return;
    if (c->earlier) c->earlier->later = c->later; else soonest = c->later;
    if (c->later) c->later->earlier = c->earlier; else latest = c->earlier;
    c->earlier = c->later = NULL;
}

static void enter_timetable(Conn *c) {
    Conn *before = latest;          /* one interval for all: nearly always the last place */
    while (before && before->due > c->due) before = before->earlier;
    c->earlier = before;
    c->later = before ? before->later : soonest;
    if (c->later) c->later->earlier = c; else latest = c;
    if (before) before->later = c; else soonest = c;
}

static void hang_up(Conn *c) {
    leave_timetable(c);
    close(c->fd);
    free(c->in.at);
    free(c->out.at);
    free(c);
}

static bool flush(Conn *c) {
    size_t done = 0;
    while (done < c->out.len) {
        ssize_t n = send(c->fd, c->out.at + done, c->out.len - done, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
        if (n < 0 && errno == EAGAIN) break;
        if (n > 0) done += (size_t)n;
    }
    memmove(c->out.at, c->out.at + done, c->out.len - done);
    c->out.len -= done;
    bool want = c->out.len > 0;
    if (want != c->writing) {
        struct epoll_event e = {.events = want ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
        c->writing = want;
    }
    return true;
}

static void stamped_event(Conn *c) {
    char digits[STAMP_DIGITS + 1];
    snprintf(digits, sizeof digits, "%0*llu", STAMP_DIGITS, (unsigned long long)now_ns());
    append(&c->out, content_event.at, content_event.len);
    memcpy(c->out.at + c->out.len - content_event.len + stamp_at, digits, STAMP_DIGITS);
    c->events_left--;
}

static void end_stream(Conn *c) {
    append(&c->out, finish_event.at, finish_event.len);
    if (c->usage_asked) append(&c->out, usage_event.at, usage_event.len);
    static const char done[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
    append(&c->out, done, sizeof done - 1);
}

static void start_stream(Conn *c, const char *body, size_t n) {
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
    static const char field[] = "\"max_tokens\":";
    const char *at = memmem(body, n, field, sizeof field - 1);
    c->events_left = at ? strtol(at + sizeof field - 1, NULL, 10) : DEFAULT_EVENTS;
    c->usage_asked = memmem(body, n, "include_usage", 13) != NULL;
    append(&c->out, head, sizeof head - 1);
    append(&c->out, role_event.at, role_event.len);
    if (c->events_left <= 0) { c->events_left = 0; end_stream(c); return; }
    stamped_event(c);
    c->due = now_ns() + interval;
    enter_timetable(c);
}

static bool wants_stream(const char *body, size_t n) {
    return memmem(body, n, "\"stream\":true", 13) || memmem(body, n, "\"stream\": true", 14);
}

/* Answers every whole request in the buffer; false when the connection must be dropped. */
static bool serve(Conn *c) {
    while (c->in.len && !c->earlier && c != soonest) {
        char *end = memmem(c->in.at, c->in.len, "\r\n\r\n", 4);
        if (!end) return c->in.len < 65536;
        size_t head = (size_t)(end - c->in.at) + 4, body = 0;
        for (char *line = c->in.at; line < end; line = memchr(line, '\n', (size_t)(end - line) + 2) + 1)
            if (!strncasecmp(line, "content-length:", 15)) body = strtoul(line + 15, NULL, 10);
        if (body > MAX_BODY) return false;
        if (c->in.len < head + body) return true;
        if (!strncmp(c->in.at, "GET ", 4)) append(&c->out, models.at, models.len);
        else if (wants_stream(c->in.at + head, body)) start_stream(c, c->in.at + head, body);
        else append(&c->out, answer.at, answer.len);
        memmove(c->in.at, c->in.at + head + body, c->in.len - head - body);
        c->in.len -= head + body;
    }
    return true;
}

static bool readable(Conn *c) {
    char block[262144];
    ssize_t n = recv(c->fd, block, sizeof block, 0);
    if (n == 0) return false;
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    append(&c->in, block, (size_t)n);
    return serve(c) && flush(c);
}

static void write_due(void) {
    uint64_t rings, now = now_ns();
    if (read(timer, &rings, sizeof rings) < 0 && errno != EAGAIN) fail("timer");
    while (soonest && soonest->due <= now) {
        Conn *c = soonest;
        leave_timetable(c);
        if (c->events_left > 0) {
            stamped_event(c);
            c->due += interval;
            enter_timetable(c);
            if (!flush(c)) hang_up(c);
            continue;
        }
        end_stream(c);
        if (!serve(c) || !flush(c)) hang_up(c);
    }
}

static void arm(void) {
    struct itimerspec t = {0};
    if (soonest) {
        t.it_value.tv_sec = (time_t)(soonest->due / 1000000000u);
        t.it_value.tv_nsec = (long)(soonest->due % 1000000000u);
    }
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &t, NULL);
}

static void welcome(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        Conn *c = calloc(1, sizeof *c);
        if (!c) fail("out of memory");
        c->fd = fd;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
    }
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) || listen(fd, 4096)) fail("listen");
    getsockname(fd, (struct sockaddr *)&a, &n);
    printf("port %d\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

static void read_payloads(const char *folder) {
    answer = framed(load(folder, "answer.json"), "application/json");
    models = framed(load(folder, "models.json"), "application/json");
    role_event = http_chunk(load(folder, "role.sse"));
    content_event = http_chunk(load(folder, "content.sse"));
    finish_event = http_chunk(load(folder, "finish.sse"));
    usage_event = http_chunk(load(folder, "usage.sse"));
    char *mark = memchr(content_event.at, '@', content_event.len);
    if (!mark) { fprintf(stderr, "content.sse has no @ before its stamp\n"); exit(2); }
    stamp_at = (size_t)(mark - content_event.at) + 1;
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > 4) { fprintf(stderr, "usage: static_upstream <payloads> <us> [port]\n"); return 2; }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    read_payloads(argv[1]);
    interval = strtoull(argv[2], NULL, 10) * 1000u;
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int listener = listen_on(argc == 4 ? atoi(argv[3]) : 0);
    struct epoll_event on_listener = {.events = EPOLLIN, .data.ptr = &listener};
    struct epoll_event on_timer = {.events = EPOLLIN, .data.ptr = &timer};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &on_listener);
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &on_timer);
    uint64_t armed_for = 0;
    for (;;) {
        struct epoll_event ready[256];
        int n = epoll_wait(poller, ready, 256, -1);
        if (n < 0 && errno != EINTR) fail("epoll_wait");
        bool rings = false;
        for (int i = 0; i < n; i++) {
            void *who = ready[i].data.ptr;
            if (who == &listener) welcome(listener);
            else if (who == &timer) rings = true;   /* last: it may drop a connection of this batch */
            else if (ready[i].events == EPOLLOUT ? !flush(who) : !readable(who)) hang_up(who);
        }
        if (rings) write_due();
        uint64_t wanted = soonest ? soonest->due : 0;
        if (wanted != armed_for || rings) { arm(); armed_for = wanted; }
    }
}
