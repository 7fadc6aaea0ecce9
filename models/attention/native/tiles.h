// Small dense products on tiles that stay in the cache.
#pragma once

#include <cstdint>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace tiles {

#if defined(__AVX512F__)
constexpr int WIDTH = 16;
#elif defined(__AVX__)
constexpr int WIDTH = 8;
#else
constexpr int WIDTH = 4;
#endif

typedef float Floats __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));

inline Floats load(const float* from) { return *reinterpret_cast<const Floats*>(from); }
inline void store(float* to, Floats values) { *reinterpret_cast<Floats*>(to) = values; }
inline Floats spread(float value) { return value - Floats{}; }
inline Ints spread(int32_t value) { return value - Ints{}; }
inline int rounded_up(int size) { return (size + WIDTH - 1) / WIDTH * WIDTH; }

#if defined(__AVX512F__)
// 1 / (1 + exp(-x)), to 1e-6 of itself; no clamping, for the scaling saturates as it should.
inline Floats sigmoid(Floats x) {
    const Floats power = x * -1.44269504f;
    const Floats whole = (Floats)_mm512_roundscale_ps((__m512)power, 8);
    const Floats rest = power - whole;
    Floats series = spread(1.5403530e-4f);
    series = series * rest + 1.3333558e-3f;
    series = series * rest + 9.6181291e-3f;
    series = series * rest + 5.5504109e-2f;
    series = series * rest + 2.4022651e-1f;
    series = series * rest + 6.9314718e-1f;
    series = series * rest + 1.0f;
    const Floats below = 1.0f + (Floats)_mm512_scalef_ps((__m512)series, (__m512)whole);
    const Floats guess = (Floats)_mm512_rcp14_ps((__m512)below);
    // One Newton step; where 1 + exp is infinite the guess, 0, is the answer.
    const Floats better = guess * (2.0f - below * guess);
    return (Floats)_mm512_mask_mov_ps((__m512)better, _mm512_cmp_ps_mask((__m512)below, _mm512_set1_ps(3e38f), _CMP_GT_OQ),
                                      (__m512)guess);
}
#else
// exp(x) to 2 ulp; x is clamped to where the result is a normal number.
inline Floats exponential(Floats x) {
    const Floats low = spread(-87.0f), high = spread(88.0f);
    x = x < low ? low : x;
    x = x > high ? high : x;
    const Floats magic = spread(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
    const Floats shifted = x * 1.44269504f + magic;
    const Floats whole = shifted - magic;
    const Floats rest = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    Floats series = spread(1.9875691500e-4f);
    series = series * rest + 1.3981999507e-3f;
    series = series * rest + 8.3334519073e-3f;
    series = series * rest + 4.1665795894e-2f;
    series = series * rest + 1.6666665459e-1f;
    series = series * rest + 5.0000001201e-1f;
    series = series * (rest * rest) + rest + 1.0f;
    const Ints power = ((Ints)shifted - (Ints)magic + 127) << 23;
    return series * (Floats)power;
}

inline Floats sigmoid(Floats x) { return 1.0f / (1.0f + exponential(-x)); }
#endif

#if defined(__AVX512F__)
// 16 x 16 words, transposed.
inline void transpose_block(const uint32_t* from, int64_t from_step, uint32_t* to, int64_t to_step) {
    __m512i rows[16], mixed[16];
    for (int i = 0; i < 16; ++i) rows[i] = _mm512_loadu_si512(from + i * from_step);
    for (int i = 0; i < 16; i += 2) {
        mixed[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        mixed[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        rows[i] = _mm512_unpacklo_epi64(mixed[i], mixed[i + 2]);
        rows[i + 1] = _mm512_unpackhi_epi64(mixed[i], mixed[i + 2]);
        rows[i + 2] = _mm512_unpacklo_epi64(mixed[i + 1], mixed[i + 3]);
        rows[i + 3] = _mm512_unpackhi_epi64(mixed[i + 1], mixed[i + 3]);
    }
    for (int i = 0; i < 4; ++i) {
        mixed[i] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0x88);
        mixed[i + 4] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0xdd);
        mixed[i + 8] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0x88);
        mixed[i + 12] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; ++i) {
        _mm512_storeu_si512(to + i * to_step, _mm512_shuffle_i32x4(mixed[i], mixed[i + 8], 0x88));
        _mm512_storeu_si512(to + (i + 4) * to_step, _mm512_shuffle_i32x4(mixed[i + 4], mixed[i + 12], 0x88));
        _mm512_storeu_si512(to + (i + 8) * to_step, _mm512_shuffle_i32x4(mixed[i], mixed[i + 8], 0xdd));
        _mm512_storeu_si512(to + (i + 12) * to_step, _mm512_shuffle_i32x4(mixed[i + 4], mixed[i + 12], 0xdd));
    }
}
#else
// WIDTH x WIDTH words, transposed.
inline void transpose_block(const uint32_t* from, int64_t from_step, uint32_t* to, int64_t to_step) {
    for (int i = 0; i < WIDTH; ++i)
        for (int j = 0; j < WIDTH; ++j) to[j * to_step + i] = from[i * from_step + j];
}
#endif

// rows x columns words, both multiples of WIDTH, as columns x rows.
template <typename Word>
void transpose(const Word* from, int64_t from_step, int rows, int columns, Word* to, int64_t to_step) {
    static_assert(sizeof(Word) == 4);
    for (int row = 0; row < rows; row += WIDTH)
        for (int column = 0; column < columns; column += WIDTH)
            transpose_block(reinterpret_cast<const uint32_t*>(from + row * from_step + column), from_step,
                            reinterpret_cast<uint32_t*>(to + column * to_step + row), to_step);
}

// Rows [m, m + ROWS) x VECTORS vectors of C (+)= A B. A is read at a[row * row_step + k * k_step].
template <int ROWS, int VECTORS, bool ADD>
inline void block(int depth, const float* a, int64_t row_step, int64_t k_step, const float* b, int64_t b_step, float* c,
                  int64_t c_step) {
    Floats sums[ROWS][VECTORS];
    for (int row = 0; row < ROWS; ++row)
        for (int v = 0; v < VECTORS; ++v) sums[row][v] = ADD ? load(c + row * c_step + v * WIDTH) : Floats{};
    for (int k = 0; k < depth; ++k) {
        Floats right[VECTORS];
        for (int v = 0; v < VECTORS; ++v) right[v] = load(b + k * b_step + v * WIDTH);
        for (int row = 0; row < ROWS; ++row) {
            const Floats left = spread(a[row * row_step + k * k_step]);
            for (int v = 0; v < VECTORS; ++v) sums[row][v] += left * right[v];
        }
    }
    for (int row = 0; row < ROWS; ++row)
        for (int v = 0; v < VECTORS; ++v) store(c + row * c_step + v * WIDTH, sums[row][v]);
}

template <int VECTORS, bool ADD>
inline void panel(int rows, int depth, const float* a, int64_t row_step, int64_t k_step, const float* b, int64_t b_step,
                  float* c, int64_t c_step) {
    constexpr int ROWS = VECTORS > 2 ? 4 : 8;
    int row = 0;
    for (; row + ROWS <= rows; row += ROWS)
        block<ROWS, VECTORS, ADD>(depth, a + row * row_step, row_step, k_step, b, b_step, c + row * c_step, c_step);
    for (; row < rows; ++row)
        block<1, VECTORS, ADD>(depth, a + row * row_step, row_step, k_step, b, b_step, c + row * c_step, c_step);
}

// C (rows x columns) = A B, or += with ADD. `columns` is a multiple of WIDTH.
template <bool ADD>
inline void product(int rows, int columns, int depth, const float* a, int64_t row_step, int64_t k_step, const float* b,
                    int64_t b_step, float* c, int64_t c_step) {
    int vectors = columns / WIDTH;
    for (; vectors >= 4; vectors -= 4, b += 4 * WIDTH, c += 4 * WIDTH)
        panel<4, ADD>(rows, depth, a, row_step, k_step, b, b_step, c, c_step);
    if (vectors == 3) panel<3, ADD>(rows, depth, a, row_step, k_step, b, b_step, c, c_step);
    if (vectors == 2) panel<2, ADD>(rows, depth, a, row_step, k_step, b, b_step, c, c_step);
    if (vectors == 1) panel<1, ADD>(rows, depth, a, row_step, k_step, b, b_step, c, c_step);
}

}  // namespace tiles
