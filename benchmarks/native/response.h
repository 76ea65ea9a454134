// An HTTP/1.1 response, read as its bytes come: framing, and the lines of server-sent events.
#ifndef BENCH_RESPONSE_H
#define BENCH_RESPONSE_H

#include "common.h"

enum { HEAD_LIMIT = 16384, LINE_PREFIX = 20, SAMPLE = 240 };

enum framing { LENGTH, CHUNKED, UNTIL_CLOSE };
enum chunk_part { SIZE, DATA, AFTER_DATA, TRAILER };
enum progress { MORE, OVER, BROKEN };

// `done` and `error_event` are of a stream: [DONE] was seen, an error event was seen. `sample` is the start of any other
// body, and of a stream the error event; `tail` is the end of the last read, framing included.
struct response {
    int status, retry_after;
    enum framing framing;
    enum chunk_part part;
    bool in_body, closing, stream, done, error_event;
    int64_t first_event;
    uint64_t left, events;
    size_t head_length, line_length, trailer_length, sample_length, tail_length;
    char head[HEAD_LIMIT], line[LINE_PREFIX], sample[SAMPLE], tail[SAMPLE];
};

// Events that bring no content come before the first one that counts as such.
static uint64_t skipped_events;

static inline void response_reset(struct response *r) { memset(r, 0, offsetof(struct response, head)); }

static inline bool line_begins(const struct response *r, const char *text) {
    size_t n = strlen(text);
    return r->line_length >= n && !memcmp(r->line, text, n);
}

static inline void end_line(struct response *r, int64_t now) {
    if (line_begins(r, "data:")) {
        if (!r->first_event && r->events == skipped_events) r->first_event = now;
        r->events++;
        r->done |= line_begins(r, "data: [DONE]");
        r->error_event |= line_begins(r, "data: {\"error\"");
    } else if (line_begins(r, "event: error")) {
        r->error_event = true;
    }
    r->line_length = 0;
}

static inline void keep(struct response *r, const char *data, size_t length) {
    size_t room = SAMPLE - r->sample_length, n = length < room ? length : room;
    memcpy(r->sample + r->sample_length, data, n);
    r->sample_length += n;
}

static inline void take_body(struct response *r, const char *data, size_t length, int64_t now) {
    if (!r->stream) {
        keep(r, data, length);
        return;
    }
    for (const char *end = data + length; data < end;) {
        const char *newline = memchr(data, '\n', (size_t)(end - data)), *stop = newline ? newline : end;
        size_t room = LINE_PREFIX - r->line_length, n = (size_t)(stop - data) < room ? (size_t)(stop - data) : room;
        memcpy(r->line + r->line_length, data, n);
        r->line_length += n;
        if (line_begins(r, "data: {\"error\"")) keep(r, data, (size_t)(stop - data));
        if (newline) end_line(r, now);
        data = stop + (newline != NULL);
    }
}

static inline int hexadecimal(char byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    byte |= 32;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static inline bool take_chunked(struct response *r, const char *data, size_t length, int64_t now) {
    for (const char *end = data + length; data < end;) {
        if (r->part == DATA) {
            size_t n = (size_t)(end - data) < r->left ? (size_t)(end - data) : r->left;
            take_body(r, data, n, now);
            data += n;
            r->left -= n;
            if (!r->left) r->part = AFTER_DATA;
            continue;
        }
        char byte = *data++;
        if (r->part == SIZE && byte != '\n') {
            int digit = hexadecimal(byte);
            if (digit >= 0) r->left = r->left * 16 + (uint64_t)digit;
        } else if (r->part == SIZE) {
            r->part = r->left ? DATA : TRAILER;
        } else if (r->part == AFTER_DATA && byte == '\n') {
            r->part = SIZE;
        } else if (r->part == TRAILER && byte == '\n') {
            if (!r->trailer_length) return true;
            r->trailer_length = 0;
        } else if (r->part == TRAILER && byte != '\r') {
            r->trailer_length++;
        }
    }
    return false;
}

static inline void read_head(struct response *r) {
    size_t n;
    const char *value;
    r->status = r->head_length > 12 ? atoi(r->head + 9) : 0;
    r->framing = UNTIL_CLOSE;
    if ((value = header(r->head, r->head_length, "content-length", &n))) {
        r->framing = LENGTH;
        r->left = strtoull(value, NULL, 10);
    }
    value = header(r->head, r->head_length, "transfer-encoding", &n);
    if (value && n >= 7 && !strncasecmp(value + n - 7, "chunked", 7)) {
        r->framing = CHUNKED;
        r->left = 0;
    }
    value = header(r->head, r->head_length, "content-type", &n);
    r->stream = value && n >= 17 && !strncasecmp(value, "text/event-stream", 17);
    value = header(r->head, r->head_length, "connection", &n);
    r->closing = (value && n == 5 && !strncasecmp(value, "close", 5)) || r->framing == UNTIL_CLOSE;
    r->retry_after = (value = header(r->head, r->head_length, "retry-after", &n)) ? atoi(value) : 0;
    r->in_body = true;
}

static inline enum progress response_take(struct response *r, const char *data, size_t length, int64_t now) {
    r->tail_length = length < SAMPLE / 2 ? length : SAMPLE / 2;
    memcpy(r->tail, data + length - r->tail_length, r->tail_length);
    if (!r->in_body) {
        size_t old = r->head_length, n = length < HEAD_LIMIT - old ? length : HEAD_LIMIT - old, from = old > 3 ? old - 3 : 0;
        memcpy(r->head + old, data, n);
        const char *blank = memmem(r->head + from, old + n - from, "\r\n\r\n", 4);
        r->head_length = old + n;
        if (!blank) return r->head_length == HEAD_LIMIT ? BROKEN : MORE;
        r->head_length = (size_t)(blank - r->head) + 4;
        data += r->head_length - old;
        length -= r->head_length - old;
        read_head(r);
        if (r->framing == LENGTH && !r->left) return OVER;
    }
    if (r->framing == CHUNKED) return take_chunked(r, data, length, now) ? OVER : MORE;
    size_t n = r->framing == LENGTH && length > r->left ? r->left : length;
    take_body(r, data, n, now);
    if (r->framing == UNTIL_CLOSE) return MORE;
    return (r->left -= n) ? MORE : OVER;
}

#endif
