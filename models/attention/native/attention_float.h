// Forward and backward of some queries or heads of one row, with products in fp32.
#pragma once

#include "problem.h"
#include "tile_bias.h"

struct bfloat16 {
    uint16_t bits;
};

inline float widen(float value) { return value; }
inline float widen(bfloat16 value) {
    const uint32_t bits = uint32_t(value.bits) << 16;
    float wide;
    std::memcpy(&wide, &bits, 4);
    return wide;
}
inline void narrow(float value, float& to) { to = value; }
inline void narrow(float value, bfloat16& to) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    // Round to nearest even; NaN keeps its sign and stays NaN.
    to.bits = value != value ? uint16_t(bits >> 16 | 64) : uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// `count` tokens of one head as rows of `step` floats, the rest of each row zero.
template <typename T>
void copy(const Jagged& from, int64_t token, int head, int count, int size, float factor, float* to, int step) {
    for (int i = 0; i < count; ++i) {
        const T* source = static_cast<const T*>(from.data) + (token + i) * from.token_step + head * from.head_step;
        for (int c = 0; c < size; ++c) to[i * step + c] = widen(source[c]) * factor;
        for (int c = size; c < step; ++c) to[i * step + c] = 0;
    }
}

// Transposed: `size` rows of TILE floats, zero beyond `count` tokens up to a whole vector. `rows` is room for the copy.
template <typename T>
void copy_transposed(const Jagged& from, int64_t token, int head, int count, int size, float* rows, float* to) {
    const int step = rounded_up(size), columns = rounded_up(count);
    copy<T>(from, token, head, count, size, 1, rows, step);
    std::memset(rows + count * step, 0, 4 * size_t(columns - count) * step);
    transpose(rows, step, columns, step, to, TILE);
}

template <typename T>
void write(const float* from, int step, float factor, const Jagged& to, int64_t token, int head, int count, int size) {
    for (int i = 0; i < count; ++i) {
        T* target = static_cast<T*>(to.data) + (token + i) * to.token_step + head * to.head_step;
        for (int c = 0; c < size; ++c) narrow(from[i * step + c] * factor, target[c]);
    }
}

template <typename T>
class Forward {
  public:
    Forward(const Attention& a, const Jagged& out, int longest)
        : a_(a),
          out_(out),
          size_(rounded_up(a.size)),
          value_size_(rounded_up(a.value_size)),
          scratch_(TILE * TILE + TILE * (int64_t(a.heads) * (size_ + value_size_) + 2 * size_ + 2 * value_size_) +
                   TileBias::size(longest) + 256),
          queries_(scratch_.take(TILE * a.heads * size_)),
          sums_(scratch_.take(TILE * a.heads * value_size_)),
          rows_(scratch_.take(TILE * std::max(size_, value_size_))),
          keys_(scratch_.take(TILE * size_)),
          values_(scratch_.take(TILE * value_size_)),
          scores_(scratch_.take(TILE * TILE)),
          bias_(scratch_, longest) {}

    void run(const Unit& unit, int64_t start) {
        const Row row = row_of(a_, unit.row);
        if (a_.bias.position) bias_.begin(row, a_.bias, start);
        for (int head = 0; head < a_.heads; ++head)
            copy<T>(a_.q, row.first_query + unit.first, head, unit.count, a_.size, a_.scale,
                    queries_ + head * TILE * size_, size_);
        std::memset(sums_, 0, 4 * TILE * a_.heads * value_size_);
        Tile tile{unit.first, unit.count, 0, 0};
        for (tile.key = 0; tile.key < row.keys; tile.key += TILE) {
            tile.keys = std::min(TILE, row.keys - tile.key);
            if (is_visible(row, tile)) add(row, tile);
        }
        for (int head = 0; head < a_.heads; ++head)
            write<T>(sums_ + head * TILE * value_size_, value_size_, 1, out_, row.first_query + unit.first, head,
                     unit.count, a_.value_size);
    }

  private:
    void add(const Row& row, const Tile& tile) {
        const bool biased = a_.bias.position;
        if (biased) bias_.fill(row, a_.bias, tile);
        for (int head = 0; head < a_.heads; ++head) {
            copy_transposed<T>(a_.k, row.first_key + tile.key, head, tile.keys, a_.size, rows_, keys_);
            copy<T>(a_.v, row.first_key + tile.key, head, tile.keys, a_.value_size, 1, values_, value_size_);
            product<false>(tile.queries, rounded_up(tile.keys), a_.size, queries_ + head * TILE * size_, size_, 1,
                           keys_, TILE, scores_, TILE);
            for_cells(row, tile, [&](int i, int j, Ints visible) {
                Floats s = load(scores_ + i * TILE + j);
                if (biased) s += load(bias_.weights + i * TILE + j);
                store(scores_ + i * TILE + j, where(visible, s * sigmoid(s) * a_.weight));
            });
            product<true>(tile.queries, value_size_, tile.keys, scores_, TILE, 1, values_, value_size_,
                          sums_ + head * TILE * value_size_, value_size_);
        }
    }

    const Attention& a_;
    const Jagged& out_;
    int size_, value_size_;
    Scratch scratch_;
    float *queries_, *sums_, *rows_, *keys_, *values_, *scores_;
    TileBias bias_;
};

template <typename T>
class Backward {
  public:
    Backward(const Attention& a, const Gradients& g, int longest)
        : a_(a),
          g_(g),
          size_(rounded_up(a.size)),
          value_size_(rounded_up(a.value_size)),
          scratch_(int64_t(a.heads) * longest * size_ + 4 * TILE * TILE +
                   TILE * (4 * size_ + 4 * value_size_) * int64_t(a.heads + 1) +
                   TileBias::size(longest) + 512),
          query_gradient_(scratch_.take(int64_t(a.heads) * longest * size_)),
          keys_(scratch_.take(a.heads * TILE * size_)),
          keys_transposed_(scratch_.take(a.heads * TILE * size_)),
          values_transposed_(scratch_.take(a.heads * TILE * value_size_)),
          key_gradient_(scratch_.take(a.heads * TILE * size_)),
          value_gradient_(scratch_.take(a.heads * TILE * value_size_)),
          rows_(scratch_.take(TILE * std::max(size_, value_size_))),
          queries_(scratch_.take(TILE * size_)),
          out_gradient_(scratch_.take(TILE * value_size_)),
          weights_(scratch_.take(TILE * TILE)),
          score_gradient_(scratch_.take(TILE * TILE)),
          bias_gradient_(scratch_.take(TILE * TILE)),
          bias_(scratch_, longest) {}

    // `position` and `time` are this unit's own sums.
    void run(const Unit& unit, int64_t start, float* position, float* time) {
        const Row row = row_of(a_, unit.row);
        const bool biased = a_.bias.position;
        if (biased) bias_.begin(row, a_.bias, start);
        std::memset(query_gradient_, 0, 4 * size_t(unit.count) * row.queries * size_);
        Tile tile;
        for (tile.key = 0; tile.key < row.keys; tile.key += TILE) {
            tile.keys = std::min(TILE, row.keys - tile.key);
            take_keys(row, tile, unit);
            for (tile.query = 0; tile.query < row.queries; tile.query += TILE) {
                tile.queries = std::min(TILE, row.queries - tile.query);
                if (!is_visible(row, tile)) continue;
                if (biased) bias_.fill(row, a_.bias, tile);
                if (biased) std::memset(bias_gradient_, 0, 4 * TILE * TILE);
                for (int h = 0; h < unit.count; ++h) add(row, tile, unit.first, h);
                if (biased) bias_.add_gradient(row, a_.bias, tile, bias_gradient_, position, time);
            }
            for (int h = 0; h < unit.count; ++h) {
                write<T>(key_gradient_ + h * TILE * size_, size_, 1, g_.k, row.first_key + tile.key, unit.first + h,
                         tile.keys, a_.size);
                write<T>(value_gradient_ + h * TILE * value_size_, value_size_, 1, g_.v, row.first_key + tile.key,
                         unit.first + h, tile.keys, a_.value_size);
            }
        }
        for (int h = 0; h < unit.count; ++h)
            write<T>(query_gradient_ + size_t(h) * row.queries * size_, size_, a_.scale, g_.q, row.first_query,
                     unit.first + h, row.queries, a_.size);
    }

  private:
    void take_keys(const Row& row, const Tile& tile, const Unit& unit) {
        for (int h = 0; h < unit.count; ++h) {
            const int64_t token = row.first_key + tile.key;
            copy<T>(a_.k, token, unit.first + h, tile.keys, a_.size, 1, keys_ + h * TILE * size_, size_);
            copy_transposed<T>(a_.k, token, unit.first + h, tile.keys, a_.size, rows_,
                               keys_transposed_ + h * TILE * size_);
            copy_transposed<T>(a_.v, token, unit.first + h, tile.keys, a_.value_size, rows_,
                               values_transposed_ + h * TILE * value_size_);
        }
        std::memset(key_gradient_, 0, 4 * size_t(unit.count) * TILE * size_);
        std::memset(value_gradient_, 0, 4 * size_t(unit.count) * TILE * value_size_);
    }

    void add(const Row& row, const Tile& tile, int first_head, int h) {
        const bool biased = a_.bias.position;
        const int64_t query = row.first_query + tile.query;
        const int columns = rounded_up(tile.keys);
        copy<T>(a_.q, query, first_head + h, tile.queries, a_.size, a_.scale, queries_, size_);
        copy<T>(g_.out, query, first_head + h, tile.queries, a_.value_size, 1, out_gradient_, value_size_);
        product<false>(tile.queries, columns, a_.size, queries_, size_, 1, keys_transposed_ + h * TILE * size_, TILE,
                       weights_, TILE);
        product<false>(tile.queries, columns, a_.value_size, out_gradient_, value_size_, 1,
                       values_transposed_ + h * TILE * value_size_, TILE, score_gradient_, TILE);
        for_cells(row, tile, [&](int i, int j, Ints visible) {
            const int cell = i * TILE + j;
            Floats s = load(weights_ + cell);
            if (biased) s += load(bias_.weights + cell);
            const Floats half = sigmoid(s), silu = s * half;
            const Floats slope = where(visible, load(score_gradient_ + cell) * (half + silu * (1.0f - half)) * a_.weight);
            store(weights_ + cell, where(visible, silu * a_.weight));
            store(score_gradient_ + cell, slope);
            if (biased) store(bias_gradient_ + cell, load(bias_gradient_ + cell) + slope);
        });
        product<true>(tile.keys, value_size_, tile.queries, weights_, 1, TILE, out_gradient_, value_size_,
                      value_gradient_ + h * TILE * value_size_, value_size_);
        product<true>(tile.keys, size_, tile.queries, score_gradient_, 1, TILE, queries_, size_,
                      key_gradient_ + h * TILE * size_, size_);
        product<true>(tile.queries, size_, tile.keys, score_gradient_, TILE, 1, keys_ + h * TILE * size_, size_,
                      query_gradient_ + (size_t(h) * row.queries + tile.query) * size_, size_);
    }

    const Attention& a_;
    const Gradients& g_;
    int size_, value_size_;
    Scratch scratch_;
    float *query_gradient_, *keys_, *keys_transposed_, *values_transposed_, *key_gradient_, *value_gradient_;
    float *rows_, *queries_, *out_gradient_, *weights_, *score_gradient_, *bias_gradient_;
    TileBias bias_;
};
