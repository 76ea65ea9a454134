// An upstream that is not the bottleneck: chat completions as JSON and as server-sent events, on epoll.
//
//   upstream --port P [--port P]... [--chunks 200] [--interval-us 0] [--delay-us 0] [--expect TEXT]
//
// A stream is a role-only event, CHUNKS events with content, one with the finish reason, usage when asked for, [DONE].
// Every event is a write of its own; the first content follows the role at once, as engines send it, the others INTERVAL
// apart. DELAY comes before the first byte of any answer.
// GET /stats tells what was received, and how many bodies held TEXT: that is how a bench knows that a proxy did its work.
#include "common.h"

enum { VARIANTS = 16, EVENTS = 256, MAX_PORTS = 16, UNPACED_TURN = 64 };

enum phase { READING, DELAYED, STREAMING };

struct connection {
    int fd;
    bool listening, wants_write, queued, stream, usage;
    enum phase phase;
    int chunks_left;
    int64_t due;
    struct buffer in, out;
    struct connection *previous, *next;
};

// Both delays are constant, so the connections that wait for one are in order of arrival: a list is a timer queue.
struct queue {
    struct connection ends;
};

static struct queue delayed, streaming;
static int poller, chunks = 200;
static int64_t interval, delay;
static const char *expected = "";
static unsigned long long requests, streams, events_sent, bodies_expected;
static char unary[2048], event[VARIANTS][512];
static size_t unary_length, event_length[VARIANTS];

static const char STREAM_HEAD[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
                                  "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
#define CHUNK_HEAD "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench\","
#define USAGE "\"usage\":{\"prompt_tokens\":180,\"completion_tokens\":200,\"total_tokens\":380}"

static void unqueue(struct connection *c) {
    if (!c->queued) return;
    c->previous->next = c->next;
    c->next->previous = c->previous;
    c->queued = false;
}

static void enqueue(struct queue *q, struct connection *c, int64_t due) {
    unqueue(c);
    c->due = due;
    c->previous = q->ends.previous;
    c->next = &q->ends;
    q->ends.previous->next = c;
    q->ends.previous = c;
    c->queued = true;
}

static void destroy(struct connection *c) {
    unqueue(c);
    close(c->fd);
    free(c->in.data);
    free(c->out.data);
    free(c);
}

static void watch_writes(struct connection *c, bool on) {
    if (c->wants_write == on) return;
    c->wants_write = on;
    struct epoll_event e = {.events = EPOLLIN | (on ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
}

// Writes what is waiting. False when the peer is gone.
static bool flush(struct connection *c) {
    while (c->out.start < c->out.end) {
        ssize_t n = send(c->fd, c->out.data + c->out.start, c->out.end - c->out.start, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) return false;
        if (n < 0) {
            watch_writes(c, true);
            return true;
        }
        c->out.start += (size_t)n;
    }
    c->out.start = c->out.end = 0;
    watch_writes(c, false);
    return true;
}

static void append_event(struct connection *c, const char *json) {
    char framed[768];
    int n = snprintf(framed, sizeof framed, "%zx\r\ndata: %s\n\n\r\n", strlen(json) + 8, json);
    append(&c->out, framed, (size_t)n);
}

static void append_end(struct connection *c) {
    append_event(c, CHUNK_HEAD "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}");
    if (c->usage) append_event(c, CHUNK_HEAD "\"choices\":[]," USAGE "}");
    append_event(c, "[DONE]");
    append(&c->out, "0\r\n\r\n", 5);
}

// Begins the answer, its delay over.
static void begin(struct connection *c) {
    if (!c->stream) {
        append(&c->out, unary, unary_length);
        c->phase = READING;
        return;
    }
    append(&c->out, STREAM_HEAD, sizeof STREAM_HEAD - 1);
    append_event(c, CHUNK_HEAD "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}");
    c->phase = STREAMING;
    c->chunks_left = chunks;
}

static void stream_one(struct connection *c) {
    int variant = (int)(events_sent++ % VARIANTS);
    append(&c->out, event[variant], event_length[variant]);
    if (--c->chunks_left == 0) {
        append_end(c);
        c->phase = READING;
    }
}

static void answer_stats(struct connection *c) {
    char body[256], head[128];
    int length = snprintf(body, sizeof body, "{\"requests\":%llu,\"streams\":%llu,\"events\":%llu,\"expected\":%llu}", requests,
                          streams, events_sent, bodies_expected);
    int n = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n", length);
    append(&c->out, head, (size_t)n);
    append(&c->out, body, (size_t)length);
    requests = streams = events_sent = bodies_expected = 0;
}

// Takes one whole request from the input. False when there is none yet.
static bool take_request(struct connection *c) {
    char *start = c->in.data + c->in.start;
    size_t held = c->in.end - c->in.start, value_length, body_length = 0;
    char *blank = held ? memmem(start, held, "\r\n\r\n", 4) : NULL;
    if (!blank) return false;
    size_t head_length = (size_t)(blank - start) + 4;
    const char *value = header(start, head_length, "content-length", &value_length);
    if (value) body_length = strtoul(value, NULL, 10);
    if (held < head_length + body_length) return false;
    c->in.start += head_length + body_length;
    if (!memcmp(start, "GET /stats", 10)) {
        answer_stats(c);
        return true;
    }
    const char *body = start + head_length;
    c->stream = memmem(body, body_length, "\"stream\":true", 13) || memmem(body, body_length, "\"stream\": true", 14);
    c->usage = c->stream && memmem(body, body_length, "include_usage", 13);
    requests += *start == 'P'; // a POST: some proxies also ask how an engine is
    streams += c->stream;
    bodies_expected += *expected && memmem(start, head_length + body_length, expected, strlen(expected));
    c->phase = DELAYED;
    return true;
}

// Does all that can be done for a connection now. False when the peer is gone.
static bool advance(struct connection *c, int64_t now) {
    for (;;) {
        if (!flush(c)) return false;
        if (c->wants_write) {
            unqueue(c); // EPOLLOUT brings it back
            return true;
        }
        if (c->phase == READING && !take_request(c)) return true;
        if (c->phase == DELAYED) {
            if (delay && !c->queued) {
                enqueue(&delayed, c, now + delay);
                return flush(c);
            }
            if (delay && c->due > now) return true;
            unqueue(c);
            begin(c);
            continue; // the role is a write of its own, too
        }
        if (c->phase == STREAMING) {
            if (c->queued && c->due > now) return true;
            stream_one(c);
            if (c->phase == STREAMING)
                enqueue(&streaming, c, now + interval);
            else
                unqueue(c);
            if (c->phase == STREAMING) return flush(c);
        }
    }
}

static bool receive(struct connection *c) {
    reserve(&c->in, 16384);
    ssize_t n = recv(c->fd, c->in.data + c->in.end, 16384, 0);
    if (n > 0) c->in.end += (size_t)n;
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static void accept_all(struct connection *listener) {
    for (int fd; (fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        no_delay(fd);
        struct connection *c = must(calloc(1, sizeof *c));
        c->fd = fd;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
    }
}

static void listen_on(int port) {
    struct connection *c = must(calloc(1, sizeof *c));
    struct sockaddr_in address = loopback(port);
    int on = 1;
    c->listening = true;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(c->fd, (struct sockaddr *)&address, sizeof address) || listen(c->fd, 4096)) die("upstream: cannot listen");
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e);
}

static void prepare_answers(void) {
    static const char text[] = "Model routing sends each request to the engine that fits it best: short questions go to a small "
                               "model, long or difficult ones to a strong model, and nothing at all goes to an engine that is down. ";
    char body[1024];
    int length = snprintf(body, sizeof body,
                          "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"bench\",\"choices\":"
                          "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s%s\"},\"finish_reason\":\"stop\"}]," USAGE "}",
                          text, text);
    unary_length = (size_t)snprintf(unary, sizeof unary,
                                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s", length, body);
    for (int i = 0; i < VARIANTS; i++) {
        int n = snprintf(body, sizeof body, CHUNK_HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token%02d\"},\"finish_reason\":null}]}", i);
        event_length[i] = (size_t)snprintf(event[i], sizeof event[i], "%x\r\ndata: %s\n\n\r\n", (unsigned)n + 8, body);
    }
}

// Milliseconds until something is due; -1 when nothing is.
static int patience(int64_t now) {
    int64_t due = INT64_MAX;
    if (delayed.ends.next != &delayed.ends) due = delayed.ends.next->due;
    if (streaming.ends.next != &streaming.ends && streaming.ends.next->due < due) due = streaming.ends.next->due;
    if (due == INT64_MAX) return -1;
    return due <= now ? 0 : (int)((due - now + 999999) / 1000000);
}

static void run_due(struct queue *q, int64_t now) {
    // Unpaced streams are always due: sockets must be looked at in between.
    for (int turn = 0; q->ends.next != &q->ends && q->ends.next->due <= now && (interval || turn < UNPACED_TURN); turn++) {
        struct connection *c = q->ends.next;
        if (!advance(c, now)) destroy(c);
    }
}

int main(int argc, char **argv) {
    int ports[MAX_PORTS], port_count = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (!strcmp(argv[i], "--port") && port_count < MAX_PORTS) ports[port_count++] = atoi(value);
        else if (!strcmp(argv[i], "--chunks")) chunks = atoi(value);
        else if (!strcmp(argv[i], "--interval-us")) interval = atoll(value) * 1000;
        else if (!strcmp(argv[i], "--delay-us")) delay = atoll(value) * 1000;
        else if (!strcmp(argv[i], "--expect")) expected = value;
        else return fprintf(stderr, "upstream: unknown option %s\n", argv[i]), 2;
    }
    if (!port_count || chunks < 1) return fprintf(stderr, "upstream: --port is needed, --chunks is at least 1\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    delayed.ends.next = delayed.ends.previous = &delayed.ends;
    streaming.ends.next = streaming.ends.previous = &streaming.ends;
    poller = epoll_create1(0);
    prepare_answers();
    for (int i = 0; i < port_count; i++) listen_on(ports[i]);
    puts("ready");
    fflush(stdout);

    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(poller, events, EVENTS, patience(now_ns()));
        int64_t now = now_ns();
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (c->listening) {
                accept_all(c);
                continue;
            }
            bool alive = !(events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || receive(c);
            if (!alive || !advance(c, now)) destroy(c);
        }
        run_due(&delayed, now);
        run_due(&streaming, now);
    }
}
