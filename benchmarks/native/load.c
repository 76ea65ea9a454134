// A load generator for chat completions: HTTP/1.1 keep-alive on epoll; every answer is checked to its last byte.
//
//   load --port P --body FILE [--body FILE]... [--header "Name: value"]... [--path /v1/chat/completions]
//        [--connections 64] [--warmup 1] [--seconds 5] [--rate 0] [--ramp 0] [--grace 0] [--timeout 60] [--drop 0] [--obey 0]
//        [--cpu-of PID]... [--tally HEADER] [--skip-events 0]
//
// Without --rate it is a closed loop: every connection sends its next request when its last one is over. With --rate it
// is an open loop: arrivals are a Poisson process (the same for every run), a request that finds all connections busy
// waits for one, and latency counts from the moment at which the request was due: no coordinated omission. With --drop 1
// it does not wait but is never sent, as by clients whose pools are full: the result says how many.
// With --obey 1 (and --drop 1) a connection whose request was refused with 429 or 503 is not used for the seconds that Retry-After names.
// Requests due in the window [warmup, warmup + seconds) are counted; GRACE is how long they may last beyond it. CPU time
// is that of the given processes over the window. The first event of a stream is the one after SKIP-EVENTS. The result is
// one JSON object on stdout (result.h).
#include "common.h"
#include "response.h"
#include "result.h"
#include <math.h>
#include <sys/timerfd.h>

enum { EVENTS = 256, MAX_BODIES = 512, MAX_PIDS = 16, IDLE_WAIT_MS = 20, MAX_REST = 60 };

enum state { UNUSED, IDLE, CONNECTING, EXCHANGE };

// `kept`: the connection was used before, so the server may be closing it as we write.
struct connection {
    int fd;
    enum state state;
    bool counted, kept;
    int64_t due, rested;
    size_t sent;
    const struct buffer *request;
    struct connection *next_idle;
    struct response response;
};

static int poller, clock_fd, port, connection_count = 64, body_count, pid_count;
static const char *path = "/v1/chat/completions", *tally_header;
static double warmup = 1, rate, ramp, grace, timeout = 60, drop, obey;
static struct buffer requests[MAX_BODIES], headers;
static pid_t pids[MAX_PIDS];
static struct connection *connections, *idle;
// By the seconds for which they rest, those first who began first.
static struct { struct connection *first, **last; } resting[MAX_REST + 1];
static int64_t window_start, window_end, next_arrival;
static uint64_t sent_total, in_flight;
static struct result result = {.seconds = 5};

// Arrivals of the open loop that wait for a connection, oldest first.
static struct {
    int64_t *due;
    size_t start, end, capacity;
} backlog;

static void start_request(struct connection *c, int64_t due, int64_t now);

static bool in_window(int64_t time) { return time >= window_start && time < window_end; }

static bool busy(const struct connection *c) { return c->state == CONNECTING || c->state == EXCHANGE; }

static void watch(struct connection *c, uint32_t events, int operation) {
    struct epoll_event e = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, operation, c->fd, &e)) die("epoll_ctl");
}

static void disconnect(struct connection *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
}

static void become_idle(struct connection *c) {
    c->state = IDLE;
    c->next_idle = idle;
    idle = c;
}

static void become_resting(struct connection *c, int64_t now) {
    int seconds = c->response.retry_after < MAX_REST ? c->response.retry_after : MAX_REST;
    c->state = IDLE;
    c->rested = now + seconds * SECOND;
    c->next_idle = NULL;
    if (!resting[seconds].first) resting[seconds].last = &resting[seconds].first;
    *resting[seconds].last = c;
    resting[seconds].last = &c->next_idle;
}

static void end_rests(int64_t now) {
    for (int i = 0; i <= MAX_REST; i++) {
        while (resting[i].first && resting[i].first->rested <= now) {
            struct connection *c = resting[i].first;
            resting[i].first = c->next_idle;
            become_idle(c);
        }
    }
}

// A request is over; the connection takes the next one.
static void take_next(struct connection *c, int64_t now) {
    in_flight--;
    bool refused = c->response.status == 429 || c->response.status == 503;
    if (obey > 0 && refused && c->response.retry_after > 0) become_resting(c, now);
    else if (backlog.start < backlog.end) start_request(c, backlog.due[backlog.start++ % backlog.capacity], now);
    else if (rate > 0 || now >= window_end) become_idle(c);
    else start_request(c, now, now);
}

static void fail(struct connection *c, enum failure why, int64_t now) {
    disconnect(c);
    if (c->counted) {
        result.failures[why]++;
        count_failure(&result, FAILURE_NAMES[why], &c->response);
    }
    take_next(c, now);
}

static void finish(struct connection *c, int64_t now) {
    struct response *r = &c->response;
    if (r->closing) disconnect(c);
    if (tally_header && c->counted) {
        size_t n = 1;
        const char *value = header(r->head, r->head_length, tally_header, &n);
        count_tally(&result, value ? value : "-", n);
    }
    bool accepted = r->status >= 200 && r->status < 300, whole = !r->stream || (r->done && !r->error_event);
    if (accepted && whole) {
        result.window_ok += in_window(now);
        result.ok += c->counted;
        if (c->counted) histogram_add(&result.latency, now - c->due);
        if (c->counted && r->first_event) histogram_add(&result.first_event, r->first_event - c->due);
    } else if (c->counted) {
        enum failure why = r->error_event ? ERROR_EVENT : TRUNCATED;
        if (accepted) result.failures[why]++;
        else result.statuses[r->status > 0 && r->status < STATUSES ? r->status : 0]++, histogram_add(&result.refused, now - c->due);
        count_failure(&result, accepted ? FAILURE_NAMES[why] : "status", r);
    }
    take_next(c, now);
}

static void open_connection(struct connection *c) {
    struct sockaddr_in address = loopback(port);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) die("socket");
    no_delay(c->fd);
    c->state = CONNECTING;
    c->kept = false;
    result.opened++;
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) die("connect");
    watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
}

// A kept connection that the server closed as we wrote says nothing about the server: once more on a new one.
static void lost(struct connection *c, int64_t now) {
    if (c->response.head_length) {
        fail(c, TRUNCATED, now);
    } else if (!c->kept) {
        fail(c, RESET, now);
    } else {
        disconnect(c);
        result.reconnected++;
        c->sent = 0;
        open_connection(c);
    }
}

static bool send_request(struct connection *c) {
    while (c->sent < c->request->end) {
        ssize_t n = send(c->fd, c->request->data + c->sent, c->request->end - c->sent, MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN;
        c->sent += (size_t)n;
    }
    return true;
}

static void start_request(struct connection *c, int64_t due, int64_t now) {
    c->request = &requests[sent_total++ % (uint64_t)body_count];
    c->due = due;
    c->counted = in_window(due);
    c->sent = 0;
    response_reset(&c->response);
    result.counted += c->counted;
    in_flight++;
    if (c->fd < 0) {
        open_connection(c);
        return;
    }
    c->state = EXCHANGE;
    c->kept = true;
    if (!send_request(c)) lost(c, now);
    else if (c->sent < c->request->end) watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}

static void receive(struct connection *c, int64_t now) {
    static char data[262144];
    ssize_t n = recv(c->fd, data, sizeof data, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (c->state == IDLE) {
        disconnect(c); // closed while idle: the next request opens a new one
    } else if (n <= 0 && c->response.in_body && c->response.framing == UNTIL_CLOSE && n == 0) {
        finish(c, now);
    } else if (n <= 0) {
        lost(c, now);
    } else {
        uint64_t events = c->response.events;
        enum progress progress = response_take(&c->response, data, (size_t)n, now);
        if (in_window(now)) result.window_events += c->response.events - events;
        if (progress == OVER) finish(c, now);
        if (progress == BROKEN) fail(c, TRUNCATED, now);
    }
}

static void ready(struct connection *c, uint32_t events, int64_t now) {
    if (c->state == CONNECTING && events & (EPOLLERR | EPOLLHUP)) {
        fail(c, CONNECT, now);
        return;
    }
    if (events & EPOLLOUT && busy(c)) {
        c->state = EXCHANGE;
        if (!send_request(c)) {
            lost(c, now);
            return;
        }
        if (c->sent == c->request->end) watch(c, EPOLLIN, EPOLL_CTL_MOD);
    }
    if (c->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c, now);
}

static void remember_arrival(int64_t due) {
    if (backlog.end - backlog.start == backlog.capacity) {
        size_t held = backlog.end - backlog.start, capacity = backlog.capacity ? backlog.capacity * 2 : 1024;
        int64_t *bigger = must(malloc(capacity * sizeof *bigger));
        for (size_t i = 0; i < held; i++) bigger[i] = backlog.due[(backlog.start + i) % backlog.capacity];
        free(backlog.due);
        backlog.due = bigger;
        backlog.capacity = capacity;
        backlog.start = 0;
        backlog.end = held;
    }
    backlog.due[backlog.end++ % backlog.capacity] = due;
    result.waited++;
}

// Starts what is due of a Poisson process with one seed, and sets the clock for the next.
static void arrive(int64_t now) {
    for (; next_arrival <= now && next_arrival < window_end; next_arrival += (int64_t)(-log1p(-drand48()) / rate * (double)SECOND)) {
        struct connection *c = idle;
        if (!c) {
            if (drop > 0) result.unsent += in_window(next_arrival);
            else remember_arrival(next_arrival);
            continue;
        }
        idle = c->next_idle;
        start_request(c, next_arrival, now);
    }
    struct itimerspec alarm = {.it_value = {.tv_sec = next_arrival / SECOND, .tv_nsec = next_arrival % SECOND}};
    if (next_arrival < window_end) timerfd_settime(clock_fd, TFD_TIMER_ABSTIME, &alarm, NULL);
}

static void expire(int64_t now) {
    int64_t limit = (int64_t)(timeout * (double)SECOND);
    for (struct connection *c = connections; c < connections + connection_count; c++)
        if (busy(c) && now - c->due > limit) fail(c, TIMEOUT, now);
}

static double cpu_seconds(void) {
    double sum = 0;
    for (int i = 0; i < pid_count; i++) {
        clockid_t id;
        struct timespec t;
        if (!clock_getcpuclockid(pids[i], &id) && !clock_gettime(id, &t)) sum += (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    }
    return sum;
}

static double own_cpu_seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

static void add_body(const char *file) {
    static char body[1 << 20], start[1024];
    FILE *f = fopen(file, "rb");
    if (!f) die(file);
    size_t n = fread(body, 1, sizeof body, f);
    fclose(f);
    int length = snprintf(start, sizeof start, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %zu\r\n", path, port, n);
    struct buffer *r = &requests[body_count++];
    append(r, start, (size_t)length);
    if (headers.end) append(r, headers.data, headers.end);
    append(r, "\r\n", 2);
    append(r, body, n);
}

static bool read_options(int argc, char **argv) {
    const char *bodies[MAX_BODIES];
    int count = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!strcmp(name, "--port")) port = atoi(value);
        else if (!strcmp(name, "--body") && count < MAX_BODIES) bodies[count++] = value;
        else if (!strcmp(name, "--header")) append(&headers, value, strlen(value)), append(&headers, "\r\n", 2);
        else if (!strcmp(name, "--path")) path = value;
        else if (!strcmp(name, "--connections")) connection_count = atoi(value);
        else if (!strcmp(name, "--warmup")) warmup = atof(value);
        else if (!strcmp(name, "--seconds")) result.seconds = atof(value);
        else if (!strcmp(name, "--rate")) rate = atof(value);
        else if (!strcmp(name, "--ramp")) ramp = atof(value);
        else if (!strcmp(name, "--grace")) grace = atof(value);
        else if (!strcmp(name, "--timeout")) timeout = atof(value);
        else if (!strcmp(name, "--obey")) obey = atof(value);
        else if (!strcmp(name, "--drop")) drop = atof(value);
        else if (!strcmp(name, "--skip-events")) skipped_events = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--tally")) tally_header = value;
        else if (!strcmp(name, "--cpu-of") && pid_count < MAX_PIDS) pids[pid_count++] = (pid_t)atoi(value);
        else return fprintf(stderr, "load: unknown option %s\n", name), false;
    }
    if (!port || !count || connection_count < 1) return fprintf(stderr, "load: --port and --body are needed\n"), false;
    for (int i = 0; i < count; i++) add_body(bodies[i]);
    return true;
}

static int64_t nanoseconds(double s) { return (int64_t)(s * (double)SECOND); }

int main(int argc, char **argv) {
    if (!read_options(argc, argv)) return 2;
    signal(SIGPIPE, SIG_IGN);
    srand48(20240229);
    poller = epoll_create1(0);
    clock_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event clock_event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(poller, EPOLL_CTL_ADD, clock_fd, &clock_event);
    connections = must(calloc((size_t)connection_count, sizeof *connections));
    for (int i = 0; i < connection_count; i++) connections[i].fd = -1;
    for (int i = 0; rate > 0 && i < connection_count; i++) become_idle(&connections[i]);

    int64_t start = now_ns(), next_expiry = start + SECOND / 4;
    window_start = start + nanoseconds(warmup);
    window_end = window_start + nanoseconds(result.seconds);
    next_arrival = start;
    int started = rate > 0 ? connection_count : 0;
    bool began = false, ended = false;
    for (int64_t now = start;; now = now_ns()) {
        if (!began && now >= window_start) {
            began = true;
            result.cpu_seconds -= cpu_seconds();
            result.load_cpu_seconds -= own_cpu_seconds();
        }
        if (!ended && now >= window_end) {
            ended = true;
            result.cpu_seconds += cpu_seconds();
            result.load_cpu_seconds += own_cpu_seconds();
        }
        bool waiting = in_flight || backlog.start < backlog.end;
        if (ended && (!waiting || now >= window_end + nanoseconds(grace))) break;
        if (now >= next_expiry) {
            expire(now);
            next_expiry = now + SECOND / 4;
        }
        // A closed loop starts its connections one after the other over the ramp.
        for (; started < connection_count && !ended && now - start >= nanoseconds(ramp * started / connection_count); started++)
            start_request(&connections[started], now, now);
        end_rests(now);
        if (rate > 0) arrive(now);
        int n = epoll_wait(poller, events, EVENTS, started < connection_count ? 1 : IDLE_WAIT_MS);
        now = now_ns();
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            uint64_t expirations;
            if (c) ready(c, events[i].events, now);
            else if (read(clock_fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN) die("timer");
        }
    }
    for (int i = 0; i < connection_count; i++) result.unfinished += busy(&connections[i]) && connections[i].counted;
    result.unfinished += backlog.end - backlog.start;
    result.counted += backlog.end - backlog.start;
    print_result(&result);
}
