// What a run of the load generator counts, and its form as JSON.
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include "histogram.h"
#include "response.h"

enum { STATUSES = 600, TALLIES = 32, SAMPLES = 6 };
enum failure { CONNECT, RESET, TRUNCATED, ERROR_EVENT, TIMEOUT, FAILURES };

static const char *const FAILURE_NAMES[FAILURES] = {"connect", "reset", "truncated", "error_event", "timeout"};

struct tally {
    char value[64];
    uint64_t count;
};

// `window_ok` and `window_events` are by the time at which they came; everything else by the time at which the request
// was due. `waited` arrivals found no free connection, `unsent` ones neither, and were dropped. `refused` is the time to
// an answer whose status is no success.
struct result {
    uint64_t counted, ok, unfinished, window_ok, window_events, opened, reconnected, waited, unsent;
    uint64_t failures[FAILURES], statuses[STATUSES];
    struct tally tallies[TALLIES];
    struct histogram latency, first_event, refused;
    char samples[SAMPLES][SAMPLE + 120];
    int sample_count;
    double seconds, cpu_seconds, load_cpu_seconds;
};

static inline void count_failure(struct result *s, const char *kind, const struct response *r) {
    if (s->sample_count == SAMPLES) return;
    size_t id_length = 0;
    const char *id = header(r->head, r->head_length, "x-request-id", &id_length);
    bool cut = r->stream && !r->error_event; // no error to show: the last bytes tell how far it came
    snprintf(s->samples[s->sample_count++], sizeof s->samples[0], "%s %d %.*s %llu events: %.*s", kind, r->status, (int)id_length,
             id ? id : "", (unsigned long long)r->events, (int)(cut ? r->tail_length : r->sample_length), cut ? r->tail : r->sample);
}

static inline void count_tally(struct result *s, const char *value, size_t length) {
    for (struct tally *t = s->tallies; t < s->tallies + TALLIES; t++) {
        if (!t->count) snprintf(t->value, sizeof t->value, "%.*s", (int)length, value);
        if (strlen(t->value) != length || memcmp(t->value, value, length)) continue;
        t->count++;
        return;
    }
}

static inline void print_string(const char *text) {
    putchar('"');
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\') printf("\\%c", byte);
        else if (byte < 32 || byte > 126) printf("\\u%04x", byte);
        else putchar(byte);
    }
    putchar('"');
}

static inline void print_count(const char *name, uint64_t count) { printf("\"%s\":%llu,", name, (unsigned long long)count); }

static inline void print_result(const struct result *s) {
    printf("{\"seconds\":%.3f,\"per_second\":%.1f,\"events_per_second\":%.1f,\"cpu_seconds\":%.4f,\"load_cpu_seconds\":%.4f,",
           s->seconds, (double)s->window_ok / s->seconds, (double)s->window_events / s->seconds, s->cpu_seconds, s->load_cpu_seconds);
    print_count("counted", s->counted);
    print_count("ok", s->ok);
    print_count("unfinished", s->unfinished);
    print_count("opened", s->opened);
    print_count("reconnected", s->reconnected);
    print_count("waited", s->waited);
    print_count("unsent", s->unsent);
    printf("\"failed\":{");
    const char *comma = "";
    for (int i = 0; i < STATUSES; i++)
        if (s->statuses[i]) printf("%s\"%d\":%llu", comma, i, (unsigned long long)s->statuses[i]), comma = ",";
    for (int i = 0; i < FAILURES; i++)
        if (s->failures[i]) printf("%s\"%s\":%llu", comma, FAILURE_NAMES[i], (unsigned long long)s->failures[i]), comma = ",";
    printf("},\"tally\":{");
    for (int i = 0; i < TALLIES && s->tallies[i].count; i++) {
        if (i) putchar(',');
        print_string(s->tallies[i].value);
        printf(":%llu", (unsigned long long)s->tallies[i].count);
    }
    printf("},\"samples\":[");
    for (int i = 0; i < s->sample_count; i++) {
        if (i) putchar(',');
        print_string(s->samples[i]);
    }
    printf("],");
    histogram_print("latency_us", &s->latency);
    putchar(',');
    histogram_print("first_event_us", &s->first_event);
    putchar(',');
    histogram_print("refused_us", &s->refused);
    puts("}");
}

#endif
