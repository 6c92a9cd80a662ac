/* Sends the same request again and again over N kept connections and measures the answers.
 * One thread, epoll. Settings are name=value:
 *
 *   load port=P mode=closed|stream clients=N seconds=S body=FILE key=K expect=TEXT
 *        [events=E] [path=...] [timeout=30]
 *
 * closed: each client asks, waits for the whole answer, asks again until the time is up; what is under
 *         way is then awaited, so that every request that cost something is counted.
 * stream: each client reads one stream to its end; their starts are spread over the first `seconds` by the
 *         golden ratio, so that their paces do not fall together.
 * Prints one JSON object; histograms are microseconds -> count, up to 10 s. Ends when its parent does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
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
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { STAMP_DIGITS = 19, HEAD_ROOM = 32768, BODY_ROOM = 65536, TOP_US = 10000000, MAX_ERRORS = 200 };
enum Phase { HEAD, SIZED, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };
enum Fault { CONNECT, CLOSED, STATUS, BODY, SHORT, TIMEOUT, FAULTS };
static const char *const fault_names[FAULTS] = {"connect", "closed", "status", "body", "short", "timeout"};

typedef struct {
    int fd;
    bool busy, writing, finished, keep;
    uint64_t started, planned;
    size_t sent;
    enum Phase phase;
    int status;
    size_t left, head_len, body_len;
    char head[HEAD_ROOM], body[BODY_ROOM];
    int digits, done_seen;          /* stamp scanner and [DONE] scanner */
    bool in_stamp;
    uint64_t stamp;
    long events;
} Conn;

static struct {
    int port, clients;
    bool stream;
    double seconds, timeout;
    long events;
    const char *body, *key, *expect, *path;
} set = {.clients = 1, .seconds = 5, .timeout = 30, .key = "", .expect = "", .path = "/v1/chat/completions"};

static char *request;
static size_t request_len;
static Conn *conns;
static int poller, open_requests;
static uint64_t began, deadline;
static uint32_t *first_us, *chunk_us;
static long whole, in_window, events_seen, faults[FAULTS], fault_total;
static char first_error[256];

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what) { perror(what); exit(2); }

static void count_us(uint32_t *histogram, uint64_t from, uint64_t to) {
    uint64_t us = to > from ? (to - from) / 1000u : 0;
    histogram[us > TOP_US ? TOP_US : us]++;
}

static void note(enum Fault fault, const char *text, size_t n) {
    faults[fault]++;
    fault_total++;
    if (first_error[0]) return;
    size_t at = (size_t)snprintf(first_error, sizeof first_error, "%s: ", fault_names[fault]);
    for (size_t i = 0; i < n && at + 1 < sizeof first_error; i++)
        first_error[at++] = isprint((unsigned char)text[i]) && !strchr("\"\\", text[i]) ? text[i] : ' ';
    first_error[at] = 0;
}

static void watch(Conn *c, bool writing) {
    struct epoll_event e = {.events = writing ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
    c->writing = writing;
}

static void dial(Conn *c) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)set.port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) fail("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a) && errno != EINPROGRESS)
        note(CONNECT, strerror(errno), strlen(strerror(errno)));
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e);
    c->writing = false;
}

static void redial(Conn *c) {
    close(c->fd);
    dial(c);
}

static bool push(Conn *c) {
    while (c->sent < request_len) {
        ssize_t n = send(c->fd, request + c->sent, request_len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINPROGRESS)) break;
        if (n < 0) return false;
        c->sent += (size_t)n;
    }
    bool more = c->sent < request_len;
    if (more != c->writing) watch(c, more);
    return true;
}

static void give_up(Conn *c, enum Fault fault, const char *text, size_t n);

static void ask(Conn *c) {
    c->busy = true;
    c->phase = HEAD;
    c->sent = c->head_len = c->body_len = 0;
    c->events = 0;
    c->done_seen = c->digits = 0;
    c->in_stamp = false;
    open_requests++;
    c->started = now_ns();
    if (!push(c)) give_up(c, CLOSED, "send failed", 11);
}

static void rest(Conn *c) {
    c->busy = false;
    open_requests--;
    if (set.stream) { c->finished = true; return; }
    if (now_ns() < deadline && fault_total < MAX_ERRORS) ask(c);
    else c->finished = true;
}

static void give_up(Conn *c, enum Fault fault, const char *text, size_t n) {
    note(fault, text, n);
    redial(c);
    rest(c);
}

/* Every event carries @<19 digits>@: the moment the upstream wrote it. */
static void scan_events(Conn *c, const char *data, size_t n, uint64_t now) {
    static const char done[] = "[DONE]";
    for (size_t i = 0; i < n; i++) {
        char x = data[i];
        if (c->done_seen < 6) c->done_seen = x == done[c->done_seen] ? c->done_seen + 1 : (x == '[');
        if (x == '@') {
            if (c->in_stamp && c->digits == STAMP_DIGITS) {
                if (c->events++ == 0) count_us(first_us, c->started, now);
                count_us(chunk_us, c->stamp, now);
                c->in_stamp = false;
                continue;
            }
            c->in_stamp = true;
            c->digits = 0;
            c->stamp = 0;
        } else if (c->in_stamp) {
            if (!isdigit((unsigned char)x) || ++c->digits > STAMP_DIGITS) c->in_stamp = false;
            c->stamp = c->stamp * 10 + (uint64_t)(x - '0');
        }
    }
}

static void take_body(Conn *c, const char *data, size_t n, uint64_t now) {
    size_t fits = BODY_ROOM - c->body_len < n ? BODY_ROOM - c->body_len : n;
    memcpy(c->body + c->body_len, data, fits);
    c->body_len += fits;
    if (set.stream && c->status == 200) scan_events(c, data, n, now);
}

static void whole_answer(Conn *c, uint64_t now) {
    bool keep = c->keep;
    events_seen += c->events;
    if (c->status != 200) note(STATUS, c->body_len ? c->body : c->head, c->body_len ? c->body_len : c->head_len);
    else if (set.stream && (c->events != set.events || c->done_seen < 6)) note(SHORT, c->body, c->body_len);
    else if (!set.stream && !memmem(c->body, c->body_len, set.expect, strlen(set.expect)))
        note(BODY, c->body, c->body_len);
    else {
        whole++;
        if (now <= deadline) in_window++;
        if (!set.stream) count_us(first_us, c->started, now);
    }
    if (!keep) redial(c);
    rest(c);
}

static bool read_head(Conn *c, const char *data, size_t n, size_t *used) {
    size_t before = c->head_len, fits = HEAD_ROOM - 1 - before < n ? HEAD_ROOM - 1 - before : n;
    memcpy(c->head + before, data, fits);
    c->head_len += fits;
    char *end = memmem(c->head, c->head_len, "\r\n\r\n", 4);
    *used = fits;
    if (!end) return c->head_len < HEAD_ROOM - 1;
    *used = (size_t)(end - c->head) + 4 - before;
    *end = 0;
    c->status = strncmp(c->head, "HTTP/1.", 7) ? 0 : atoi(c->head + 9);
    c->keep = !strcasestr(c->head, "\r\nconnection: close");
    char *sized = strcasestr(c->head, "\r\ncontent-length:");
    if (sized) c->left = strtoul(sized + 17, NULL, 10), c->phase = SIZED;
    else if (strcasestr(c->head, "\r\ntransfer-encoding: chunked")) c->left = 0, c->phase = CHUNK_SIZE;
    else return false;
    return true;
}

/* One byte of chunk framing; true when the last trailer line has passed. */
static bool chunk_framing(Conn *c, char x) {
    if (c->phase == CHUNK_SIZE) {
        int digit = x <= '9' ? x - '0' : (x | 32) - 'a' + 10;
        if (isxdigit((unsigned char)x)) c->left = c->left * 16 + (size_t)digit;
        else if (x == '\n') c->phase = c->left ? CHUNK_DATA : TRAILER, c->head_len = 0;
    } else if (c->phase == CHUNK_END) {
        if (x == '\n') c->phase = CHUNK_SIZE, c->left = 0;
    } else if (x == '\n') {
        if (c->head_len == 0) return true;
        c->head_len = 0;
    } else if (x != '\r') c->head_len++;
    return false;
}

static void digest(Conn *c, const char *data, size_t n, uint64_t now) {
    while (n && c->busy) {
        size_t used = 1;
        bool over = false;
        if (c->phase == HEAD) {
            if (!read_head(c, data, n, &used)) { give_up(c, BODY, c->head, c->head_len); return; }
            over = c->phase == SIZED && c->left == 0;
        } else if (c->phase == SIZED || c->phase == CHUNK_DATA) {
            used = n < c->left ? n : c->left;
            take_body(c, data, used, now);
            c->left -= used;
            if (c->left == 0 && c->phase == CHUNK_DATA) c->phase = CHUNK_END;
            over = c->left == 0 && c->phase == SIZED;
        } else over = chunk_framing(c, *data);
        data += used;
        n -= used;
        if (over) { whole_answer(c, now); return; }
    }
}

static void ready(Conn *c, uint32_t what) {
    static char block[262144];
    if (what & EPOLLOUT && c->busy && !push(c)) { give_up(c, CLOSED, "send failed", 11); return; }
    if (!(what & (EPOLLIN | EPOLLERR | EPOLLHUP))) return;
    ssize_t n = recv(c->fd, block, sizeof block, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n > 0) { digest(c, block, (size_t)n, now_ns()); return; }
    const char *why = n < 0 ? strerror(errno) : "connection closed";
    if (c->busy) give_up(c, CLOSED, why, strlen(why));
    else if (!c->finished) redial(c);
    else epoll_ctl(poller, EPOLL_CTL_DEL, c->fd, NULL);
}

/* Starts what is due and ends what is late; returns the milliseconds until it should look again. */
static int look_after(bool *all_done) {
    uint64_t now = now_ns(), late = (uint64_t)(set.timeout * 1e9), next = now + 100000000u;
    *all_done = true;
    for (int i = 0; i < set.clients; i++) {
        Conn *c = &conns[i];
        if (!c->busy && !c->finished && c->planned <= now) ask(c);
        if (c->busy && now > c->started + late) give_up(c, TIMEOUT, "no whole answer in time", 23);
        if (!c->busy && !c->finished && c->planned < next) next = c->planned;
        if (!c->finished) *all_done = false;
    }
    return next > now ? (int)((next - now) / 1000000u) : 0;
}

static void run(void) {
    bool all_done = false;
    uint64_t looked = 0;
    int wait = 0;
    while (!all_done) {
        struct epoll_event got[512];
        int n = epoll_wait(poller, got, 512, wait);
        for (int i = 0; i < n; i++) ready(got[i].data.ptr, got[i].events);
        uint64_t now = now_ns();
        if (n <= 0 || now - looked > 1000000u || !open_requests) { wait = look_after(&all_done); looked = now; }
    }
}

static void build_request(void) {
    int fd = open(set.body, O_RDONLY);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (size < 0) fail(set.body);
    request = malloc((size_t)size + 4096);
    int head = snprintf(request, 4096,
                        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
                        "Content-Type: application/json\r\nContent-Length: %lld\r\n\r\n",
                        set.path, set.port, set.key, (long long)size);
    if (head >= 4096 || pread(fd, request + head, (size_t)size, 0) != size) fail(set.body);
    request_len = (size_t)head + (size_t)size;
    close(fd);
}

static void print_histogram(const char *name, const uint32_t *histogram) {
    const char *comma = "";
    printf(", \"%s\": {", name);
    for (int us = 0; us <= TOP_US; us++)
        if (histogram[us]) printf("%s\"%d\": %u", comma, us, histogram[us]), comma = ", ";
    printf("}");
}

static void report(double elapsed) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"whole\": %ld, \"in_window\": %ld, \"window_s\": %.6f, \"elapsed_s\": %.6f, \"events\": %ld", whole,
           in_window, set.seconds, elapsed, events_seen);
    printf(", \"cpu_s\": %.6f", (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                                    (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6);
    printf(", \"faults\": {");
    for (int i = 0; i < FAULTS; i++) printf("%s\"%s\": %ld", i ? ", " : "", fault_names[i], faults[i]);
    printf("}, \"first_error\": \"%s\"", first_error);
    print_histogram("first_us", first_us);
    print_histogram("chunk_us", chunk_us);
    printf("}\n");
}

static void setting(const char *text) {
    const char *value = strchr(text, '=');
    if (!value) { fprintf(stderr, "not name=value: %s\n", text); exit(2); }
    size_t n = (size_t)(value++ - text);
    if (!strncmp(text, "port", n)) set.port = atoi(value);
    else if (!strncmp(text, "mode", n)) set.stream = !strcmp(value, "stream");
    else if (!strncmp(text, "clients", n)) set.clients = atoi(value);
    else if (!strncmp(text, "seconds", n)) set.seconds = atof(value);
    else if (!strncmp(text, "timeout", n)) set.timeout = atof(value);
    else if (!strncmp(text, "events", n)) set.events = atol(value);
    else if (!strncmp(text, "body", n)) set.body = value;
    else if (!strncmp(text, "key", n)) set.key = value;
    else if (!strncmp(text, "expect", n)) set.expect = value;
    else if (!strncmp(text, "path", n)) set.path = value;
    else { fprintf(stderr, "unknown setting: %s\n", text); exit(2); }
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) setting(argv[i]);
    if (!set.port || !set.body) { fprintf(stderr, "load needs port= and body=\n"); return 2; }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    build_request();
    first_us = calloc(TOP_US + 1, sizeof *first_us);
    chunk_us = calloc(TOP_US + 1, sizeof *chunk_us);
    conns = calloc((size_t)set.clients, sizeof *conns);
    poller = epoll_create1(EPOLL_CLOEXEC);
    began = now_ns();
    deadline = began + (uint64_t)(set.seconds * 1e9);
    for (int i = 0; i < set.clients; i++) {
        double place = i * 0.6180339887498949;
        conns[i].planned = began + (set.stream ? (uint64_t)(set.seconds * 1e9 * (place - (long)place)) : 0);
        dial(&conns[i]);
    }
    run();
    report((double)(now_ns() - began) * 1e-9);
    return 0;
}
