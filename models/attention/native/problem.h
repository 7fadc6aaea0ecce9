// What is computed: the arguments as Python passes them, and the tiles that the work is cut into.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "rows.h"
#include "tiles.h"

using rows::Bias;
using rows::Clock;
using rows::Mask;
using rows::Row;
using namespace tiles;

constexpr int TILE = 64;  // queries and keys of a tile

// A (tokens, heads, size) tensor with its innermost dimension dense.
struct Jagged {
    void* data;
    int64_t token_step, head_step;
};

extern "C" {

struct Attention {
    Jagged q, k, v;
    const int64_t* offsets;
    const int64_t* query_offsets;
    const int64_t* targets;  // null: no candidates
    int64_t batch;
    int32_t heads, size, value_size;
    int32_t half_precision;  // 1: the tensors are bf16, 0: fp32
    float scale, weight;     // factor of the products; 1 / N
    Mask mask;
    Bias bias;
    int32_t threads;
};

struct Gradients {
    Jagged out, q, k, v;
    float* position;  // [2N - 1], null: no bias
    float* time;      // [129]
};
}

// Memory of one thread, given out piece by piece.
class Scratch {
  public:
    explicit Scratch(size_t floats)
        : size_((floats + 15) / 16 * 16), memory_(static_cast<float*>(std::aligned_alloc(64, size_ * 4))) {
        if (!memory_) throw std::bad_alloc();
    }
    float* take(size_t floats) {
        float* piece = memory_.get() + used_;
        used_ += (floats + 15) / 16 * 16;
        if (used_ > size_) std::abort();  // asked for more than was announced: better no result than a wrong one
        return piece;
    }

  private:
    struct Free {
        void operator()(float* memory) const { std::free(memory); }
    };
    size_t size_;
    std::unique_ptr<float[], Free> memory_;
    size_t used_ = 0;
};

inline Row row_of(const Attention& a, int64_t b) {
    Row row;
    row.first_key = a.offsets[b];
    row.first_query = a.query_offsets[b];
    row.keys = int(a.offsets[b + 1] - a.offsets[b]);
    row.queries = int(a.query_offsets[b + 1] - a.query_offsets[b]);
    row.history = row.keys - (a.targets ? int(a.targets[b]) : 0);
    row.mask = a.mask;
    return row;
}

// One part of the work: some queries of a row forward, some heads of a row backward.
struct Unit {
    int64_t row;
    int first, count;
    int64_t cost;
};

// The part of a row's score matrix between some of its queries and some of its keys; places count within the row.
struct Tile {
    int query, queries;  // first query (counted among the queries) and how many
    int key, keys;
};

inline bool is_visible(const Row& row, const Tile& tile) {
    const int first = row.place(tile.query), last = row.place(tile.query + tile.queries - 1);
    if (tile.key <= last && first < tile.key + tile.keys) return true;  // the diagonal
    int low = row.keys, high = 0;
    for (int place = first; place <= last; ++place) {
        low = std::min(low, row.low(place));
        high = std::max(high, row.high(place));
    }
    return tile.key < high && low < tile.key + tile.keys;
}

// Whether every query of the tile sees every key.
inline bool is_open(const Row& row, const Tile& tile) {
    for (int i = 0; i < tile.queries; ++i) {
        const int place = row.place(tile.query + i);
        if (tile.key < row.low(place) || tile.key + tile.keys > row.high(place)) return false;
    }
    return true;
}

// Calls `each(row of the tile, first column, visible)` for WIDTH columns at a time; `visible` is -1 where a query may look.
template <typename Each>
inline void for_cells(const Row& row, const Tile& tile, Each each) {
    if (tile.keys % WIDTH == 0 && is_open(row, tile)) {
        for (int i = 0; i < tile.queries; ++i)
            for (int j = 0; j < tile.keys; j += WIDTH) each(i, j, spread(int32_t(-1)));
        return;
    }
    Ints columns;
    for (int lane = 0; lane < WIDTH; ++lane) columns[lane] = tile.key + lane;
    for (int i = 0; i < tile.queries; ++i) {
        const int place = row.place(tile.query + i), low = row.low(place), high = row.high(place);
        for (int j = 0; j < tile.keys; j += WIDTH) {
            const Ints key = columns + j;
            each(i, j, ((key >= low) & (key < high)) | (key == place));
        }
    }
}

inline Floats where(Ints visible, Floats values) { return (Floats)((Ints)values & visible); }
