// HSTU attention over jagged rows (HSTU paper eq. 2), forward and backward, tile by tile: nothing of size keys x queries
// is ever held. Every row's sums run in one fixed order, so results do not depend on the number of threads.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "rows.h"
#include "tiles.h"

using rows::Bias;
using rows::Clock;
using rows::Mask;
using rows::Row;
using namespace tiles;

namespace {

constexpr int TILE = 64;  // queries and keys of a tile

// A (tokens, heads, size) tensor with its innermost dimension dense.
struct Jagged {
    void* data;
    int64_t token_step, head_step;
};

}  // namespace

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

namespace {

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

// Memory of one thread, given out piece by piece.
class Scratch {
  public:
    explicit Scratch(size_t floats) : memory_(static_cast<float*>(std::aligned_alloc(64, (floats * 4 + 63) / 64 * 64))) {
        if (!memory_) throw std::bad_alloc();
    }
    float* take(size_t floats) {
        float* piece = memory_.get() + used_;
        used_ += (floats + 15) / 16 * 16;
        return piece;
    }

  private:
    struct Free {
        void operator()(float* memory) const { std::free(memory); }
    };
    std::unique_ptr<float[], Free> memory_;
    size_t used_ = 0;
};

Row row_of(const Attention& a, int64_t b) {
    Row row;
    row.first_key = a.offsets[b];
    row.first_query = a.query_offsets[b];
    row.keys = int(a.offsets[b + 1] - a.offsets[b]);
    row.queries = int(a.query_offsets[b + 1] - a.query_offsets[b]);
    row.history = row.keys - (a.targets ? int(a.targets[b]) : 0);
    row.mask = a.mask;
    return row;
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

// Transposed: `size` rows of TILE floats, zero beyond `count` tokens.
template <typename T>
void copy_transposed(const Jagged& from, int64_t token, int head, int count, int size, float* to) {
    for (int i = 0; i < count; ++i) {
        const T* source = static_cast<const T*>(from.data) + (token + i) * from.token_step + head * from.head_step;
        for (int c = 0; c < size; ++c) to[c * TILE + i] = widen(source[c]);
    }
    for (int c = 0; c < size; ++c)
        for (int i = count; i < rounded_up(count); ++i) to[c * TILE + i] = 0;
}

template <typename T>
void write(const float* from, int step, float factor, const Jagged& to, int64_t token, int head, int count, int size) {
    for (int i = 0; i < count; ++i) {
        T* target = static_cast<T*>(to.data) + (token + i) * to.token_step + head * to.head_step;
        for (int c = 0; c < size; ++c) narrow(from[i * step + c] * factor, target[c]);
    }
}

// The part of a row's score matrix between some of its queries and some of its keys; places count within the row.
struct Tile {
    int query, queries;  // first query (counted among the queries) and how many
    int key, keys;
};

bool is_visible(const Row& row, const Tile& tile) {
    const int first = row.place(tile.query), last = row.place(tile.query + tile.queries - 1);
    if (tile.key <= last && first < tile.key + tile.keys) return true;  // the diagonal
    int low = row.keys, high = 0;
    for (int place = first; place <= last; ++place) {
        low = std::min(low, row.low(place));
        high = std::max(high, row.high(place));
    }
    return tile.key < high && low < tile.key + tile.keys;
}

// The bias of a tile and the time bucket of each of its cells, the same for all heads.
struct TileBias {
    float* weights;    // [TILE][TILE]
    int32_t* buckets;  // [TILE][TILE]
    Clock key_clock, query_clock;
    int32_t* distance;  // [TILE] relative position of the tile's keys

    TileBias(Scratch& scratch, int longest)
        : weights(scratch.take(TILE * TILE)),
          buckets(reinterpret_cast<int32_t*>(scratch.take(TILE * TILE))),
          key_clock{ints(scratch, longest + TILE), ints(scratch, longest + TILE)},
          query_clock{ints(scratch, longest + TILE), ints(scratch, longest + TILE)},
          distance(ints(scratch, TILE)) {
        std::memset(key_clock.seconds, 0, 4 * (longest + TILE));
        std::memset(key_clock.rest, 0, 4 * (longest + TILE));
    }
    static size_t size(int longest) { return 2 * TILE * TILE + 4 * (longest + TILE + 16) + TILE + 64; }
    static int32_t* ints(Scratch& scratch, size_t count) { return reinterpret_cast<int32_t*>(scratch.take(count)); }

    void begin(const Row& row, const Bias& bias, int64_t start) {
        key_clock.set(row.keys, bias.key_times + row.first_key, start);
        query_clock.set(row.queries, bias.query_times + row.first_query, start);
    }

    // Whether distances grow by one from key to key: so they do but for context and candidates.
    bool is_regular(const Row& row, const Tile& tile) const {
        return tile.key + 1 >= row.mask.context && tile.key + tile.keys <= row.history + 1;
    }

    void fill(const Row& row, const Bias& bias, const Tile& tile) {
        const bool regular = is_regular(row, tile);
        for (int j = 0; j < tile.keys; ++j) distance[j] = row.relative(tile.key + j);
        for (int i = 0; i < tile.queries; ++i) {
            const float* position = bias.position + bias.half - row.relative(row.place(tile.query + i));
            float* out = weights + i * TILE;
            if (regular)
                for (int j = 0; j < tile.keys; ++j) out[j] = position[distance[0] + j];
            else
                for (int j = 0; j < tile.keys; ++j) out[j] = position[distance[j]];
            const int32_t second = query_clock.seconds[tile.query + i], rest = query_clock.rest[tile.query + i];
            for (int j = 0; j < tile.keys; j += WIDTH) {
                const Ints bucket = rows::time_buckets(second, rest, key_clock.seconds + tile.key + j,
                                                       key_clock.rest + tile.key + j, bias);
                *reinterpret_cast<Ints*>(buckets + i * TILE + j) = bucket;
                Floats weight;
                for (int lane = 0; lane < WIDTH; ++lane) weight[lane] = bias.time[bucket[lane]];
                store(out + j, load(out + j) + weight);
            }
        }
    }

    // Adds the gradient of a tile's bias to the tables: along diagonals by distance, cell by cell by time.
    void add_gradient(const Row& row, const Bias& bias, const Tile& tile, const float* gradient, float* position,
                      float* time) const {
        const bool regular = is_regular(row, tile);
        for (int i = 0; i < tile.queries; ++i) {
            float* by_distance = position + bias.half - row.relative(row.place(tile.query + i));
            const float* cells = gradient + i * TILE;
            if (regular)
                for (int j = 0; j < tile.keys; ++j) by_distance[distance[0] + j] += cells[j];
            else
                for (int j = 0; j < tile.keys; ++j) by_distance[distance[j]] += cells[j];
            // Neighbours often share a bucket: four tables in turn keep one sum from waiting for the other.
            for (int j = 0; j < tile.keys; ++j) time[buckets[i * TILE + j] * 4 + j % 4] += cells[j];
        }
    }
};

// Calls `each(row of the tile, first column, visible)` for WIDTH columns at a time; `visible` is -1 where a query may look.
template <typename Each>
inline void for_cells(const Row& row, const Tile& tile, Each each) {
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

struct Unit {
    int64_t row;
    int first, count;  // queries of a forward unit, heads of a backward one
    int64_t cost;
};

void longest_first(std::vector<Unit>& units) {
    std::stable_sort(units.begin(), units.end(), [](const Unit& a, const Unit& b) { return a.cost > b.cost; });
}

int longest_row(const Attention& a) {
    int64_t longest = 0;
    for (int64_t b = 0; b < a.batch; ++b) longest = std::max(longest, a.offsets[b + 1] - a.offsets[b]);
    return int(longest);
}

// Checks the spans of time; returns the first row that is too wide, or -1.
int64_t starts_of_rows(const Attention& a, std::vector<int64_t>& starts) {
    starts.assign(a.batch, 0);
    if (!a.bias.position) return -1;
    for (int64_t b = 0; b < a.batch; ++b)
        if (!rows::span(row_of(a, b), a.bias, starts[b])) return b;
    return -1;
}

template <typename T>
class Forward {
  public:
    Forward(const Attention& a, const Jagged& out, int longest)
        : a_(a),
          out_(out),
          size_(rounded_up(a.size)),
          value_size_(rounded_up(a.value_size)),
          scratch_(TILE * TILE + TILE * (int64_t(a.heads) * (size_ + value_size_) + a.size + value_size_) +
                   TileBias::size(longest) + 256),
          queries_(scratch_.take(TILE * a.heads * size_)),
          sums_(scratch_.take(TILE * a.heads * value_size_)),
          keys_(scratch_.take(TILE * a.size)),
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
            copy_transposed<T>(a_.k, row.first_key + tile.key, head, tile.keys, a_.size, keys_);
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
    float *queries_, *sums_, *keys_, *values_, *scores_;
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
                   TILE * (2 * a.size + 2 * a.value_size + 3 * size_ + 3 * value_size_) * int64_t(a.heads) +
                   TileBias::size(longest) + 512),
          query_gradient_(scratch_.take(int64_t(a.heads) * longest * size_)),
          keys_(scratch_.take(a.heads * TILE * size_)),
          keys_transposed_(scratch_.take(a.heads * TILE * a.size)),
          values_transposed_(scratch_.take(a.heads * TILE * a.value_size)),
          key_gradient_(scratch_.take(a.heads * TILE * size_)),
          value_gradient_(scratch_.take(a.heads * TILE * value_size_)),
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
            copy_transposed<T>(a_.k, token, unit.first + h, tile.keys, a_.size, keys_transposed_ + h * TILE * a_.size);
            copy_transposed<T>(a_.v, token, unit.first + h, tile.keys, a_.value_size,
                               values_transposed_ + h * TILE * a_.value_size);
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
        product<false>(tile.queries, columns, a_.size, queries_, size_, 1, keys_transposed_ + h * TILE * a_.size, TILE,
                       weights_, TILE);
        product<false>(tile.queries, columns, a_.value_size, out_gradient_, value_size_, 1,
                       values_transposed_ + h * TILE * a_.value_size, TILE, score_gradient_, TILE);
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
    float *queries_, *out_gradient_, *weights_, *score_gradient_, *bias_gradient_;
    TileBias bias_;
};

template <typename T>
void forward(const Attention& a, const Jagged& out, const std::vector<int64_t>& starts) {
    std::vector<Unit> units;
    for (int64_t b = 0; b < a.batch; ++b) {
        const Row row = row_of(a, b);
        for (int first = 0; first < row.queries; first += TILE) {
            const int count = std::min(TILE, row.queries - first);
            units.push_back({b, first, count, int64_t(count) * row.place(first + count)});
        }
    }
    longest_first(units);
    const int longest = longest_row(a);
#pragma omp parallel num_threads(a.threads)
    {
        Forward<T> worker(a, out, longest);
#pragma omp for schedule(dynamic)
        for (size_t i = 0; i < units.size(); ++i) worker.run(units[i], starts[units[i].row]);
    }
}

template <typename T>
void backward(const Attention& a, const Gradients& g, const std::vector<int64_t>& starts) {
    // All heads of a row share its bias and are done together, unless the rows are too few to keep all cores busy.
    const int heads = a.batch < 16 ? 1 : a.heads;
    std::vector<Unit> units;
    for (int64_t b = 0; b < a.batch; ++b) {
        const Row row = row_of(a, b);
        for (int first = 0; first < a.heads && row.keys; first += heads)
            units.push_back({b, first, heads, int64_t(row.keys) * row.queries});
    }
    longest_first(units);
    const int longest = longest_row(a);
    const int64_t positions = a.bias.position ? 2 * a.bias.half + 1 : 0, times = a.bias.position ? 129 * 4 : 0;
    // Each unit sums the bias by itself and the sums are added in order, so that the result is always the same.
    std::vector<float> sums((positions + times) * units.size());
#pragma omp parallel num_threads(a.threads)
    {
        Backward<T> worker(a, g, longest);
#pragma omp for schedule(dynamic)
        for (size_t i = 0; i < units.size(); ++i) {
            float* own = sums.data() + i * (positions + times);
            worker.run(units[i], starts[units[i].row], own, own + positions);
        }
    }
    for (size_t i = 0; i < units.size() && positions; ++i) {
        const float* own = sums.data() + i * (positions + times);
        for (int64_t p = 0; p < positions; ++p) g.position[p] += own[p];
        for (int64_t t = 0; t < times; ++t) g.time[t / 4] += own[positions + t];
    }
}

}  // namespace

extern "C" {

// Both return -1, or the first row whose times span more than 31 bits of seconds, having done nothing.
int64_t hstu_attention_forward(const Attention* a, const Jagged* out) {
    std::vector<int64_t> starts;
    const int64_t wrong = starts_of_rows(*a, starts);
    if (wrong >= 0) return wrong;
    a->half_precision ? forward<bfloat16>(*a, *out, starts) : forward<float>(*a, *out, starts);
    return -1;
}

int64_t hstu_attention_backward(const Attention* a, const Gradients* gradients) {
    std::vector<int64_t> starts;
    const int64_t wrong = starts_of_rows(*a, starts);
    if (wrong >= 0) return wrong;
    a->half_precision ? backward<bfloat16>(*a, *gradients, starts) : backward<float>(*a, *gradients, starts);
    return -1;
}
}
