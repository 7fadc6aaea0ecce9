// What a query may see, and how far away it stands: the mask and the bias of one row, tile by tile.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "tiles.h"

namespace rows {

using tiles::Floats;
using tiles::Ints;
using tiles::WIDTH;

struct Mask {
    int64_t context, window, full_tail;
};

// The relative bias: weights by distance in position and in time, and the first second of every time bucket.
struct Bias {
    const float* position;  // null: no bias at all
    const float* time;
    int64_t half;  // index of distance 0, N - 1
    const int64_t* query_times;
    const int64_t* key_times;
    const float* edges;     // [256] by the upper bits of the difference: where the next bucket begins within them
    const int32_t* buckets; // [256] the bucket below that edge
};

// One row: `keys` tokens, of which the last `queries` ask; a token's place counts from the row's first key.
struct Row {
    int64_t first_key, first_query;
    int keys, queries, history;  // history: keys before the candidates
    Mask mask;

    int place(int query) const { return keys - queries + query; }
    int end() const { return history - (mask.context ? int(mask.context) - 1 : 0); }
    int relative(int place) const {
        const int shift = mask.context ? std::max(place - int(mask.context) + 1, 0) : place;
        return std::min(shift, end());
    }
    bool is_context(int place) const { return place < mask.context; }

    // A token sees the keys low..high - 1, and itself.
    int low(int place) const {
        if (is_context(place) || !mask.window) return 0;
        const int r = relative(place);
        if (mask.full_tail && r >= end() - mask.full_tail) return 0;
        const int64_t nearest = r - mask.window;
        return nearest <= 0 ? 0 : int(nearest + (mask.context ? mask.context - 1 : 0));
    }
    int high(int place) const { return is_context(place) || place >= history ? history : place + 1; }
};

// Times of a row as whole seconds since its earliest and the milliseconds above them, so that differences are exact.
struct Clock {
    int32_t* seconds;
    int32_t* rest;

    void set(int count, const int64_t* times, int64_t start) {
        for (int i = 0; i < count; ++i) {
            const int64_t since = times[i] - start;
            seconds[i] = int32_t(since / 1000);
            rest[i] = int32_t(since % 1000);
        }
    }
};

// Returns the earliest time of a row, or false where the row spans more seconds than 31 bits hold.
inline bool span(const Row& row, const Bias& bias, int64_t& start) {
    int64_t first = std::numeric_limits<int64_t>::max(), last = std::numeric_limits<int64_t>::min();
    for (int i = 0; i < row.keys; ++i) {
        first = std::min(first, bias.key_times[row.first_key + i]);
        last = std::max(last, bias.key_times[row.first_key + i]);
    }
    for (int i = 0; i < row.queries; ++i) {
        first = std::min(first, bias.query_times[row.first_query + i]);
        last = std::max(last, bias.query_times[row.first_query + i]);
    }
    start = first;
    int64_t wide;
    return row.queries == 0 || (!__builtin_sub_overflow(last, first, &wide) && wide / 1000 < (int64_t(1) << 31) - 1);
}

// The time buckets of WIDTH keys as one query sees them: |milliseconds| / 1000 in whole seconds, looked up.
inline Ints time_buckets(int32_t second, int32_t rest, const int32_t* seconds, const int32_t* rests, const Bias& bias) {
    const Ints key_second = *reinterpret_cast<const Ints*>(seconds), key_rest = *reinterpret_cast<const Ints*>(rests);
    const Ints ahead = second - key_second, above = rest - key_rest;
    // Comparisons give -1 where true: a borrow where the milliseconds of the later moment are the smaller ones.
    const Ints forward = ahead + (above < 0), backward = -ahead + (above > 0);
    const Ints past = (ahead > 0) | ((ahead == 0) & (above >= 0));
    const Ints whole = (forward & past) | (backward & ~past);
    const Floats x = __builtin_convertvector(whole, Floats);
    const Ints upper = ((Ints)x >> 20) - (127 << 3);  // exponent and three bits of the mantissa
    const Ints index = upper & ~(upper < 0);          // 0 seconds has no exponent: it counts as 1
    Floats edge;
    Ints bucket;
    for (int lane = 0; lane < WIDTH; ++lane) {
        edge[lane] = bias.edges[index[lane]];
        bucket[lane] = bias.buckets[index[lane]];
    }
    return bucket - (x >= edge);
}

}  // namespace rows
