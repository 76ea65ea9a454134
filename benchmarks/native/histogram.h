// A histogram of durations as HdrHistogram has it: buckets of at most 1/128 of the value, from 1 ns to 4 minutes.
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

enum { HISTOGRAM_BITS = 7, HISTOGRAM_BUCKETS = 32 << HISTOGRAM_BITS };

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS], total;
    int64_t max;
    double sum;
};

static inline int histogram_bucket(int64_t value) {
    if (value < 1 << HISTOGRAM_BITS) return value < 0 ? 0 : (int)value;
    int shift = 63 - __builtin_clzll((unsigned long long)value) - HISTOGRAM_BITS;
    int bucket = ((shift + 1) << HISTOGRAM_BITS) + (int)(value >> shift) - (1 << HISTOGRAM_BITS);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static inline int64_t histogram_value(int bucket) {
    if (bucket < 1 << HISTOGRAM_BITS) return bucket;
    int shift = (bucket >> HISTOGRAM_BITS) - 1;
    int64_t low = ((int64_t)(bucket & ((1 << HISTOGRAM_BITS) - 1)) + (1 << HISTOGRAM_BITS)) << shift;
    return low + (1LL << shift) / 2;
}

static inline void histogram_add(struct histogram *h, int64_t value) {
    h->counts[histogram_bucket(value)]++;
    h->total++;
    h->sum += (double)value;
    if (value > h->max) h->max = value;
}

static inline int64_t histogram_quantile(const struct histogram *h, double q) {
    uint64_t wanted = (uint64_t)(q * (double)h->total), seen = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        if ((seen += h->counts[i]) > wanted) return histogram_value(i);
    return h->max;
}

// In microseconds, as a JSON object.
static inline void histogram_print(const char *name, const struct histogram *h) {
    static const struct { const char *name; double q; } quantiles[] = {
        {"p50", .5}, {"p90", .9}, {"p99", .99}, {"p999", .999}};
    printf("\"%s\":{\"count\":%llu", name, (unsigned long long)h->total);
    for (int i = 0; i < 4; i++) printf(",\"%s\":%.1f", quantiles[i].name, (double)histogram_quantile(h, quantiles[i].q) / 1e3);
    printf(",\"max\":%.1f,\"mean\":%.1f}", (double)h->max / 1e3, h->total ? h->sum / 1e3 / (double)h->total : 0.0);
}

#endif
