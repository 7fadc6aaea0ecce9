// The relative bias of a tile, and what its gradient adds to the tables.
#pragma once

#include "problem.h"

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
            add_by_time(buckets + i * TILE, cells, tile.keys, time);
        }
    }

  private:
    // Far keys share a bucket for long runs, which are summed before they are added.
    static void add_by_time(const int32_t* buckets, const float* cells, int count, float* time) {
        int j = 0, run = -1;
        Floats sum{};
        const auto flush = [&] {
            for (int lane = 0; run >= 0 && lane < WIDTH; ++lane) time[run] += sum[lane];
            sum = Floats{};
        };
        for (; j + WIDTH <= count; j += WIDTH) {
            const Ints here = *reinterpret_cast<const Ints*>(buckets + j);
            if (is_even(here)) {
                if (here[0] != run) flush();
                run = here[0];
                sum += load(cells + j);
            } else {
                for (int lane = 0; lane < WIDTH; ++lane) time[buckets[j + lane]] += cells[j + lane];
            }
        }
        flush();
        for (; j < count; ++j) time[buckets[j]] += cells[j];
    }

    static bool is_even(Ints values) {
        const Ints differs = values ^ values[0];
        int any = 0;
        for (int lane = 0; lane < WIDTH; ++lane) any |= differs[lane];
        return any == 0;
    }
};
