// What the upstream and the load generator share: time, sockets, searching in HTTP heads.
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

static inline void *must(void *memory) {
    if (!memory) die("out of memory");
    return memory;
}

static inline void no_delay(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static inline struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

// The value of a header in a head that ends with an empty line, without its trailing spaces; NULL when absent.
static inline const char *header(const char *head, size_t length, const char *name, size_t *value_length) {
    size_t name_length = strlen(name);
    const char *end = head + length;
    for (const char *line = memchr(head, '\n', length); line && ++line < end; line = memchr(line, '\n', end - line)) {
        if ((size_t)(end - line) <= name_length || line[name_length] != ':' || strncasecmp(line, name, name_length)) continue;
        const char *value = line + name_length + 1, *stop = memchr(value, '\r', end - value);
        if (!stop) return NULL;
        while (value < stop && *value == ' ') value++;
        while (stop > value && stop[-1] == ' ') stop--;
        *value_length = (size_t)(stop - value);
        return value;
    }
    return NULL;
}

// A growing buffer of bytes: data[start, end) is what it holds.
struct buffer {
    char *data;
    size_t start, end, capacity;
};

static inline void reserve(struct buffer *b, size_t more) {
    if (b->end + more <= b->capacity) return;
    if (b->start) memmove(b->data, b->data + b->start, b->end - b->start);
    b->end -= b->start;
    b->start = 0;
    if (b->end + more <= b->capacity) return;
    b->capacity = (b->end + more) * 2;
    b->data = must(realloc(b->data, b->capacity));
}

static inline void append(struct buffer *b, const char *data, size_t length) {
    reserve(b, length);
    memcpy(b->data + b->end, data, length);
    b->end += length;
}

#endif
