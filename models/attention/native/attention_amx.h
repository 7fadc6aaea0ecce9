// Forward and backward of some queries or heads of one row in bf16 on the matrix unit: `attention_float.h`, product for
// product, with sums in fp32.
#pragma once

#include "amx.h"

#ifdef HAS_AMX

#include <vector>

#include "attention_float.h"
#include "problem.h"
#include "tile_bias.h"

inline uint16_t* halves(Scratch& scratch, size_t count) {
    return reinterpret_cast<uint16_t*>(scratch.take((count + 1) / 2));
}
inline uint32_t* words(Scratch& scratch, size_t count) { return reinterpret_cast<uint32_t*>(scratch.take(count)); }

// `count` tokens of one head as rows of `step` bf16, zero beyond `size` and in the rows up to a whole register's depth.
inline void copy_halves(const Jagged& from, int64_t token, int head, int count, int size, uint16_t* to, int step) {
    for (int i = 0; i < count; ++i) {
        const uint16_t* source =
            static_cast<const uint16_t*>(from.data) + (token + i) * from.token_step + head * from.head_step;
        std::memcpy(to + i * step, source, 2 * size);
        std::memset(to + i * step + size, 0, 2 * (step - size));
    }
    std::memset(to + count * step, 0, 2 * size_t(amx::rounded(count, amx::DEPTH) - count) * step);
}

// The tile with its keys rounded up to a whole register's depth; no query may see the keys beyond its own.
inline Tile whole(const Tile& tile) {
    return {tile.query, tile.queries, tile.key, amx::rounded(tile.keys, amx::DEPTH)};
}

class ForwardAmx {
  public:
    ForwardAmx(const Attention& a, const Jagged& out, int longest)
        : a_(a),
          out_(out),
          size_(amx::rounded(a.size, amx::DEPTH)),
          value_size_(amx::rounded(a.value_size, amx::DEPTH)),
          scratch_(2 * TILE * TILE + TILE * (int64_t(a.heads) * (size_ + value_size_) + 2 * size_ + 2 * value_size_) +
                   TileBias::size(longest) + 256),
          queries_(halves(scratch_, TILE * a.heads * size_)),
          sums_(scratch_.take(TILE * a.heads * value_size_)),
          rows_(halves(scratch_, TILE * std::max(size_, value_size_))),
          keys_(words(scratch_, TILE * size_ / 2)),
          values_(words(scratch_, TILE * value_size_ / 2)),
          scores_(scratch_.take(TILE * TILE)),
          weights_(halves(scratch_, TILE * TILE)),
          bias_(scratch_, longest) {}

    void run(const Unit& unit, int64_t start) {
        const Row row = row_of(a_, unit.row);
        if (a_.bias.position) bias_.begin(row, a_.bias, start);
        for (int head = 0; head < a_.heads; ++head)
            copy_halves(a_.q, row.first_query + unit.first, head, unit.count, a_.size, queries_ + head * TILE * size_,
                        size_);
        std::memset(sums_, 0, 4 * TILE * a_.heads * value_size_);
        Tile tile{unit.first, unit.count, 0, 0};
        for (tile.key = 0; tile.key < row.keys; tile.key += TILE) {
            tile.keys = std::min(TILE, row.keys - tile.key);
            if (is_visible(row, tile)) add(row, tile);
        }
        for (int head = 0; head < a_.heads; ++head)
            write<bfloat16>(sums_ + head * TILE * value_size_, value_size_, 1, out_, row.first_query + unit.first, head,
                            unit.count, a_.value_size);
    }

  private:
    void add(const Row& row, const Tile& tile) {
        const bool biased = a_.bias.position;
        const int keys = amx::rounded(tile.keys, amx::DEPTH);
        if (biased) bias_.fill(row, a_.bias, tile);
        for (int head = 0; head < a_.heads; ++head) {
            copy_halves(a_.k, row.first_key + tile.key, head, tile.keys, a_.size, rows_, size_);
            transpose(reinterpret_cast<uint32_t*>(rows_), size_ / 2, keys, size_ / 2, keys_, TILE);
            copy_halves(a_.v, row.first_key + tile.key, head, tile.keys, a_.value_size, rows_, value_size_);
            amx::pair_rows(rows_, value_size_, keys, values_);
            amx::product<false>(tile.queries, keys, size_, queries_ + head * TILE * size_, size_, keys_, TILE, scores_,
                                TILE);
            for_cells(row, whole(tile), [&](int i, int j, Ints visible) {
                Floats s = load(scores_ + i * TILE + j) * a_.scale;
                if (biased) s += load(bias_.weights + i * TILE + j);
                store(scores_ + i * TILE + j, where(visible, s * sigmoid(s) * a_.weight));
            });
            amx::round_floats(scores_, TILE, tile.queries, keys, weights_);
            amx::product<true>(tile.queries, a_.value_size, keys, weights_, TILE, values_, value_size_,
                               sums_ + head * TILE * value_size_, value_size_);
        }
    }

    const Attention& a_;
    const Jagged& out_;
    int size_, value_size_;
    Scratch scratch_;
    uint16_t* queries_;
    float* sums_;
    uint16_t* rows_;
    uint32_t *keys_, *values_;
    float* scores_;
    uint16_t* weights_;
    TileBias bias_;
    amx::Registers registers_;
};

// A row's queries of one head, or the gradients of their outputs: as rows, and transposed by tiles of tokens.
struct Asked {
    uint16_t* rows;     // [tokens][step]
    uint32_t* columns;  // per tile [step][TILE / 2], a word holds two tokens
    int step;

    static size_t size(int64_t tokens, int step) { return (tokens + TILE) * step + 64; }
    Asked(Scratch& scratch, int64_t tokens, int step)
        : rows(halves(scratch, (tokens + TILE) * step)), columns(words(scratch, (tokens + TILE) * step / 2)), step(step) {}

    void take(const Jagged& from, int64_t token, int head, int count, int size, uint32_t* pairs) {
        copy_halves(from, token, head, count, size, rows, step);
        for (int first = 0; first < count; first += TILE) {
            const int tokens = amx::rounded(std::min(TILE, count - first), amx::DEPTH);
            amx::pair_rows(rows + first * step, step, tokens, pairs);
            transpose(pairs, step, tokens / 2, step, columns + first * step / 2, TILE / 2);
        }
    }
    const uint16_t* transposed(int first) const {
        return reinterpret_cast<const uint16_t*>(columns + first * step / 2);
    }
};

class BackwardAmx {
  public:
    BackwardAmx(const Attention& a, const Gradients& g, int longest)
        : a_(a),
          g_(g),
          longest_(longest + TILE),
          size_(amx::rounded(a.size, amx::DEPTH)),
          value_size_(amx::rounded(a.value_size, amx::DEPTH)),
          scratch_(a.heads * (int64_t(longest_) * size_ + Asked::size(longest, size_) + Asked::size(longest, value_size_) +
                              TILE * (3 * size_ + 2 * value_size_) + 256) +
                   TILE * (2 * size_ + 2 * value_size_ + 5 * TILE) + TileBias::size(longest) + 512),
          query_gradient_(scratch_.take(int64_t(a.heads) * longest_ * size_)),
          keys_(words(scratch_, a.heads * TILE * size_ / 2)),
          keys_by_feature_(words(scratch_, a.heads * TILE * size_ / 2)),
          values_by_feature_(words(scratch_, a.heads * TILE * value_size_ / 2)),
          key_gradient_(scratch_.take(a.heads * TILE * size_)),
          value_gradient_(scratch_.take(a.heads * TILE * value_size_)),
          rows_(halves(scratch_, TILE * std::max(size_, value_size_))),
          pairs_(words(scratch_, TILE * std::max({size_, value_size_, TILE}) / 2)),
          weights_(scratch_.take(TILE * TILE)),
          score_gradient_(scratch_.take(TILE * TILE)),
          bias_gradient_(scratch_.take(TILE * TILE)),
          rounded_(halves(scratch_, TILE * TILE)),
          bias_(scratch_, longest) {
        for (int head = 0; head < a.heads; ++head) {
            queries_.emplace_back(scratch_, longest, size_);
            out_gradients_.emplace_back(scratch_, longest, value_size_);
        }
    }

    // `position` and `time` are this unit's own sums.
    void run(const Unit& unit, int64_t start, float* position, float* time) {
        const Row row = row_of(a_, unit.row);
        const bool biased = a_.bias.position;
        if (biased) bias_.begin(row, a_.bias, start);
        for (int h = 0; h < unit.count; ++h) {
            queries_[h].take(a_.q, row.first_query, unit.first + h, row.queries, a_.size, pairs_);
            out_gradients_[h].take(g_.out, row.first_query, unit.first + h, row.queries, a_.value_size, pairs_);
        }
        std::memset(query_gradient_, 0, 4 * size_t(unit.count) * longest_ * size_);
        Tile tile;
        for (tile.key = 0; tile.key < row.keys; tile.key += TILE) {
            tile.keys = std::min(TILE, row.keys - tile.key);
            take_keys(row, tile, unit);
            for (tile.query = 0; tile.query < row.queries; tile.query += TILE) {
                tile.queries = std::min(TILE, row.queries - tile.query);
                if (!is_visible(row, tile)) continue;
                if (biased) bias_.fill(row, a_.bias, tile);
                if (biased) std::memset(bias_gradient_, 0, 4 * TILE * TILE);
                for (int h = 0; h < unit.count; ++h) add(row, tile, h);
                if (biased) bias_.add_gradient(row, a_.bias, tile, bias_gradient_, position, time);
            }
            for (int h = 0; h < unit.count; ++h) {
                write_transposed(key_gradient_ + h * TILE * size_, a_.scale, g_.k, row.first_key + tile.key,
                                 unit.first + h, tile.keys, a_.size);
                write_transposed(value_gradient_ + h * TILE * value_size_, 1, g_.v, row.first_key + tile.key,
                                 unit.first + h, tile.keys, a_.value_size);
            }
        }
        for (int h = 0; h < unit.count; ++h)
            write<bfloat16>(query_gradient_ + size_t(h) * longest_ * size_, size_, a_.scale, g_.q, row.first_query,
                            unit.first + h, row.queries, a_.size);
    }

  private:
    void take_keys(const Row& row, const Tile& tile, const Unit& unit) {
        const int keys = amx::rounded(tile.keys, amx::DEPTH);
        const int64_t token = row.first_key + tile.key;
        for (int h = 0; h < unit.count; ++h) {
            copy_halves(a_.k, token, unit.first + h, tile.keys, a_.size, rows_, size_);
            amx::pair_rows(rows_, size_, keys, keys_ + h * TILE * size_ / 2);
            transpose(reinterpret_cast<uint32_t*>(rows_), size_ / 2, keys, size_ / 2,
                           keys_by_feature_ + h * TILE * size_ / 2, TILE);
            copy_halves(a_.v, token, unit.first + h, tile.keys, a_.value_size, rows_, value_size_);
            transpose(reinterpret_cast<uint32_t*>(rows_), value_size_ / 2, keys, value_size_ / 2,
                           values_by_feature_ + h * TILE * value_size_ / 2, TILE);
        }
        std::memset(key_gradient_, 0, 4 * size_t(unit.count) * TILE * size_);
        std::memset(value_gradient_, 0, 4 * size_t(unit.count) * TILE * value_size_);
    }

    void add(const Row& row, const Tile& tile, int h) {
        const bool biased = a_.bias.position;
        const int keys = amx::rounded(tile.keys, amx::DEPTH), queries = amx::rounded(tile.queries, amx::DEPTH);
        const Asked &asked = queries_[h], &gradient = out_gradients_[h];
        amx::product<false>(tile.queries, keys, size_, asked.rows + tile.query * size_, size_,
                            keys_by_feature_ + h * TILE * size_ / 2, TILE, weights_, TILE);
        amx::product<false>(tile.queries, keys, value_size_, gradient.rows + tile.query * value_size_, value_size_,
                            values_by_feature_ + h * TILE * value_size_ / 2, TILE, score_gradient_, TILE);
        for_cells(row, whole(tile), [&](int i, int j, Ints visible) {
            const int cell = i * TILE + j;
            Floats s = load(weights_ + cell) * a_.scale;
            if (biased) s += load(bias_.weights + cell);
            const Floats half = sigmoid(s), silu = s * half;
            const Floats slope = where(visible, load(score_gradient_ + cell) * (half + silu * (1.0f - half)) * a_.weight);
            store(weights_ + cell, where(visible, silu * a_.weight));
            store(score_gradient_ + cell, slope);
            if (biased) store(bias_gradient_ + cell, load(bias_gradient_ + cell) + slope);
        });
        const size_t beyond = 4 * size_t(queries - tile.queries) * TILE;
        std::memset(weights_ + tile.queries * TILE, 0, beyond);
        std::memset(score_gradient_ + tile.queries * TILE, 0, beyond);
        amx::pair_floats(weights_, TILE, queries, keys, pairs_);
        amx::product<true>(a_.value_size, keys, queries, gradient.transposed(tile.query), TILE, pairs_, TILE,
                           value_gradient_ + h * TILE * value_size_, TILE);
        amx::pair_floats(score_gradient_, TILE, queries, keys, pairs_);
        amx::product<true>(a_.size, keys, queries, asked.transposed(tile.query), TILE, pairs_, TILE,
                           key_gradient_ + h * TILE * size_, TILE);
        amx::round_floats(score_gradient_, TILE, tile.queries, keys, rounded_);
        amx::product<true>(tile.queries, a_.size, keys, rounded_, TILE, keys_ + h * TILE * size_ / 2, size_,
                           query_gradient_ + (size_t(h) * longest_ + tile.query) * size_, size_);
    }

    // From rows of features, TILE tokens each.
    static void write_transposed(const float* from, float factor, const Jagged& to, int64_t token, int head, int count,
                                 int size) {
        for (int i = 0; i < count; ++i) {
            bfloat16* target = static_cast<bfloat16*>(to.data) + (token + i) * to.token_step + head * to.head_step;
            for (int c = 0; c < size; ++c) narrow(from[c * TILE + i] * factor, target[c]);
        }
    }

    const Attention& a_;
    const Gradients& g_;
    int longest_, size_, value_size_;
    Scratch scratch_;
    float* query_gradient_;
    uint32_t *keys_, *keys_by_feature_, *values_by_feature_;
    float *key_gradient_, *value_gradient_;
    uint16_t* rows_;
    uint32_t* pairs_;
    float *weights_, *score_gradient_, *bias_gradient_;
    uint16_t* rounded_;
    TileBias bias_;
    std::vector<Asked> queries_, out_gradients_;
    amx::Registers registers_;
};

#endif
